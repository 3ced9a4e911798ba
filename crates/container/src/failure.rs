use std::fmt;

use serde::{Deserialize, Serialize};
use shimmer_engine::{Error, ErrorKind};

/// Why a container, a process or compiled code could not be made, told from one process to another.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Failure {
    /// What can be done about it.
    pub kind: FailureKind,
    /// A sentence for people, which names the thing, the cause and what to do.
    pub message: String,
}

/// What can be done about a [`Failure`].
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[non_exhaustive]
pub enum FailureKind {
    /// The engine or the host failed. Report it.
    Internal,
    /// The image, the program or the container's definition is wrong. Change it.
    Invalid,
    /// The operating system refused. Repeat it when the cause is gone.
    Io,
    /// What was named does not exist.
    NotFound,
    /// Compiled code is not this engine's. Compile again.
    Stale,
    /// The container is not in a state in which this can be done.
    State,
    /// The program is valid, and this engine does not run it.
    Unsupported,
}

/// The longest message, in bytes: an engine's may quote a whole program.
const LONGEST: usize = 16 << 10;

impl Failure {
    /// A failure of this kind.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if message.len() > LONGEST {
            let end = message.floor_char_boundary(LONGEST);
            message.truncate(end);
            message.push('…');
        }
        Self { kind, message }
    }

    /// The refusal of a container by the engine `title`.
    pub(crate) fn refusal(title: &str, error: &Error) -> Self {
        Self::new(error.kind().into(), format!("{title} refuses the container: {error}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<ErrorKind> for FailureKind {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Invalid => Self::Invalid,
            ErrorKind::Io => Self::Io,
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::Stale => Self::Stale,
            ErrorKind::Unsupported => Self::Unsupported,
            _ => Self::Internal,
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => FailureKind::NotFound,
            _ => FailureKind::Io,
        };
        Self::new(kind, format!("the operating system refused: {error}"))
    }
}
