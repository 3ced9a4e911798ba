//! The one error of this crate: a kind to act on, and a sentence that names the thing, the cause and what to
//! do.

use std::error::Error as StdError;
use std::io;

use tonic::Code;

/// Result of everything a node does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a node could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: ErrorKind,
    message: String,
    #[source]
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What a caller can tell apart.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// containerd, or a shim through it, answered something else than its interface says.
    Answer,
    /// containerd refused a request, or a shim did through it.
    Containerd {
        /// The gRPC code of the refusal.
        code: Code,
        /// The refusal in containerd's own words.
        message: String,
    },
    /// containerd or dockerd ended, or did not serve in time; the message holds the end of its log.
    Daemon,
    /// dockerd refused a request, or containerd or a shim did through it.
    Docker {
        /// The status of HTTP that it answered with; 200 where it had begun to answer.
        status: u16,
        /// The refusal in dockerd's own words.
        message: String,
    },
    /// This machine or this user lacks something; the message says what to install or to become.
    Environment,
    /// An image archive is not what an OCI image archive must be.
    Image,
    /// A file of the node could not be read or written.
    Io,
    /// Something of a stopped node still exists; the message lists it.
    Leftovers,
    /// A virtual machine could not be made, or ended before its command did; the message holds the end of what was said.
    Machine,
    /// Only a node that was started here can do that, not one that was connected to.
    NotPrivate,
    /// A container description that no OCI runtime could be given.
    Spec,
    /// Something awaited did not happen in time.
    Timeout,
    /// This machine lacks what builds Kubernetes or Helm; the message says what and how to get it.
    Toolchain,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// `doing` completes "cannot …".
    pub(crate) fn io(doing: impl AsRef<str>, source: io::Error) -> Self {
        let message = format!("cannot {}: {source}", doing.as_ref());
        Self { kind: ErrorKind::Io, message, source: Some(Box::new(source)) }
    }

    /// `doing` completes "cannot …".
    pub(crate) fn containerd(doing: impl AsRef<str>, status: &tonic::Status) -> Self {
        let (code, message) = (status.code(), status.message().to_owned());
        let sentence = format!("cannot {}: {message} ({code:?})", doing.as_ref());
        Self::new(ErrorKind::Containerd { code, message }, sentence)
    }

    /// `doing` completes "cannot …".
    pub(crate) fn docker(doing: impl AsRef<str>, refusal: bollard::errors::Error) -> Self {
        let doing = doing.as_ref();
        match refusal {
            bollard::errors::Error::DockerResponseServerError { status_code: status, message } => {
                let sentence = format!("cannot {doing}: {message} ({status})");
                Self::new(ErrorKind::Docker { status, message }, sentence)
            }
            bollard::errors::Error::DockerStreamError { error: message } => {
                let sentence = format!("cannot {doing}: {message}");
                Self::new(ErrorKind::Docker { status: 200, message }, sentence)
            }
            other => Self::io(doing, io::Error::other(other)),
        }
    }

    /// What went wrong, for a program.
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// Whether containerd says that the thing is not there.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self.kind, ErrorKind::Containerd { code: Code::NotFound, .. })
    }
}
