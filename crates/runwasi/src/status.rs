//! The one place that turns errors and endings into what containerd reports.

use shimmer_engine::{Error, ErrorKind};

/// A trap ends a container as SIGABRT ends a native one: 128 + 6. 137 is left to SIGKILL and the OOM killer.
pub(crate) const TRAP: i32 = 128 + libc::SIGABRT;

/// The exit status of a guest that a signal ended, as shells have it.
pub(crate) fn of_signal(signal: i32) -> i32 {
    128 + signal
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
