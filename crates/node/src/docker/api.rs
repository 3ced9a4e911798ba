//! Blocking calls to one dockerd.

use std::fmt;
use std::future::Future;
use std::path::Path;
use std::time::Duration;

use bollard::errors::Error as Refusal;
use bollard::{API_DEFAULT_VERSION, Docker};
use tokio::runtime::{Builder, Runtime};
use tokio_stream::{Stream, StreamExt};

use crate::error::{Error, ErrorKind, Result};

/// What a call to dockerd gives.
pub(crate) type Answer<T> = std::result::Result<T, Refusal>;

/// A dockerd's socket, and the runtime that drives calls to it while they are waited for.
pub(crate) struct Api {
    runtime: Runtime,
    docker: Docker,
    limit: Duration,
}

impl Api {
    /// For the dockerd that listens on `socket`. No call is waited for longer than `limit`.
    pub(crate) fn connect(socket: &Path, limit: Duration) -> Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::io("make a runtime for calls to dockerd", error))?;
        let address = socket.display().to_string();
        let docker = Docker::connect_with_unix(&address, limit.as_secs(), API_DEFAULT_VERSION)
            .map_err(|refusal| Error::docker(format!("connect to {address}"), refusal))?;
        Ok(Self { runtime, docker, limit })
    }

    pub(crate) fn docker(&self) -> &Docker {
        &self.docker
    }

    /// Waits for one call; `doing` completes "cannot …".
    pub(crate) fn wait<T>(&self, doing: impl AsRef<str>, call: impl Future<Output = Answer<T>>) -> Result<T> {
        self.wait_at_most(self.limit, doing, call)
    }

    /// Waits for one call, but not longer than `limit`.
    pub(crate) fn wait_at_most<T>(
        &self,
        limit: Duration,
        doing: impl AsRef<str>,
        call: impl Future<Output = Answer<T>>,
    ) -> Result<T> {
        match self.runtime.block_on(async { tokio::time::timeout(limit, call).await }) {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(refusal)) => Err(Error::docker(doing, refusal)),
            Err(_elapsed) => {
                let message = format!("cannot {}: no answer within {limit:?}", doing.as_ref());
                Err(Error::new(ErrorKind::Timeout, message))
            }
        }
    }

    /// Waits for a stream of messages to end.
    pub(crate) fn collect<T>(
        &self,
        doing: impl AsRef<str>,
        stream: impl Stream<Item = Answer<T>>,
    ) -> Result<Vec<T>> {
        self.wait(doing, async {
            let mut stream = std::pin::pin!(stream);
            let mut messages = Vec::new();
            while let Some(message) = stream.next().await {
                messages.push(message?);
            }
            Ok(messages)
        })
    }

    /// Drives something of unknown length, in a thread of its own.
    pub(crate) fn drive<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Api").field("docker", &self.docker).finish_non_exhaustive()
    }
}
