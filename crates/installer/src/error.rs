//! The one error of this program: a kind that is an exit status, and a sentence that names the thing, the cause and what to
//! do.

use std::error::Error as StdError;
use std::io;

/// Result of everything that the installer does.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a node was not prepared, or not put back.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Error {
    kind: ErrorKind,
    message: String,
    #[source]
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What a script can tell apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ErrorKind {
    /// It did not work, and the node is as it was before.
    Failed,
    /// Nothing was touched: something is unclear, in the way, or in use.
    Refused,
    /// It did not work, and neither did putting the node back.
    Broken,
    /// What was asked about is not installed.
    Absent,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// Nothing was touched, and the message says why.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Refused, message)
    }

    /// `doing` completes "cannot …".
    pub(crate) fn io(doing: impl AsRef<str>, source: impl Into<io::Error>) -> Self {
        let source = source.into();
        let message = format!("cannot {}: {source}", doing.as_ref());
        Self { kind: ErrorKind::Failed, message, source: Some(Box::new(source)) }
    }

    /// What went wrong, for a program.
    pub(crate) fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The exit status that tells it; 2 is clap's, for wrong usage.
    pub(crate) fn status(&self) -> u8 {
        match self.kind {
            ErrorKind::Failed => 1,
            ErrorKind::Refused => 3,
            ErrorKind::Broken => 4,
            ErrorKind::Absent => 5,
        }
    }
}
