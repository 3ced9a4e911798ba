//! The one place that turns failures into what containerd is told: gRPC codes, and sentences.

use std::io;

use containerd_shim_protos::ttrpc;
use shimmer_container::{Failure, FailureKind};
use ttrpc::Code;

/// A [`Result`](std::result::Result) with this crate's [`Error`].
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call of containerd's was refused, in its terms.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Error {
    kind: Kind,
    message: String,
}

/// What containerd can do about an [`Error`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// The id is taken.
    AlreadyExists,
    /// The host failed. Report it.
    Internal,
    /// The image, the program or the container's definition is wrong.
    Invalid,
    /// What was named does not exist, or has ended.
    NotFound,
    /// The process is not in a state in which this can be done.
    State,
    /// This is not done here.
    Unimplemented,
    /// The system or containerd refused for now.
    Unavailable,
}

impl Error {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Says first what was being done.
    pub(crate) fn during(self, what: &str) -> Self {
        Self { message: format!("{what}: {}", self.message), ..self }
    }
}

impl From<Error> for ttrpc::Error {
    fn from(error: Error) -> Self {
        let code = match error.kind {
            Kind::AlreadyExists => Code::ALREADY_EXISTS,
            Kind::Internal => Code::INTERNAL,
            Kind::Invalid => Code::INVALID_ARGUMENT,
            Kind::NotFound => Code::NOT_FOUND,
            Kind::State => Code::FAILED_PRECONDITION,
            Kind::Unimplemented => Code::UNIMPLEMENTED,
            Kind::Unavailable => Code::UNAVAILABLE,
        };
        Self::RpcStatus(ttrpc::get_status(code, error.message))
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let kind = match failure.kind {
            FailureKind::Invalid | FailureKind::Unsupported => Kind::Invalid,
            FailureKind::NotFound => Kind::NotFound,
            FailureKind::State => Kind::State,
            FailureKind::Io => Kind::Unavailable,
            _ => Kind::Internal,
        };
        Self::new(kind, failure.message)
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => Kind::NotFound,
            _ => Kind::Unavailable,
        };
        Self::new(kind, format!("the operating system refused: {error}"))
    }
}

impl From<shimmer_cgroup::Error> for Error {
    fn from(error: shimmer_cgroup::Error) -> Self {
        let kind = match error.kind() {
            shimmer_cgroup::ErrorKind::NotFound => Kind::NotFound,
            _ => Kind::Internal,
        };
        Self::new(kind, error.to_string())
    }
}
