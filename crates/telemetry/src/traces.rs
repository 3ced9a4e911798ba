//! Traces: spans that have ended are queued, and a task on the shim's own runtime sends them.
//!
//! Identifiers, sampling, limits and the shape of what is sent are OpenTelemetry's own libraries'. Theirs not is the
//! way out: their processor needs a thread, and their exporter a client that brings a TLS stack.

mod collector;
mod delivery;
mod queue;
#[cfg(test)]
mod witness;

use std::time::Duration;

use hyper::Uri;
use hyper::header::HeaderMap;
use opentelemetry::trace::{SpanContext, TraceContextExt, TracerProvider};
use opentelemetry::{Context, ContextGuard, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use tokio::task::JoinHandle;
use tracing::Subscriber;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::registry::LookupSpan;

use crate::Identity;
use crate::traces::collector::Collector;
use crate::traces::delivery::Delivery;
use crate::traces::queue::Queue;

/// Which traces are sent, where and how. [`environment::traces`](crate::environment::traces) makes one.
#[derive(Debug)]
pub struct Settings {
    pub(crate) endpoint: Uri,
    pub(crate) protocol: Protocol,
    pub(crate) headers: HeaderMap,
    pub(crate) timeout: Duration,
    /// Of the resource. Of two with one name, the second counts.
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) sampler: Sampler,
    pub(crate) parent: Option<SpanContext>,
}

/// How spans are written into a request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Protobuf,
    Json,
}

/// The way of a span from its end to the collector.
#[derive(Debug)]
pub(crate) struct Pipeline {
    provider: SdkTracerProvider,
    delivery: JoinHandle<()>,
    /// While it lives, spans without a parent continue the trace we were started in.
    _parent: Option<ContextGuard>,
}

impl Pipeline {
    pub(crate) fn start(settings: Settings, identity: &Identity<'_>) -> Self {
        let resource = resource(identity, settings.attributes);
        let collector =
            Collector::new(settings.endpoint, settings.protocol, settings.headers, settings.timeout);
        let (queue, spans) = Queue::new();
        let delivery = Delivery::new(spans, collector, &resource);
        let provider = SdkTracerProvider::builder()
            .with_sampler(settings.sampler)
            .with_resource(resource)
            .with_span_processor(queue)
            .build();
        let parent = settings.parent.map(|parent| Context::new().with_remote_span_context(parent).attach());
        Self { provider, delivery: tokio::spawn(delivery.run()), _parent: parent }
    }

    pub(crate) fn layer<S>(&self) -> OpenTelemetryLayer<S, SdkTracer>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        // Where in the source, on which thread and how busy: costs more than a reader of traces gains.
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("shimmer"))
            .with_context_activation(false)
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
    }

    pub(crate) async fn finish(self, patience: Duration) {
        // It only closes the queue, which the processor has no way to fail at.
        let _ = self.provider.shutdown();
        let abort = self.delivery.abort_handle();
        if tokio::time::timeout(patience, self.delivery).await.is_err() {
            abort.abort();
        }
    }
}

/// Whose traces they are: what we know, overruled by what the operator says.
fn resource(identity: &Identity<'_>, attributes: Vec<(String, String)>) -> Resource {
    let known = [
        KeyValue::new("service.name", format!("containerd-shim-{}-v1", identity.engine)),
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("shimmer.engine", identity.engine.to_owned()),
        KeyValue::new("shimmer.namespace", identity.namespace.to_owned()),
        KeyValue::new("shimmer.pod", identity.pod.to_owned()),
    ];
    let said = attributes.into_iter().map(|(key, value)| KeyValue::new(key, value));
    Resource::builder_empty().with_attributes(known).with_attributes(said).build()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::fs::File;
    use std::io::Read;
    use std::os::fd::OwnedFd;
    use std::time::Instant;

    use opentelemetry_proto::tonic::trace::v1::Span;
    use rustix::pipe::{PipeFlags, pipe_with};
    use tracing::{error, error_span, info, info_span};

    use super::witness::{SOON, Witness};
    use super::*;
    use crate::{Guard, PATIENCE, environment};

    const IDENTITY: Identity<'_> = Identity { engine: "fake", namespace: "k8s.io", pod: "f5c1" };

    /// Installs telemetry for this thread, whose traces go to `address`.
    fn installed(
        address: &str,
        variables: &[(&str, &str)],
    ) -> (OwnedFd, Guard, tracing::subscriber::DefaultGuard) {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", address);
        let settings = environment::traces(|name| {
            let found = variables.iter().chain([&endpoint]).find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        });
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let (subscriber, guard) =
            crate::subscriber(writer, &IDENTITY, tracing::Level::INFO, settings.unwrap());
        (reader, guard, tracing::subscriber::set_default(subscriber))
    }

    /// All that was logged, once nobody writes any more.
    fn log(reader: OwnedFd) -> String {
        let mut text = String::new();
        File::from(reader).read_to_string(&mut text).unwrap();
        text
    }

    fn create() {
        let create = info_span!("create", container = "c1", size = 3).entered();
        info_span!("resolve").in_scope(|| info!("resolved"));
        info_span!("load").in_scope(|| error!(path = "/a.wasm", "the program is damaged"));
        drop(create);
    }

    fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
        spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("{name} in {spans:?}"))
    }

    async fn a_collector_receives_spans_by(protocol: &str) {
        let witness = Witness::start().await;
        let variables = [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-token=a%20b"),
            ("OTEL_RESOURCE_ATTRIBUTES", "host.name=n1"),
        ];
        let (_reader, guard, _default) = installed(&witness.address(), &variables);
        create();
        guard.flush_within(SOON).await;

        let request = witness.request().await;
        let content = if protocol == "http/json" { "application/json" } else { "application/x-protobuf" };
        for line in ["POST /v1/traces HTTP/1.1", "x-token: a b", &format!("content-type: {content}")] {
            assert!(request.head.lines().any(|found| found == line), "{line} in {}", request.head);
        }
        assert_eq!(
            request.resource(),
            HashMap::from(
                [
                    ("service.name", "containerd-shim-fake-v1"),
                    ("service.version", env!("CARGO_PKG_VERSION")),
                    ("shimmer.engine", "fake"),
                    ("shimmer.namespace", "k8s.io"),
                    ("shimmer.pod", "f5c1"),
                    ("host.name", "n1"),
                ]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
            )
        );
        let spans = request.spans();
        let (create, resolve, load) =
            (named(&spans, "create"), named(&spans, "resolve"), named(&spans, "load"));
        assert!(create.parent_span_id.is_empty());
        for child in [resolve, load] {
            assert_eq!(child.parent_span_id, create.span_id);
            assert_eq!(child.trace_id, create.trace_id);
            assert!(child.start_time_unix_nano >= create.start_time_unix_nano);
            assert!(child.end_time_unix_nano <= create.end_time_unix_nano);
        }
        let attributes: Vec<_> = create.attributes.iter().map(|attribute| attribute.key.as_str()).collect();
        assert!(attributes.contains(&"container") && attributes.contains(&"size"), "{attributes:?}");
        let status = load.status.as_ref().unwrap();
        assert_eq!((status.code, status.message.as_str()), (2, "the program is damaged"));
        assert_eq!(resolve.status.as_ref().unwrap().code, 0);
    }

    #[tokio::test]
    async fn a_collector_receives_spans_by_protobuf() {
        a_collector_receives_spans_by("http/protobuf").await;
    }

    #[tokio::test]
    async fn a_collector_receives_spans_by_json() {
        a_collector_receives_spans_by("http/json").await;
    }

    #[tokio::test]
    async fn spans_are_sent_without_a_flush() {
        let witness = Witness::start().await;
        let (_reader, _guard, _default) = installed(&witness.address(), &[]);
        create();
        assert_eq!(witness.request().await.spans().len(), 3);
    }

    #[tokio::test]
    async fn the_trace_of_the_environment_is_continued() {
        let witness = Witness::start().await;
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let (_reader, guard, _default) = installed(&witness.address(), &[("TRACEPARENT", parent)]);
        create();
        guard.flush_within(SOON).await;
        let spans = witness.request().await.spans();
        assert_eq!(named(&spans, "create").trace_id[..4], [0x0a, 0xf7, 0x65, 0x19]);
        assert_eq!(named(&spans, "create").parent_span_id[..4], [0xb7, 0xad, 0x6b, 0x71]);
        assert_eq!(named(&spans, "load").parent_span_id, named(&spans, "create").span_id);
    }

    #[tokio::test]
    async fn spans_that_are_not_sampled_or_not_ours_are_not_sent() {
        let witness = Witness::start().await;
        let (_reader, guard, default) =
            installed(&witness.address(), &[("OTEL_TRACES_SAMPLER", "always_off")]);
        create();
        guard.flush_within(SOON).await;
        drop(default);
        let (_reader, guard, _default) = installed(&witness.address(), &[]);
        info_span!(target: "libcontainer", "theirs").in_scope(|| ());
        let start = error_span!("start").entered();
        error!(target: "libcontainer", "what they could not do may be as it should be");
        drop(start);
        guard.flush_within(SOON).await;
        let spans = witness.request().await.spans();
        assert_eq!(spans.len(), 1, "{spans:?}");
        assert_eq!((spans[0].name.as_str(), spans[0].status.as_ref().unwrap().code), ("start", 0));
    }

    #[tokio::test]
    async fn a_collector_that_never_answers_delays_the_end_only_and_by_two_seconds_at_most() {
        // It takes connections, since the kernel does, and reads nothing.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (_reader, guard, _default) = installed(&address, &[("OTEL_EXPORTER_OTLP_TIMEOUT", "3600000")]);
        // Does not await: there is nothing that it could wait for.
        (0..2000).for_each(|_| create());
        let start = Instant::now();
        guard.flush().await;
        // An export by itself would take an hour.
        assert!((PATIENCE..SOON).contains(&start.elapsed()), "{:?}", start.elapsed());
    }

    #[tokio::test]
    async fn a_dead_collector_is_told_of_once() {
        // It does not listen, and nobody else can.
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        let (reader, guard, default) = installed(&format!("http://{address}"), &[]);
        // More than one batch.
        (0..80).for_each(|_| create());
        guard.flush_within(SOON).await;
        drop(default);
        let text = log(reader);
        let told: Vec<_> = text.lines().filter(|line| line.contains("traces are lost")).collect();
        assert_eq!(told.len(), 1, "{text}");
        assert!(told[0].contains("level=warning") && told[0].contains(&address.to_string()), "{told:?}");
    }

    #[tokio::test]
    async fn a_collector_that_refuses_and_then_takes_is_told_of_twice() {
        let witness = Witness::answering("503 Service Unavailable").await;
        let (reader, guard, default) = installed(&witness.address(), &[]);
        create();
        witness.request().await;
        create();
        guard.flush_within(SOON).await;
        drop(default);
        assert_eq!(witness.request().await.spans().len(), 3);
        let text = log(reader);
        let told: Vec<_> = text.lines().filter(|line| !line.contains("container=c1")).collect();
        assert_eq!(told.len(), 2, "{text}");
        assert!(told[0].contains(r#"error="it answers 503 Service Unavailable""#), "{told:?}");
        assert!(told[1].contains("level=info") && told[1].ends_with("lost=3"), "{told:?}");
    }

    #[tokio::test]
    async fn spans_that_find_no_room_are_counted() {
        let witness = Witness::start().await;
        let (reader, guard, default) = installed(&witness.address(), &[]);
        (0..100).for_each(|_| create());
        guard.flush_within(SOON).await;
        drop(default);
        let text = log(reader);
        assert!(text.contains("lost=44"), "{text}");
    }
}
