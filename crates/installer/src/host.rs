//! A node's files, below a folder of this process's: `/` on the node itself, `/host` in a pod.
//!
//! All paths are the node's own and absolute. Symbolic links are followed as the node itself follows them, so that none
//! leads out of it: an absolute link means something else here than there.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Dir, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

use crate::error::{Error, Result};

/// The files of a node.
#[derive(Debug)]
pub(crate) struct Host {
    root: PathBuf,
    folder: OwnedFd,
    /// What goes wrong in a test, and when.
    #[cfg(test)]
    pub(crate) fault: crate::fault::Fault,
}

impl Host {
    /// The node whose `/` is at `root`.
    pub(crate) fn open(root: &Path) -> Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(root, flags, Mode::empty())
            .map_err(|error| Error::io(format!("open the host's root {}", root.display()), error))?;
        if let Err(Errno::NOSYS) = openat2(&folder, ".", flags, Mode::empty(), ResolveFlags::IN_ROOT) {
            return Err(Error::refused(
                "this kernel cannot keep links within the node: Linux 5.6 or later is needed",
            ));
        }
        Ok(Self {
            root: root.to_owned(),
            folder,
            #[cfg(test)]
            fault: crate::fault::Fault::default(),
        })
    }

    /// Where the node's `/` is here.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The open folder that its paths are below.
    pub(crate) fn folder(&self) -> &OwnedFd {
        &self.folder
    }

    /// What is in a file; `None` where there is none.
    pub(crate) fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        // Whatever is there, opening it must not wait for somebody at its other end.
        let Some(file) = self.found(path, OFlags::RDONLY | OFlags::NONBLOCK)? else { return Ok(None) };
        let file = File::from(file);
        let is_file =
            file.metadata().map_err(|error| Error::io(format!("read {}", path.display()), error))?;
        if !is_file.is_file() {
            return Err(Error::refused(format!("{} is no file: look what it is", path.display())));
        }
        let mut bytes = Vec::new();
        file.take(MOST + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| Error::io(format!("read {}", path.display()), error))?;
        if bytes.len() as u64 > MOST {
            let message = format!("{} has more than {MOST} bytes: it is no configuration", path.display());
            return Err(Error::refused(message));
        }
        Ok(Some(bytes))
    }

    /// Whether there is something of this name.
    pub(crate) fn has(&self, path: &Path) -> Result<bool> {
        Ok(self.found(path, OFlags::PATH)?.is_some())
    }

    /// The names in a folder, in order; none where there is no such folder.
    pub(crate) fn names(&self, folder: &Path) -> Result<Vec<OsString>> {
        let doing = || format!("list {}", folder.display());
        let Some(found) = self.found(folder, OFlags::RDONLY | OFlags::DIRECTORY)? else {
            return Ok(Vec::new());
        };
        let mut names = Vec::new();
        for entry in Dir::new(found).map_err(|error| Error::io(doing(), error))? {
            let entry = entry.map_err(|error| Error::io(doing(), error))?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(std::os::unix::ffi::OsStringExt::from_vec(name.to_vec()));
            }
        }
        names.sort();
        Ok(names)
    }

    /// Called before each change of the disk that takes room: where a test lets the disk be full.
    pub(crate) fn step(&self) -> io::Result<()> {
        self.strike(true)
    }

    /// Called before each change that takes none: a rename, a removal.
    pub(crate) fn small_step(&self) -> io::Result<()> {
        self.strike(false)
    }

    #[cfg(test)]
    fn strike(&self, needs_room: bool) -> io::Result<()> {
        self.fault.strike(needs_room)
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "only tests have faults")]
    fn strike(&self, _needs_room: bool) -> io::Result<()> {
        Ok(())
    }

    /// Opens what is there.
    pub(crate) fn found(&self, path: &Path, flags: OFlags) -> Result<Option<OwnedFd>> {
        match openat2(&self.folder, path, flags | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::IN_ROOT) {
            Ok(found) => Ok(Some(found)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(error) => Err(Error::io(format!("open {}", path.display()), io::Error::from(error))),
        }
    }
}

/// More than any configuration has.
const MOST: u64 = 4 << 20;
