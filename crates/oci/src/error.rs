use std::error::Error as StdError;

use shimmer_engine::{Error as EngineError, ErrorKind as EngineErrorKind};

/// A [`Result`](std::result::Result) with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a container's command, a program or an image was refused.
///
/// It wraps the error of the engine contract, into which it converts, so that a host adds context to both and
/// reports both in the same way.
#[derive(Debug, thiserror::Error)]
#[error("{report}")]
pub struct Error {
    kind: ErrorKind,
    report: EngineError,
}

/// What a caller can do about an [`Error`].
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The bytes are not those that their descriptor promised. Pull the image again.
    Damaged,
    /// The image or the program is malformed. Rebuild it.
    Invalid,
    /// The archive could not be written. Repeat it when the cause is gone.
    Io,
    /// What was named does not exist: a manifest for this platform, a blob. Pull or name another.
    NotFound,
    /// The container's command, environment or working directory makes no sense. Change the container's
    /// definition.
    Process,
    /// The image is well-formed, and of a sort that is not run here. Build another sort.
    Unsupported,
}

impl Error {
    /// An error whose `message` is a sentence without its full stop.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let (engine_kind, advice) = match kind {
            ErrorKind::Damaged => (EngineErrorKind::Invalid, Some("remove the image and pull it again")),
            ErrorKind::Invalid => (EngineErrorKind::Invalid, None),
            ErrorKind::Io => (EngineErrorKind::Io, None),
            ErrorKind::NotFound => (EngineErrorKind::NotFound, None),
            ErrorKind::Process => (EngineErrorKind::Invalid, Some("change the container's definition")),
            ErrorKind::Unsupported => {
                (EngineErrorKind::Unsupported, Some("build an image whose program is one file or one layer"))
            }
        };
        let report = EngineError::new(engine_kind, message);
        Self { kind, report: advice.into_iter().fold(report, EngineError::advise) }
    }

    /// Names a thing that the error is about; the first of several values under one `key` stays.
    #[must_use]
    pub fn with(self, key: &'static str, value: impl Into<String>) -> Self {
        Self { report: self.report.with(key, value), ..self }
    }

    /// Says what to do about it, where the default for the [kind](Self::kind) is not good enough.
    #[must_use]
    pub fn advise(self, advice: impl Into<String>) -> Self {
        Self { report: self.report.advise(advice), ..self }
    }

    /// Keeps the error that caused this one.
    #[must_use]
    pub fn because(self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { report: self.report.because(source), ..self }
    }

    /// What a caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The refusal of a program by the engine contract, which has only one sort of them.
    pub(crate) fn of_program(report: EngineError) -> Self {
        Self { kind: ErrorKind::Invalid, report }
    }
}

impl From<Error> for EngineError {
    fn from(error: Error) -> Self {
        error.report
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::new(ErrorKind::Io, "the archive could not be written").because(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_thing_the_cause_and_what_to_do() {
        let error =
            Error::new(ErrorKind::Damaged, "the blob was changed").with("digest", "sha256:0").because("42");
        assert_eq!(
            error.to_string(),
            "the blob was changed (digest: sha256:0): 42; remove the image and pull it again"
        );
    }

    #[test]
    fn becomes_an_error_of_the_engine_contract_without_loss() {
        let error = Error::new(ErrorKind::Process, "the command is empty").advise("set one");
        let sentence = error.to_string();
        let report = EngineError::from(error);
        assert_eq!(report.to_string(), sentence);
        assert_eq!(report.kind(), EngineErrorKind::Invalid);
    }
}
