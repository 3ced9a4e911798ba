use std::error::Error as StdError;
use std::io;
use std::path::Path;

use rustix::io::Errno;
use shimmer_engine::{Error as EngineError, ErrorKind as EngineErrorKind};

/// A [`Result`](std::result::Result) with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the cache could not be used.
///
/// It wraps the error of the engine contract, into which it converts, so that a host reports both in the same way.
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
    /// What is stored is not what was written. It is removed and made again.
    Damaged,
    /// No space is left, or a quota is used up. Free some.
    Full,
    /// A text is no digest. Correct it.
    Invalid,
    /// The operating system refused. Repeat it when the cause is gone.
    Io,
    /// What was named is not there.
    Missing,
    /// Somebody else owns or can write what was found, or it is a symbolic link. Remove it.
    Untrusted,
    /// The folder cannot be written. Mount it writable, or choose another.
    Unwritable,
}

/// Why [`Cache::find_or_make`](crate::Cache::find_or_make) gave no entry.
#[derive(Debug, thiserror::Error)]
pub enum MakeError<E> {
    /// The caller's function failed. Nothing of that is remembered.
    #[error("{0}")]
    Compile(E),
    /// There is no place for compiled code at all, neither in the cache nor in memory. The program can still be
    /// compiled without a file.
    #[error(transparent)]
    Cache(#[from] Error),
}

impl Error {
    /// An error whose `message` is a sentence without its full stop.
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let (engine_kind, advice) = match kind {
            ErrorKind::Damaged => (EngineErrorKind::Stale, None),
            ErrorKind::Full => (EngineErrorKind::Io, Some("free space there or lower the cache's limit")),
            ErrorKind::Invalid => (EngineErrorKind::Invalid, Some("correct the digest")),
            ErrorKind::Io => (EngineErrorKind::Io, None),
            ErrorKind::Missing => (EngineErrorKind::NotFound, None),
            ErrorKind::Untrusted => (EngineErrorKind::Io, Some("remove it, or give it to this user alone")),
            ErrorKind::Unwritable => {
                (EngineErrorKind::Io, Some("mount it writable or configure another folder"))
            }
        };
        let report = EngineError::new(engine_kind, message);
        Self { kind, report: advice.into_iter().fold(report, EngineError::advise) }
    }

    /// The operating system's refusal to do something with `path`, of a kind that depends on the reason.
    pub(crate) fn os(message: &str, path: &Path, cause: impl Into<io::Error>) -> Self {
        let cause = cause.into();
        let kind = match Errno::from_io_error(&cause) {
            Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => ErrorKind::Full,
            Some(Errno::ROFS | Errno::ACCESS | Errno::PERM) => ErrorKind::Unwritable,
            // What open says of a symbolic link that it must not follow, depending on its flags.
            Some(Errno::LOOP | Errno::NOTDIR) => ErrorKind::Untrusted,
            Some(Errno::NOENT) => ErrorKind::Missing,
            Some(Errno::IO) => ErrorKind::Damaged,
            _ => ErrorKind::Io,
        };
        Self::new(kind, message).with("path", path.display().to_string()).because(cause)
    }

    /// Names a thing that the error is about; the first of several values under one `key` stays.
    pub(crate) fn with(self, key: &'static str, value: impl Into<String>) -> Self {
        Self { report: self.report.with(key, value), ..self }
    }

    /// Keeps the error that caused this one.
    pub(crate) fn because(self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { report: self.report.because(source), ..self }
    }

    /// What a caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether it is about what is stored, so that it goes away with that.
    pub(crate) fn condemns(&self) -> bool {
        matches!(self.kind, ErrorKind::Damaged | ErrorKind::Missing | ErrorKind::Untrusted)
    }
}

impl From<Error> for EngineError {
    fn from(error: Error) -> Self {
        error.report
    }
}

/// Makes an absence of what was named a value.
pub(crate) fn present<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind == ErrorKind::Missing => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_thing_the_cause_and_what_to_do() {
        let error = Error::os("the record cannot be written", Path::new("/cache"), Errno::NOSPC);
        assert_eq!(error.kind(), ErrorKind::Full);
        assert_eq!(
            error.to_string(),
            "the record cannot be written (path: /cache): No space left on device (os error 28); \
             free space there or lower the cache's limit"
        );
    }

    #[test]
    fn becomes_an_error_of_the_engine_contract_without_loss() {
        let error = Error::os("the folder cannot be opened", Path::new("/cache"), Errno::LOOP);
        let sentence = error.to_string();
        assert_eq!(error.kind(), ErrorKind::Untrusted);
        assert_eq!(EngineError::from(error).to_string(), sentence);
    }
}
