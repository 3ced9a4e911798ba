//! The task that sends spans.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::traces::collector::Collector;
use crate::traces::queue::Spans;

/// How long a span waits for others, so that the spans of one call to the shim are one request.
const DELAY: Duration = Duration::from_secs(1);

/// How many spans are one request: memory that is needed twice while it is written.
const BATCH: usize = 64;

/// Carries spans from the queue to the collector, and says once when it cannot.
#[derive(Debug)]
pub(crate) struct Delivery {
    spans: Spans,
    collector: Collector,
    resource: ResourceAttributesWithSchema,
    failing: bool,
    lost: u64,
}

impl Delivery {
    pub(crate) fn new(spans: Spans, collector: Collector, resource: &Resource) -> Self {
        Self { spans, collector, resource: resource.into(), failing: false, lost: 0 }
    }

    /// Ends when the queue is closed and empty.
    pub(crate) async fn run(mut self) {
        let mut batch = Vec::new();
        while self.spans.take(&mut batch, BATCH).await > 0 {
            let fill = async { while batch.len() < BATCH && self.spans.take(&mut batch, BATCH).await > 0 {} };
            // What has come until then is sent; the rest has its own batch.
            let _ = timeout(DELAY, fill).await;
            self.deliver(std::mem::take(&mut batch)).await;
        }
    }

    /// A batch that is refused is lost: a shim is not the place to keep it.
    async fn deliver(&mut self, batch: Vec<SpanData>) {
        let count = batch.len() as u64;
        let request = ExportTraceServiceRequest {
            resource_spans: group_spans_by_resource_and_scope(batch, &self.resource),
        };
        let outcome = self.collector.send(&request).await;
        self.lost += self.spans.lost();
        match outcome {
            Ok(()) => self.tell_recovery(),
            Err(failure) => {
                self.lost += count;
                if !std::mem::replace(&mut self.failing, true) {
                    let collector = self.collector.name();
                    warn!(%collector, error = %failure, "traces are lost, until the collector takes them");
                }
            }
        }
    }

    fn tell_recovery(&mut self) {
        self.failing = false;
        match std::mem::take(&mut self.lost) {
            0 => {}
            lost => info!(lost, "the collector takes traces; some spans were lost before"),
        }
    }
}
