//! What dockerd keeps of a container's output.

use std::sync::Arc;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::query_parameters::{LogsOptions, LogsOptionsBuilder};

use super::api::Api;
use super::streams::{Connection, Streams};
use crate::error::Result;

/// What was kept.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Log {
    /// What was written to stdout, or to the terminal.
    pub stdout: Vec<u8>,
    /// What was written to stderr.
    pub stderr: Vec<u8>,
}

pub(crate) fn read(api: &Api, id: &str, doing: &str) -> Result<Log> {
    let mut log = Log::default();
    for piece in api.collect(doing, api.docker().logs(id, Some(options(false))))? {
        let stream =
            if matches!(piece, LogOutput::StdErr { .. }) { &mut log.stderr } else { &mut log.stdout };
        stream.extend_from_slice(piece.as_ref());
    }
    Ok(log)
}

/// Reads a log while it is written.
#[derive(Debug)]
pub struct Follower(Streams);

impl Follower {
    pub(crate) fn new(api: &Arc<Api>, id: &str) -> Result<Self> {
        // The stream borrows nothing, so it may be read in a thread.
        let output = Box::pin(api.docker().logs(id, Some(options(true))));
        let connection = Connection { output, input: Box::pin(tokio::io::sink()) };
        Streams::new(Arc::clone(api), connection, Vec::new()).map(Self)
    }

    /// Waits until `text` stands in it.
    ///
    /// # Errors
    /// [`Timeout`](crate::ErrorKind::Timeout), with what stands there, where it does not within `timeout`.
    pub fn wait_for(&self, text: &str, timeout: Duration) -> Result<()> {
        self.0.wait_for(text, timeout)
    }

    /// All that was written, once the container has ended.
    pub fn finish(self) -> Result<Log> {
        let (stdout, stderr) = self.0.finish()?;
        Ok(Log { stdout, stderr })
    }
}

fn options(follow: bool) -> LogsOptions {
    LogsOptionsBuilder::new().follow(follow).stdout(true).stderr(true).build()
}
