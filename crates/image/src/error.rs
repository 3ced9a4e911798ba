use std::fmt;
use std::io;
use std::path::Path;

/// A [`Result`](std::result::Result) with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why no release was written.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What a caller can do about an [`Error`].
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Something that was given is not what it should be, or is missing. Give another.
    Input,
    /// A program would not run where the release promises it. Build it otherwise.
    Incompatible,
    /// Files could not be read or written. Repeat it when the cause is gone.
    Io,
}

impl Error {
    /// What a caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    pub(crate) fn input(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Input, message: message.into(), source: None }
    }

    pub(crate) fn incompatible(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Incompatible, message: message.into(), source: None }
    }

    /// For `map_err`: `doing` completes "cannot …".
    pub(crate) fn io(doing: impl fmt::Display, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let message = format!("cannot {doing} {}", path.display());
        move |error| Self {
            // A path that leads nowhere is a wrong path.
            kind: if error.kind() == io::ErrorKind::NotFound { ErrorKind::Input } else { ErrorKind::Io },
            message: format!("{message}: {error}"),
            source: Some(error.into()),
        }
    }
}

impl From<shimmer_oci::Error> for Error {
    fn from(error: shimmer_oci::Error) -> Self {
        let kind = match error.kind() {
            shimmer_oci::ErrorKind::Invalid => ErrorKind::Input,
            _ => ErrorKind::Io,
        };
        Self { kind, message: format!("the image cannot be written: {error}"), source: Some(error.into()) }
    }
}
