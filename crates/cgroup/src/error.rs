use std::fmt::Display;
use std::io;

use rustix::io::Errno;

/// A [`Result`](std::result::Result) with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a cgroup could not be found, read or changed. `Display` is one line with the cause.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

/// What a caller can do about an [`Error`].
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The operating system refused. Repeat it when the cause is gone.
    Io,
    /// The process or its cgroup is gone. There is nothing left to do.
    NotFound,
    /// Some process did not follow in time. Repeat it.
    Timeout,
    /// This host, or the place where the cgroup is, does not allow it. Do without.
    Unsupported,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// The failure to do something, as in "cannot read /sys/…": `action` is the verb, `object` what it is about.
    pub(crate) fn io(action: &str, object: impl Display, cause: impl Into<io::Error>) -> Self {
        let cause = cause.into();
        let kind = if is_missing(&cause) { ErrorKind::NotFound } else { ErrorKind::Io };
        Self::new(kind, format!("cannot {action} {object}: {cause}"))
    }

    /// What a caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// No error where the only trouble is that the thing is gone.
    pub(crate) fn unless_missing(self) -> Result<()> {
        if self.kind == ErrorKind::NotFound { Ok(()) } else { Err(self) }
    }
}

/// Files of a removed cgroup that are still open say "no such device", those of an ended process "no such process".
fn is_missing(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NOENT | Errno::NODEV | Errno::SRCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_failed_and_why_in_one_line() {
        let error = Error::io("write", "/sys/fs/cgroup/a/cgroup.kill", Errno::NODEV);
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().starts_with("cannot write /sys/fs/cgroup/a/cgroup.kill: No such device"));
        assert_eq!(Error::io("read", "x", Errno::PERM).kind(), ErrorKind::Io);
    }
}
