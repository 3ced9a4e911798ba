use std::fs::File;
use std::os::fd::AsFd;

use rustix::fs::{FlockOperation, flock};
use rustix::io::{Errno, retry_on_intr};

use crate::folder::Folder;
use crate::{Error, Result};

/// The right to make or verify what is filed under a name. It ends with this value, or with its process.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Waits for the lock of a name.
    pub(crate) fn wait(locks: &Folder, name: &str) -> Result<Self> {
        loop {
            let file = locks.create_or_open(name)?;
            retry_on_intr(|| flock(&file, FlockOperation::LockExclusive))
                .map_err(|error| Error::os("the lock cannot be taken", &locks.path().join(name), error))?;
            // An eviction removes free lock files, perhaps between the two calls above: then others would meet at
            // another file.
            if locks.still_names(name, &file) {
                return Ok(Self { _file: file });
            }
        }
    }
}

/// Removes the lock files that nobody holds.
pub(crate) fn sweep(locks: &Folder) -> Result<()> {
    for name in locks.names()? {
        let Ok((file, _)) = locks.file(&name) else { continue };
        // Only who holds the lock of the file that has the name may take it away: a process could hold it otherwise,
        // and the next one would not meet it.
        if try_exclusive(&file).unwrap_or(false) && locks.still_names(&name, &file) {
            locks.unlink(&name)?;
        }
    }
    Ok(())
}

/// Takes the exclusive lock of an open file or folder if nobody has any lock on it.
pub(crate) fn try_exclusive(file: impl AsFd) -> Result<bool, Errno> {
    attempt(file, FlockOperation::NonBlockingLockExclusive)
}

/// Takes a shared lock of an open file if nobody has the exclusive one.
pub(crate) fn try_shared(file: impl AsFd) -> Result<bool, Errno> {
    attempt(file, FlockOperation::NonBlockingLockShared)
}

fn attempt(file: impl AsFd, operation: FlockOperation) -> Result<bool, Errno> {
    match retry_on_intr(|| flock(&file, operation)) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error),
    }
}
