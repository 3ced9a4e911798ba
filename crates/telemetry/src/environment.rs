//! What OpenTelemetry's usual variables ask for. The only file of this crate that reads environment variables.
//!
//! | variable | meaning |
//! |---|---|
//! | `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` | where traces are sent, as it stands |
//! | `OTEL_EXPORTER_OTLP_ENDPOINT` | the same, with `/v1/traces` added |
//! | `OTEL_SDK_DISABLED` | `true`: no traces |
//! | `OTEL_TRACES_EXPORTER` | `none`: no traces; `otlp`: as without it |
//! | `OTEL_EXPORTER_OTLP_PROTOCOL` | `http/protobuf` (as without it) or `http/json` |
//! | `OTEL_EXPORTER_OTLP_HEADERS` | `name=value,…`, sent with every request; values are percent-encoded |
//! | `OTEL_EXPORTER_OTLP_TIMEOUT` | milliseconds for one request; 10000 without it |
//! | `OTEL_SERVICE_NAME` | `service.name`; `containerd-shim-<engine>-v1` without it |
//! | `OTEL_RESOURCE_ATTRIBUTES` | `name=value,…`, attributes of everything that is sent |
//! | `OTEL_TRACES_SAMPLER` | `always_on`, `always_off`, `traceidratio`, or one of these after `parentbased_`; `parentbased_always_on` without it |
//! | `OTEL_TRACES_SAMPLER_ARG` | the share of traces of `traceidratio`, 0 to 1; 1 without it |
//! | `TRACEPARENT`, `TRACESTATE` | the trace that is continued, as of the W3C's Trace Context; a malformed one is ignored |
//!
//! Without one of the endpoints there are no traces. The protocol, the headers and the timeout also exist with
//! `OTLP_TRACES` in their names, which wins. An empty variable is one that is not set. Requests are not compressed.

use std::collections::HashMap;
use std::time::Duration;

use hyper::Uri;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{SpanContext, TraceContextExt};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::Sampler;
use percent_encoding::percent_decode_str;

use crate::traces::{Protocol, Settings};

/// Why there are no traces although variables ask for them: a sentence that names the variable and what works.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Warning(String);

/// A variable of this process.
pub fn process(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Whether traces are asked for, and how they are to be sent.
///
/// # Errors
///
/// A [`Warning`] if a variable says something that cannot be done. Traces that go nowhere, or to somebody else than was
/// meant, help nobody.
pub fn traces(variables: impl Fn(&str) -> Option<String>) -> Result<Option<Settings>, Warning> {
    let variables = Variables(variables);
    if !variables.wanted()? {
        return Ok(None);
    }
    let Some(endpoint) = variables.endpoint()? else { return Ok(None) };
    Ok(Some(Settings {
        endpoint,
        protocol: variables.protocol()?,
        headers: variables.headers()?,
        timeout: variables.timeout()?,
        attributes: variables.attributes()?,
        sampler: variables.sampler()?,
        parent: variables.parent(),
    }))
}

struct Variables<F>(F);

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    fn text(&self, name: &str) -> Option<String> {
        let text = (self.0)(name)?.trim().to_owned();
        (!text.is_empty()).then_some(text)
    }

    /// The variable for traces or else the one for everything, and its name.
    fn exporter(&self, name: &str) -> Option<(String, String)> {
        ["OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_"].iter().find_map(|prefix| {
            let name = format!("{prefix}{name}");
            self.text(&name).map(|text| (name, text))
        })
    }

    fn wanted(&self) -> Result<bool, Warning> {
        if self.text("OTEL_SDK_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true")) {
            return Ok(false);
        }
        let name = "OTEL_TRACES_EXPORTER";
        match self.text(name).as_deref() {
            None | Some("otlp") => Ok(true),
            Some("none") => Ok(false),
            Some(other) => Err(unusable(name, other, "otlp and none work")),
        }
    }

    fn endpoint(&self) -> Result<Option<Uri>, Warning> {
        let Some((name, text)) = self.exporter("ENDPOINT") else { return Ok(None) };
        let whole = if name.contains("TRACES") {
            text.clone()
        } else {
            format!("{}/v1/traces", text.trim_end_matches('/'))
        };
        let uri: Uri =
            whole.parse().map_err(|_| unusable(&name, &text, "an address as http://127.0.0.1:4318 works"))?;
        match (uri.scheme_str(), uri.host()) {
            (Some("http"), Some(_)) => Ok(Some(uri)),
            (Some("https"), _) => {
                Err(unusable(&name, &text, "https needs a collector on the node, which is reached by http"))
            }
            _ => Err(unusable(&name, &text, "an address as http://127.0.0.1:4318 works")),
        }
    }

    fn protocol(&self) -> Result<Protocol, Warning> {
        match self.exporter("PROTOCOL") {
            None => Ok(Protocol::Protobuf),
            Some((name, text)) => match text.as_str() {
                "http/protobuf" => Ok(Protocol::Protobuf),
                "http/json" => Ok(Protocol::Json),
                _ => Err(unusable(
                    &name,
                    &text,
                    "http/protobuf and http/json work, at the collector's port for http, usually 4318",
                )),
            },
        }
    }

    fn headers(&self) -> Result<HeaderMap, Warning> {
        let Some((name, text)) = self.exporter("HEADERS") else { return Ok(HeaderMap::new()) };
        // The value is not repeated: it holds secrets.
        let wrong = || Warning(format!("{name} is unusable; name=value,name=value works"));
        let mut headers = HeaderMap::new();
        for (key, value) in pairs(&text).ok_or_else(wrong)? {
            let key = HeaderName::try_from(key).map_err(|_| wrong())?;
            let mut value = HeaderValue::try_from(value).map_err(|_| wrong())?;
            value.set_sensitive(true);
            headers.append(key, value);
        }
        Ok(headers)
    }

    fn timeout(&self) -> Result<Duration, Warning> {
        let Some((name, text)) = self.exporter("TIMEOUT") else { return Ok(Duration::from_secs(10)) };
        match text.parse() {
            Ok(0) | Err(_) => Err(unusable(&name, &text, "a number of milliseconds works")),
            Ok(milliseconds) => Ok(Duration::from_millis(milliseconds)),
        }
    }

    /// Attributes of the resource, the name of the service last.
    fn attributes(&self) -> Result<Vec<(String, String)>, Warning> {
        let name = "OTEL_RESOURCE_ATTRIBUTES";
        let mut attributes = match self.text(name) {
            None => Vec::new(),
            Some(text) => pairs(&text).ok_or_else(|| unusable(name, &text, "name=value,name=value works"))?,
        };
        attributes.extend(self.text("OTEL_SERVICE_NAME").map(|text| ("service.name".to_owned(), text)));
        Ok(attributes)
    }

    fn sampler(&self) -> Result<Sampler, Warning> {
        let name = "OTEL_TRACES_SAMPLER";
        let text = self.text(name).unwrap_or_else(|| "parentbased_always_on".to_owned());
        let root = match text.strip_prefix("parentbased_").unwrap_or(&text) {
            "always_on" => Sampler::AlwaysOn,
            "always_off" => Sampler::AlwaysOff,
            "traceidratio" => Sampler::TraceIdRatioBased(self.ratio()?),
            _ => {
                let works = "always_on, always_off, traceidratio and each of them after parentbased_ work";
                return Err(unusable(name, &text, works));
            }
        };
        Ok(if text.starts_with("parentbased_") { Sampler::ParentBased(Box::new(root)) } else { root })
    }

    fn ratio(&self) -> Result<f64, Warning> {
        let name = "OTEL_TRACES_SAMPLER_ARG";
        let Some(text) = self.text(name) else { return Ok(1.0) };
        match text.parse() {
            Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(ratio),
            _ => Err(unusable(name, &text, "a number from 0 to 1 works")),
        }
    }

    fn parent(&self) -> Option<SpanContext> {
        let carrier: HashMap<_, _> = ["TRACEPARENT", "TRACESTATE"]
            .into_iter()
            .filter_map(|name| Some((name.to_lowercase(), self.text(name)?)))
            .collect();
        let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
        let parent = context.span().span_context().clone();
        parent.is_valid().then_some(parent)
    }
}

fn unusable(name: &str, text: &str, works: &str) -> Warning {
    Warning(format!("{name} is {text:?}; {works}"))
}

/// `name=value,…` as in the W3C's Baggage: values are percent-encoded.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    text.split(',')
        .map(str::trim)
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=')?;
            let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
            (!key.trim().is_empty()).then(|| (key.trim().to_owned(), value.into_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");

    fn read(variables: &[(&str, &str)]) -> Result<Option<Settings>, Warning> {
        traces(|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    fn with(variable: (&str, &str)) -> Result<Settings, Warning> {
        read(&[ENDPOINT, variable]).map(|settings| settings.expect("traces are asked for"))
    }

    #[test]
    fn without_an_endpoint_nothing_is_asked_for() {
        let others = [("OTEL_SERVICE_NAME", "x"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), ENDPOINT];
        for variables in [
            &[][..],
            &others[..2],
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")],
            &[ENDPOINT, ("OTEL_SDK_DISABLED", "TRUE")],
            &[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")],
        ] {
            assert!(read(variables).unwrap().is_none(), "{variables:?}");
        }
    }

    #[test]
    fn an_endpoint_alone_is_enough() {
        let settings = read(&[ENDPOINT]).unwrap().unwrap();
        assert_eq!(settings.endpoint, "http://127.0.0.1:4318/v1/traces");
        assert_eq!((settings.protocol, settings.timeout), (Protocol::Protobuf, Duration::from_secs(10)));
        assert_eq!(format!("{:?}", settings.sampler), "ParentBased(AlwaysOn)");
        assert!(settings.headers.is_empty() && settings.attributes.is_empty() && settings.parent.is_none());
    }

    #[test]
    fn what_is_said_of_traces_wins_over_what_is_said_of_everything() {
        let settings = read(&[
            ENDPOINT,
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://[::1]:1/spans"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "1"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "250"),
        ]);
        let settings = settings.unwrap().unwrap();
        assert_eq!(settings.endpoint, "http://[::1]:1/spans");
        assert_eq!((settings.protocol, settings.timeout), (Protocol::Json, Duration::from_millis(250)));
    }

    #[test]
    fn headers_are_decoded_and_not_shown() {
        let settings = with(("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20s3cret, x-a=1,")).unwrap();
        assert_eq!(settings.headers["authorization"], "Bearer s3cret");
        assert_eq!(settings.headers["x-a"], "1");
        assert!(!format!("{settings:?}").contains("s3cret"));
    }

    #[test]
    fn the_name_of_the_service_wins_over_the_attribute() {
        let settings = read(&[
            ENDPOINT,
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=a,host.name=n%2C1"),
            ("OTEL_SERVICE_NAME", "b"),
        ]);
        let attributes = settings.unwrap().unwrap().attributes;
        let expected = [("service.name", "a"), ("host.name", "n,1"), ("service.name", "b")];
        assert_eq!(attributes, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }

    #[test]
    fn samplers_have_their_usual_names() {
        for (name, sampler) in [
            ("always_on", "AlwaysOn"),
            ("always_off", "AlwaysOff"),
            ("traceidratio", "TraceIdRatioBased(0.25)"),
            ("parentbased_always_off", "ParentBased(AlwaysOff)"),
            ("parentbased_traceidratio", "ParentBased(TraceIdRatioBased(0.25))"),
        ] {
            let variables = [ENDPOINT, ("OTEL_TRACES_SAMPLER", name), ("OTEL_TRACES_SAMPLER_ARG", "0.25")];
            assert_eq!(format!("{:?}", read(&variables).unwrap().unwrap().sampler), sampler);
        }
    }

    #[test]
    fn a_parent_is_taken_and_a_malformed_one_ignored() {
        let id = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let parent = with(("TRACEPARENT", id)).unwrap().parent.unwrap();
        assert_eq!(parent.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert!(parent.is_remote() && parent.is_sampled());
        assert!(with(("TRACEPARENT", "00-0-0-01")).unwrap().parent.is_none());
    }

    #[test]
    fn what_cannot_be_done_is_said_with_the_variable_and_what_works() {
        for (variable, value, works) in [
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://collector:4318", "a collector on the node"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector:4318", "http://127.0.0.1:4318 works"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://", "http://127.0.0.1:4318 works"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http/protobuf and http/json work"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization", "name=value"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a b=c", "name=value"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "milliseconds"),
            ("OTEL_RESOURCE_ATTRIBUTES", "a", "name=value"),
            ("OTEL_TRACES_SAMPLER", "jaeger_remote", "traceidratio"),
            ("OTEL_TRACES_EXPORTER", "zipkin", "otlp"),
        ] {
            let warning = with((variable, value)).expect_err(value).to_string();
            assert!(warning.starts_with(variable) && warning.contains(works), "{warning}");
        }
        let variables =
            [ENDPOINT, ("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "NaN")];
        assert!(read(&variables).unwrap_err().to_string().contains("from 0 to 1"));
    }
}
