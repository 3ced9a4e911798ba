use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;

/// The guest's side of a request to end: a descriptor that becomes readable when it is asked to.
///
/// It is a descriptor rather than a flag so that an engine can wait for it in whatever event loop it has, and so that
/// a signal handler can fire it.
#[derive(Clone, Debug)]
pub struct Stop(Arc<OwnedFd>);

/// The host's side of a request to end.
#[derive(Debug)]
pub struct Stopper(OwnedFd);

impl Stop {
    /// A pair of which the [`Stopper`] fires the [`Stop`], by being written to or dropped.
    ///
    /// # Errors
    ///
    /// Those of pipe2(2).
    pub fn pair() -> io::Result<(Self, Stopper)> {
        let (reader, writer) = io::pipe()?;
        Ok((Self(Arc::new(reader.into())), Stopper(writer.into())))
    }
}

impl AsFd for Stop {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Stop {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl From<Stopper> for OwnedFd {
    fn from(stopper: Stopper) -> Self {
        stopper.0
    }
}
