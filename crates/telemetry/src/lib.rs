//! What a shim tells the outside while it works: a log, always, and traces, where somebody asked for them.
//!
//! Everything comes from the `tracing` crate. An event becomes one line on the descriptor that containerd reads; the
//! fields of the spans around it are in the line. A span becomes a span of OpenTelemetry and is sent to a collector
//! over OTLP, if the [environment] names one; if not, no task, no client and no socket exist.
//!
//! Neither can hold up a container. A line that cannot be written at once is dropped and counted, and so is a span for
//! which the queue has no room. A line is made on the stack and written whole, so that a forked child may log as well.
//!
//! Whose event it is, its spans say: `info_span!("create", container = id)`, and `exec = id` in a span for an exec. The
//! fields are in every line and the attributes of the span, so one that names a secret must not be one. An event of
//! ours at the level `ERROR` makes the innermost span around it a failed one, with the message as the reason.
//!
//! ```no_run
//! # use shimmer_telemetry::{Identity, Settings, environment, install};
//! # async fn serve() {}
//! # async fn main_of_a_shim(log: std::os::fd::OwnedFd) {
//! let identity = Identity { engine: "wasmtime", namespace: "k8s.io", pod: "f5c1" };
//! let traces = environment::traces(environment::process);
//! let guard = install(log, &identity, Settings { level: tracing::Level::INFO, traces });
//! serve().await;
//! guard.flush().await;
//! # }
//! ```

pub mod environment;
mod line;
mod log;
mod timestamp;
pub mod traces;

use std::os::fd::OwnedFd;
use std::time::Duration;

use tracing::{Level, Subscriber, warn};
use tracing_subscriber::layer::SubscriberExt;

use crate::environment::Warning;
use crate::log::Log;
use crate::traces::Pipeline;

/// Whose telemetry it is: in every line and on every trace.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// The engine's name, as in the name of the shim.
    pub engine: &'a str,
    /// The namespace of containerd.
    pub namespace: &'a str,
    /// The pod's sandbox or, of a container without a pod, the container: the id that containerd gave the shim.
    pub pod: &'a str,
}

/// What is told, and to whom.
#[derive(Debug)]
pub struct Settings {
    /// The least important level of ours that is told: [`Level::INFO`], or [`Level::DEBUG`] if containerd passed
    /// `-debug`. It holds for spans as well: one below it is neither in lines nor in traces.
    pub level: Level,
    /// Where traces go, as [`environment::traces`] says. A warning is told in the log, and there are no traces.
    pub traces: Result<Option<traces::Settings>, Warning>,
}

/// Keeps the traces going, on the runtime on which it was made.
#[derive(Debug)]
#[must_use = "the last traces are sent by `flush` only"]
pub struct Guard {
    traces: Option<Pipeline>,
}

impl Guard {
    /// Sends the spans that have ended so far, in two seconds at most. Spans that end later are in no trace; lines
    /// are written as before.
    pub async fn flush(self) {
        self.flush_within(PATIENCE).await;
    }

    async fn flush_within(self, patience: Duration) {
        if let Some(traces) = self.traces {
            traces.finish(patience).await;
        }
    }
}

/// How long the end of a shim waits for a collector.
const PATIENCE: Duration = Duration::from_secs(2);

/// Makes everything that `tracing` is told from here on go to `log` and, if the settings say so, to a collector.
///
/// `log` becomes non-blocking, for everybody who shares its open file. With traces, call it inside a tokio runtime,
/// on the thread that makes the spans: what has no parent there continues the trace in `TRACEPARENT`.
///
/// # Panics
///
/// If called twice: it belongs to a program's start.
pub fn install(log: OwnedFd, identity: &Identity<'_>, settings: Settings) -> Guard {
    let (level, (traces, warning)) = (settings.level, split(settings.traces));
    let (subscriber, guard) = subscriber(log, identity, level, traces);
    tracing::subscriber::set_global_default(subscriber).expect("telemetry is installed once, by main");
    if let Some(warning) = warning {
        warn!("there are no traces: {warning}");
    }
    guard
}

fn split(traces: Result<Option<traces::Settings>, Warning>) -> (Option<traces::Settings>, Option<Warning>) {
    match traces {
        Ok(traces) => (traces, None),
        Err(warning) => (None, Some(warning)),
    }
}

fn subscriber(
    log: OwnedFd,
    identity: &Identity<'_>,
    level: Level,
    traces: Option<traces::Settings>,
) -> (impl Subscriber + Send + Sync, Guard) {
    let traces = traces.map(|settings| Pipeline::start(settings, identity));
    let layer = traces.as_ref().map(Pipeline::layer);
    let registry = tracing_subscriber::registry().with(layer).with(Log::new(log, identity, level));
    (registry, Guard { traces })
}
