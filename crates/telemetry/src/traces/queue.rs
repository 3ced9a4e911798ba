//! The queue between the code that ends spans and the task that sends them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::trace::{Event, Status};
use opentelemetry::{Context, Value};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::log::is_ours;

/// About a quarter of a megabyte, and sixty containers that are created within a second.
const LENGTH: usize = 256;

/// Takes spans that have ended, as long as there is room.
#[derive(Debug)]
pub(crate) struct Queue {
    /// Gone once the queue is closed.
    sender: Mutex<Option<Sender<SpanData>>>,
    lost: Arc<AtomicU64>,
}

/// The other end.
#[derive(Debug)]
pub(crate) struct Spans {
    receiver: Receiver<SpanData>,
    lost: Arc<AtomicU64>,
}

impl Queue {
    pub(crate) fn new() -> (Self, Spans) {
        let (sender, receiver) = channel(LENGTH);
        let lost = Arc::new(AtomicU64::new(0));
        (Self { sender: Mutex::new(Some(sender)), lost: Arc::clone(&lost) }, Spans { receiver, lost })
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, mut span: SpanData) {
        if !span.span_context.is_sampled() {
            return;
        }
        settle(&mut span);
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        if sender.as_ref().is_some_and(|sender| sender.try_send(span).is_err()) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    /// What is in the queue is still delivered.
    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(())
    }
}

impl Spans {
    /// Adds spans to a batch until it has `limit`. Returns how many; zero if no more will come.
    ///
    /// Nothing is lost if the future is dropped.
    pub(crate) async fn take(&mut self, batch: &mut Vec<SpanData>, limit: usize) -> usize {
        self.receiver.recv_many(batch, limit - batch.len()).await
    }

    /// How many spans found no room since this was last asked.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }
}

/// Says what went wrong in a span that has an error: `tracing-opentelemetry` leaves the description empty. Only what
/// we report ourselves makes a span fail; a library's error may be one that is expected.
fn settle(span: &mut SpanData) {
    let Status::Error { description } = &span.status else { return };
    if !description.is_empty() {
        return;
    }
    let error = span.events.iter().rev().find(|event| is(event, "level", |level| level == "ERROR"));
    let ours = span
        .events
        .iter()
        .rev()
        .find(|event| is(event, "level", |level| level == "ERROR") && is(event, "target", is_ours));
    match (error, ours) {
        (_, Some(event)) => span.status = Status::error(event.name.clone()),
        (Some(_), None) => span.status = Status::Unset,
        (None, None) => {}
    }
}

fn is(event: &Event, key: &str, holds: impl Fn(&str) -> bool) -> bool {
    event.attributes.iter().any(|attribute| {
        attribute.key.as_str() == key
            && matches!(&attribute.value, Value::String(value) if holds(value.as_str()))
    })
}
