//! The one place that turns the ends of processes, and errors of guests that did not get to run, into exit statuses.

use serde::{Deserialize, Serialize};
use shimmer_engine::{Error, ErrorKind};

/// A trap ends a container as SIGABRT ends a native one: 128 + 6.
pub(crate) const TRAP: i32 = 128 + libc::SIGABRT;
/// The status of what SIGKILL or the OOM killer ended.
pub const KILLED: u32 = 128 + 9;

/// How and when a process ended.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct EndedBy {
    /// The exit status: 0 to 255.
    pub status: u32,
    /// Seconds since 1970.
    pub seconds: i64,
    /// Nanoseconds beyond.
    pub nanoseconds: i32,
}

impl EndedBy {
    /// An end that is noticed now.
    #[must_use]
    pub fn now(status: u32) -> Self {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
        let nanoseconds = i32::try_from(now.tv_nsec).expect("a second has fewer nanoseconds than 2^31");
        Self { status, seconds: now.tv_sec, nanoseconds }
    }

    /// The end that waitpid(2) tells of.
    pub(crate) fn of_wait(status: libc::c_int) -> Self {
        if libc::WIFSIGNALED(status) {
            return Self::now(of_signal(libc::WTERMSIG(status)));
        }
        Self::now(libc::WEXITSTATUS(status).unsigned_abs())
    }
}

/// The exit status of a process that a signal ended, as shells have it.
#[must_use]
pub fn of_signal(signal: i32) -> u32 {
    128 + signal.unsigned_abs()
}

/// The exit status of a guest that did not get to run, as shells have it: 127 not found, 126 cannot be executed, and
/// 125 for what is not the guest's fault.
pub(crate) fn of_error(error: &Error) -> i32 {
    match error.kind() {
        ErrorKind::NotFound => 127,
        ErrorKind::Invalid | ErrorKind::Unsupported => 126,
        _ => 125,
    }
}
