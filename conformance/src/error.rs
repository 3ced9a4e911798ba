use std::error::Error as StdError;
use std::io;

/// Result of everything this suite does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the suite could not do what it was asked. What a case finds wrong with a shim is no error but a
/// [verdict](crate::report::Verdict).
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct Error {
    kind: ErrorKind,
    message: String,
    #[source]
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What a caller can tell apart.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A list of known failures or of allowed differences is not what it must be; the message names the line
    /// or entry.
    Expectations,
    /// A guest is missing, or is not the one that the suite was released with.
    Guest,
    /// A file could not be read or written.
    Io,
    /// The private containerd or the given one failed.
    Node,
    /// A file is no report, or one of another format.
    Report,
    /// The command line asks for what there is not.
    Usage,
}

impl Error {
    /// What a command line asks for that there is not.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, message)
    }

    /// Why a machine or a node could not be had.
    pub fn unusable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Node, message)
    }

    /// The same, as the node says it.
    pub fn node(error: shimmer_node::Error) -> Self {
        Self::caused(ErrorKind::Node, error.to_string(), error)
    }

    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// `message` already says what `source` says.
    pub(crate) fn caused(
        kind: ErrorKind,
        message: impl Into<String>,
        source: impl StdError + Send + Sync + 'static,
    ) -> Self {
        Self { kind, message: message.into(), source: Some(Box::new(source)) }
    }

    /// `doing` completes "cannot …".
    pub fn io(doing: impl AsRef<str>, source: io::Error) -> Self {
        Self::caused(ErrorKind::Io, format!("cannot {}: {source}", doing.as_ref()), source)
    }

    /// The same error, which happened in the file or thing `place`.
    pub(crate) fn at(self, place: impl std::fmt::Display) -> Self {
        Self { message: format!("{place}: {}", self.message), ..self }
    }

    /// What went wrong, for a program.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}
