//! Where things of ours are on a node: all below one folder, [`PREFIX`] unless another is named.
//!
//! ```text
//! versions/<version>-<digest>/   the files of a release; those that running pods were started from stay
//! current -> versions/…          what containerd executes
//! state/record.json              what is installed
//! state/journal.json             a change that is under way, to be undone
//! state/committed.json           a change that was made, to be tidied up after
//! lock                           held by whoever changes the node; says what was not on the node before
//! ```

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use serde::{Deserialize, Serialize};

use crate::disk::is_beside;
use crate::error::{Error, Result};
use crate::host::Host;

/// Where the releases are put, as the node names it.
pub(crate) const PREFIX: &str = "/opt/shimmer";
/// What the shims keep on a node by themselves: compiled code, and the sockets of engines.
const OF_THE_SHIMS: [&str; 2] = ["/run/shimmer", "/var/lib/shimmer"];

/// Whether it is one of those: what a record says is removed only then.
pub(crate) fn is_of_the_shims(folder: &Path) -> bool {
    OF_THE_SHIMS.iter().any(|known| Path::new(known) == folder)
}

/// Those of them that are not there: no other shim has made them.
fn missing_of_the_shims(host: &Host) -> Result<Vec<PathBuf>> {
    let mut missing = Vec::new();
    for folder in OF_THE_SHIMS.map(PathBuf::from) {
        if !host.has(&folder)? {
            missing.push(folder);
        }
    }
    Ok(missing)
}

/// What was not on the node before, and goes with us.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Own {
    /// Folders that were made, the highest first; they go if they are empty then.
    pub(crate) folders: Vec<PathBuf>,
    /// Folders that the shims make by themselves, with all that is in them.
    pub(crate) data: Vec<PathBuf>,
}

/// The folder of ours on a node.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    prefix: PathBuf,
}

impl Store {
    pub(crate) fn new(prefix: &Path) -> Result<Self> {
        let is_plain = prefix.components().skip(1).all(|part| matches!(part, Component::Normal(_)));
        if !prefix.is_absolute() || !is_plain || prefix.components().count() < 3 {
            let message = format!(
                "--prefix {} is no folder of our own: name an absolute one below a folder, as {PREFIX} is",
                prefix.display()
            );
            return Err(Error::refused(message));
        }
        Ok(Self { prefix: prefix.to_owned() })
    }

    pub(crate) fn prefix(&self) -> &Path {
        &self.prefix
    }

    pub(crate) fn versions(&self) -> PathBuf {
        self.prefix.join("versions")
    }

    pub(crate) fn current(&self) -> PathBuf {
        self.prefix.join("current")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.prefix.join("state")
    }

    /// Where a configuration lies that is to be tried.
    pub(crate) fn trial(&self) -> PathBuf {
        self.state().join("trial")
    }

    pub(crate) fn record(&self) -> PathBuf {
        self.state().join("record.json")
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.state().join("journal.json")
    }

    pub(crate) fn committed(&self) -> PathBuf {
        self.state().join("committed.json")
    }

    /// Waits until nobody else changes this node, and makes the folder where it is missing.
    pub(crate) fn lock(&self, host: &Host) -> Result<Lock> {
        let mut made = Vec::new();
        loop {
            self.refuse_foreign(host)?;
            made.extend(host.make_folders(&self.prefix)?);
            let path = self.prefix.join(LOCK);
            let doing = || format!("lock {}", path.display());
            let opened = open(host, &path);
            if opened.is_err() {
                host.remove_folders(&made)?;
            }
            let mut file = opened.map_err(|error| Error::io(doing(), error))?;
            if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
                // Where stderr is closed nobody reads it, and the wait goes on.
                let _unread =
                    writeln!(io::stderr(), "another installer is at work on this node: waiting for its end");
            }
            file.lock().map_err(|error| Error::io(doing(), error))?;
            // Whoever had it may have removed it, and with it everything of ours.
            let still = host.found(&path, OFlags::PATH)?.map(File::from);
            let same = |one: &File, other: &File| -> io::Result<bool> {
                let (one, other) = (one.metadata()?, other.metadata()?);
                Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
            };
            if let Some(still) = still
                && same(&file, &still).map_err(|error| Error::io(doing(), error))?
            {
                // The folder itself is ours anyhow.
                made.retain(|folder| *folder != self.prefix);
                let noted = Own::noted(host, &mut file, made.clone());
                let own = match noted {
                    Ok(own) => own,
                    Err(error) => {
                        // Nothing is here yet but the lock, unless somebody was here before.
                        host.remove(&path)?;
                        if host.remove_folder(&self.prefix)? {
                            host.remove_folders(&made)?;
                        }
                        return Err(error);
                    }
                };
                return Ok(Lock { _file: file, own });
            }
        }
    }

    /// Refuses a folder with something of somebody else's in it: what is in ours goes with us. The lock is made as the first
    /// of all and removed as the last, so that a folder without it is ours only if it is empty.
    fn refuse_foreign(&self, host: &Host) -> Result<()> {
        let mut names = host.names(&self.prefix)?;
        names.retain(|name| name != "lost+found");
        let is_ours = |name: &OsString| OURS.iter().any(|ours| name == ours) || is_beside(name);
        let odd = names.iter().find(|name| !is_ours(name));
        let odd = odd.or_else(|| names.first().filter(|_| !names.iter().any(|name| name == LOCK)));
        odd.map_or(Ok(()), |odd| {
            Err(Error::refused(format!(
                "{} has {} in it, which is not of this installer: name by --prefix a folder that is ours alone, as {PREFIX} is",
                self.prefix.display(),
                odd.display()
            )))
        })
    }

    /// Removes the lock, as the last of what is in the folder.
    pub(crate) fn unlock_for_good(&self, host: &Host, _lock: &Lock) -> Result<()> {
        host.remove(&self.prefix.join(LOCK))
    }
}

/// Nobody else changes the node while this exists; the kernel ends it with the process.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
    /// As it was when the first of us came.
    pub(crate) own: Own,
}

impl Own {
    /// What the first of us has written into the lock, or writes there now: whoever finishes or undoes what was interrupted
    /// must know it.
    fn noted(host: &Host, lock: &mut File, made: Vec<PathBuf>) -> Result<Self> {
        let failed = |error: io::Error| Error::io("note what was not on the node before", error);
        let mut text = String::new();
        lock.read_to_string(&mut text).map_err(failed)?;
        if let Ok(own) = serde_json::from_str(&text) {
            return Ok(own);
        }
        // It is empty, or was not written to its end.
        let own = Self { folders: made, data: missing_of_the_shims(host)? };
        let bytes = serde_json::to_vec(&own).map_err(|error| failed(error.into()))?;
        lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| host.step()).map_err(failed)?;
        lock.write_all(&bytes).and_then(|()| lock.sync_all()).map_err(failed)?;
        Ok(own)
    }
}

const LOCK: &str = "lock";
/// All that is in the folder, but for what lies beside it while it changes.
const OURS: [&str; 4] = [LOCK, "versions", "current", "state"];

fn open(host: &Host, path: &Path) -> io::Result<File> {
    host.step()?;
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
    let file = openat2(host.folder(), path, flags, Mode::from_raw_mode(0o600), ResolveFlags::IN_ROOT)?;
    Ok(file.into())
}
