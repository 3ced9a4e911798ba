//! File descriptors that are waited for.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A descriptor of which one sort of event is waited for.
#[derive(Debug)]
pub(crate) struct Watched {
    descriptor: AsyncFd<OwnedFd>,
    interest: Interest,
}

impl Watched {
    pub(crate) fn new(descriptor: impl Into<OwnedFd>, interest: Interest) -> io::Result<Self> {
        // SAFETY: an `OwnedFd` is open until it is dropped, which `AsyncFd` does after it has deregistered it, and is
        // always the same descriptor; nothing here takes it out or replaces it.
        let descriptor = unsafe { AsyncFd::register_with_interest(descriptor.into(), interest) };
        Ok(Self { descriptor: descriptor?, interest })
    }

    /// Waits until there is an event, and forgets it. It may be a false alarm.
    pub(crate) async fn event(&self) -> io::Result<()> {
        self.descriptor.ready(self.interest).await?.clear_ready();
        Ok(())
    }
}

impl AsFd for Watched {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.get_ref().as_fd()
    }
}
