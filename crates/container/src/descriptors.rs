//! What the guest's process has open beyond what it was given.

use std::os::fd::RawFd;

/// How many numbers are looked at. Zygote and monitor open few descriptors, and each gets the lowest number that is free.
const NUMBERS: RawFd = 256;

/// The descriptors from 3 on that are open now.
pub(crate) fn open() -> Vec<RawFd> {
    // SAFETY: F_GETFD only tells whether a number is open.
    (3..NUMBERS).filter(|number| unsafe { libc::fcntl(*number, libc::F_GETFD) } >= 0).collect()
}

/// Closes them.
///
/// # Safety
///
/// Nothing in this process uses any of them again.
pub(crate) unsafe fn close(numbers: &[RawFd]) {
    for number in numbers {
        // SAFETY: the caller's; that one is closed already is no harm.
        unsafe { libc::close(*number) };
    }
}
