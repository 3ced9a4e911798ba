//! Blocking calls to one containerd, in one containerd namespace.

use std::fmt;
use std::future::Future;
use std::path::Path;
use std::time::Duration;

use containerd_client::Client as Api;
use tokio::runtime::{Builder, Runtime};
use tonic::metadata::AsciiMetadataValue;
use tonic::{Request, Response, Status};

use crate::error::{Error, ErrorKind, Result};

/// A connection, and the runtime that drives it while a call is waited for.
pub(crate) struct Client {
    runtime: Runtime,
    api: Api,
    limit: Duration,
}

impl Client {
    /// Connects to the containerd that listens on `socket`.
    pub(crate) fn connect(socket: &Path) -> Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::io("make a runtime for calls to containerd", error))?;
        let api = runtime.block_on(Api::from_path(socket)).map_err(|error| {
            Error::io(format!("connect to {}", socket.display()), std::io::Error::other(error))
        })?;
        Ok(Self { runtime, api, limit: LIMIT })
    }

    /// The same, where no call is waited for longer than `limit`.
    pub(crate) fn limited(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    pub(crate) fn api(&self) -> &Api {
        &self.api
    }

    /// containerd's version.
    pub(crate) fn version(&self) -> Result<String> {
        let answer = self.wait("ask for the version", self.api.version().version(()))?;
        Ok(answer.version.split(['+', '~']).next().unwrap_or_default().trim_start_matches('v').to_owned())
    }

    /// How long a call may take.
    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    /// Waits for one call; `doing` completes "cannot …".
    pub(crate) fn wait<T>(
        &self,
        doing: impl AsRef<str>,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T> {
        self.wait_at_most(self.limit, doing, call)
    }

    /// Waits for one call, but not longer than `limit`.
    pub(crate) fn wait_at_most<T>(
        &self,
        limit: Duration,
        doing: impl AsRef<str>,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T> {
        match self.runtime.block_on(async { tokio::time::timeout(limit, call).await }) {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(Error::containerd(doing, &status)),
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
        call: impl Future<Output = Result<Response<tonic::Streaming<T>>, Status>>,
    ) -> Result<Vec<T>> {
        let doing = doing.as_ref();
        let mut stream = self.wait(doing, call)?;
        let mut messages = Vec::new();
        loop {
            match self.runtime.block_on(stream.message()) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => return Ok(messages),
                Err(status) => return Err(Error::containerd(doing, &status)),
            }
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Client").finish_non_exhaustive()
    }
}

/// No call may hang for ever; the longest is a shim that compiles a large program.
pub(crate) const LIMIT: Duration = Duration::from_secs(600);

/// The containerd namespace that images and containers of a node live in: CRI's, which sees images in no other.
pub(crate) const NAMESPACE: &str = "k8s.io";

/// A message as a request in our namespace.
pub(crate) fn request<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("containerd-namespace", AsciiMetadataValue::from_static(NAMESPACE));
    request
}

/// A request whose new content and snapshots `lease` protects from garbage collection.
pub(crate) fn leased<T>(message: T, lease: &AsciiMetadataValue) -> Request<T> {
    let mut request = request(message);
    request.metadata_mut().insert("containerd-lease", lease.clone());
    request
}
