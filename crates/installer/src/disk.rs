//! What is written on a node: beside the place first, made durable, and then put into it by a rename.
//!
//! A [`Swap`] is one path that gets another content, target or nothing at all. Everything that may fail for want of space
//! happens in [`Swap::stage`]; [`Swap::apply`] and [`Swap::undo`] only rename, so that a full disk cannot keep a node from
//! being put back. What was there before is kept as a second link of the same file: it comes back as the very file.

mod attributes;
#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::host::Host;

/// What a path is to be.
#[derive(Debug)]
pub(crate) enum New<'a> {
    /// A file with these bytes. It keeps mode, owner, label and access control list of the file that is there.
    File(&'a [u8]),
    /// A symbolic link.
    Link(&'a Path),
    /// Nothing.
    Absent,
}

/// One path of a node that is to change at once, or not at all.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Swap {
    /// Not a symbolic link's, unless the link itself is what changes.
    path: PathBuf,
    /// Whether something was there before.
    existed: bool,
    /// Whether something will be there.
    stays: bool,
}

impl Swap {
    /// Prepares everything beside the path; nothing is changed that anybody would see.
    pub(crate) fn stage(host: &Host, path: &Path, new: &New<'_>) -> Result<Self> {
        let place = Place::of(host, path)?;
        let before = place.kind(&place.name)?;
        place.unlink(&place.staged())?;
        match new {
            New::File(bytes) => place.create(&place.staged(), before, bytes)?,
            New::Link(target) => place.symlink(target)?,
            New::Absent => {}
        }
        place.unlink(&place.kept())?;
        if before.is_some() {
            place.keep()?;
        }
        place.sync()?;
        Ok(Self { path: path.to_owned(), existed: before.is_some(), stays: !matches!(new, New::Absent) })
    }

    /// Makes the change.
    pub(crate) fn apply(&self, host: &Host) -> Result<()> {
        let place = Place::of(host, &self.path)?;
        if self.stays {
            place.rename(&place.staged(), &place.name)?
        } else {
            place.unlink(&place.name)?
        }
        place.sync()
    }

    /// Puts back what was there, whether or not the change was made.
    pub(crate) fn undo(&self, host: &Host) -> Result<()> {
        let Some(place) = Place::existing(host, &self.path)? else { return Ok(()) };
        if !self.existed {
            // What is in the place is ours if it is beside it no more.
            if self.stays && place.kind(&place.staged())?.is_none() {
                place.unlink(&place.name)?;
            }
        } else if place.kind(&place.kept())?.is_some() {
            // Two names of one file are left as they are by a rename.
            place.rename(&place.kept(), &place.name)?;
        }
        place.clear()
    }

    /// Forgets what was there.
    pub(crate) fn finish(&self, host: &Host) -> Result<()> {
        Self::discard(host, &self.path)
    }

    /// Removes what lies beside a path for a change of it.
    pub(crate) fn discard(host: &Host, path: &Path) -> Result<()> {
        let place = Place::existing(host, path)?;
        place.map_or(Ok(()), |place| place.clear())
    }
}

impl Host {
    /// Writes a file in one go, durably: it has all of this content, or what it had before.
    pub(crate) fn write(&self, path: &Path, mode: u32, content: &mut dyn Read) -> Result<()> {
        let place = Place::of(self, path)?;
        let staged = place.staged();
        place.unlink(&staged)?;
        let written = place.fill(&staged, mode, content).and_then(|()| place.rename(&staged, &place.name));
        if written.is_err() {
            // The first error is the one to be told.
            let _untold = place.unlink(&staged);
        }
        written?;
        place.sync()
    }

    /// The folders above a path that are not there, the highest first.
    pub(crate) fn missing_above(&self, path: &Path) -> Result<Vec<PathBuf>> {
        let mut missing = Vec::new();
        for folder in path.ancestors().skip(1) {
            if self.has(folder)? {
                break;
            }
            missing.push(folder.to_owned());
        }
        missing.reverse();
        Ok(missing)
    }

    /// Makes a folder and what is missing above it; gives those that were missing, the highest first.
    pub(crate) fn make_folders(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        let missing = self.missing_above(&folder.join("any"))?;
        for folder in &missing {
            let place = Place::of(self, folder)?;
            self.step().map_err(|error| place.failed("make", error))?;
            rustix::fs::mkdirat(&place.folder, &place.name, Mode::from_raw_mode(0o755))
                .map_err(|error| place.failed("make", error))?;
            place.sync()?;
        }
        Ok(missing)
    }

    /// Gives a file or folder another name in the same folder, durably.
    pub(crate) fn rename(&self, path: &Path, name: &OsStr) -> Result<()> {
        let place = Place::of(self, path)?;
        place.rename(&place.name, name)?;
        place.sync()
    }

    /// Removes a file; one that is not there is no error.
    pub(crate) fn remove(&self, path: &Path) -> Result<()> {
        let Some(place) = Place::existing(self, path)? else { return Ok(()) };
        place.unlink(&place.name)?;
        place.sync()
    }

    /// Removes a folder if it is empty; says whether it is gone.
    pub(crate) fn remove_folder(&self, folder: &Path) -> Result<bool> {
        let Some(place) = Place::existing(self, folder)? else { return Ok(true) };
        let doing = || format!("remove {}", folder.display());
        self.small_step().map_err(|error| Error::io(doing(), error))?;
        match rustix::fs::unlinkat(&place.folder, &place.name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => place.sync().map(|()| true),
            // Or something is mounted there.
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::BUSY) => Ok(false),
            Err(error) => Err(Error::io(doing(), error)),
        }
    }

    /// Removes those folders that are empty, the last first.
    pub(crate) fn remove_folders(&self, folders: &[PathBuf]) -> Result<()> {
        folders.iter().rev().try_for_each(|folder| self.remove_folder(folder).map(drop))
    }

    /// Removes a folder and everything in it; one that is not there is no error. A link is removed, and not what it leads to.
    ///
    /// # Errors
    /// Where something is mounted in it: that is somebody's.
    pub(crate) fn remove_tree(&self, folder: &Path) -> Result<()> {
        let Some(place) = Place::existing(self, folder)? else { return Ok(()) };
        self.remove_below(place.folder.as_fd(), &place.name)
            .map_err(|error| place.failed("remove", error))?;
        place.sync()
    }

    /// Everything by open folders, so that nothing that is put into the place of one leads elsewhere.
    fn remove_below(&self, folder: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let within = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        let removal = match openat2(folder, name, flags, Mode::empty(), within) {
            Ok(opened) => {
                for entry in Dir::read_from(&opened)? {
                    let inner = OsStr::from_bytes(entry?.file_name().to_bytes()).to_owned();
                    if inner != "." && inner != ".." {
                        self.remove_below(opened.as_fd(), &inner)?;
                    }
                }
                AtFlags::REMOVEDIR
            }
            Err(Errno::NOTDIR | Errno::LOOP) => AtFlags::empty(),
            Err(Errno::NOENT) => return Ok(()),
            Err(Errno::XDEV) => {
                let message = format!("something is mounted at {} in it: unmount that", name.display());
                return Err(io::Error::other(message));
            }
            Err(error) => return Err(error.into()),
        };
        self.small_step()?;
        match rustix::fs::unlinkat(folder, name, removal) {
            // Somebody is putting something into it.
            Ok(()) | Err(Errno::NOENT | Errno::NOTEMPTY | Errno::EXIST) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The path that is meant where the last part of it is a symbolic link.
    pub(crate) fn resolved(&self, path: &Path) -> Result<PathBuf> {
        let Some(found) = self.found(path, OFlags::PATH)? else {
            let place = Place::existing(self, path)?;
            if place.is_some_and(|place| place.kind(&place.name).is_ok_and(|kind| kind.is_some())) {
                let message = format!("{} is a link that leads nowhere: mend or remove it", path.display());
                return Err(Error::refused(message));
            }
            return Ok(path.to_owned());
        };
        let link = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&found));
        let here = std::fs::read_link(link)
            .map_err(|error| Error::io(format!("follow {}", path.display()), error))?;
        let root = self.root().canonicalize().map_err(|error| Error::io("follow the host's root", error))?;
        let inside = here.strip_prefix(&root).map_err(|_outside| {
            Error::refused(format!("{} leads out of the host's root: look where", path.display()))
        })?;
        Ok(Path::new("/").join(inside))
    }
}

const STAGED: &str = ".shimmer-new";
const KEPT: &str = ".shimmer-before";

/// Whether a name is one of those that lie beside a place while it changes.
pub(crate) fn is_beside(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(b".") && [STAGED, KEPT].iter().any(|suffix| name.ends_with(suffix.as_bytes()))
}

/// A name in a folder of the node that is open.
struct Place<'a> {
    host: &'a Host,
    path: &'a Path,
    folder: OwnedFd,
    name: OsString,
}

impl<'a> Place<'a> {
    fn of(host: &'a Host, path: &'a Path) -> Result<Self> {
        Self::existing(host, path)?.ok_or_else(|| {
            let folder = path.parent().unwrap_or(path).display();
            Error::io(
                format!("write {}", path.display()),
                io::Error::other(format!("there is no folder {folder}")),
            )
        })
    }

    fn existing(host: &'a Host, path: &'a Path) -> Result<Option<Self>> {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(Error::refused(format!("{} names no file", path.display())));
        };
        let found = host.found(folder, OFlags::RDONLY | OFlags::DIRECTORY)?;
        Ok(found.map(|folder| Self { host, path, folder, name: name.to_owned() }))
    }

    /// What is beside the place until it is put there. No configuration imports a name like this.
    fn staged(&self) -> OsString {
        self.beside(STAGED)
    }

    fn kept(&self) -> OsString {
        self.beside(KEPT)
    }

    fn beside(&self, suffix: &str) -> OsString {
        let mut name = OsString::from(".");
        name.push(&self.name);
        name.push(suffix);
        name
    }

    fn kind(&self, name: &OsStr) -> Result<Option<FileType>> {
        match rustix::fs::statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(FileType::from_raw_mode(stat.st_mode))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(self.failed("look at", error)),
        }
    }

    /// Writes a file that differs from the one in whose place it will be in its bytes only.
    fn create(&self, name: &OsStr, before: Option<FileType>, bytes: &[u8]) -> Result<()> {
        let mut file = self.open_new(name, Mode::from_raw_mode(0o644))?;
        if before == Some(FileType::RegularFile) {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let old = rustix::fs::openat(&self.folder, &self.name, flags, Mode::empty());
            let old = old.map_err(|error| self.failed("look at", error))?;
            let stat = rustix::fs::fstat(&old).map_err(|error| self.failed("look at", error))?;
            let owner = (rustix::fs::Uid::from_raw(stat.st_uid), rustix::fs::Gid::from_raw(stat.st_gid));
            rustix::fs::fchown(&file, Some(owner.0), Some(owner.1))
                .map_err(io::Error::from)
                .and_then(|()| attributes::copy(&old, &file))
                .and_then(|()| Ok(rustix::fs::fchmod(&file, Mode::from_raw_mode(stat.st_mode))?))
                .map_err(|error| self.failed("write", error))?;
        }
        let written = self.host.step().and_then(|()| file.write_all(bytes)).and_then(|()| file.sync_all());
        written.map_err(|error| self.failed("write", error))
    }

    fn fill(&self, name: &OsStr, mode: u32, content: &mut dyn Read) -> Result<()> {
        let mut file = self.open_new(name, Mode::from_raw_mode(mode))?;
        let copied = self.host.step().and_then(|()| io::copy(content, &mut file));
        copied.map_err(|error| self.failed("write", error))?;
        // Not less because of this process's umask.
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode)).map_err(|error| self.failed("write", error))?;
        file.sync_all().map_err(|error| self.failed("write", error))
    }

    fn open_new(&self, name: &OsStr, mode: Mode) -> Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        self.host.step().map_err(|error| self.failed("write", error))?;
        let file = rustix::fs::openat(&self.folder, name, flags, mode);
        file.map(File::from).map_err(|error| self.failed("write", error))
    }

    fn symlink(&self, target: &Path) -> Result<()> {
        self.host.step().map_err(|error| self.failed("make", error))?;
        rustix::fs::symlinkat(target, &self.folder, self.staged()).map_err(|error| self.failed("make", error))
    }

    fn keep(&self) -> Result<()> {
        self.host.step().map_err(|error| self.failed("keep", error))?;
        rustix::fs::linkat(&self.folder, &self.name, &self.folder, self.kept(), AtFlags::empty())
            .map_err(|error| self.failed("keep", error))
    }

    fn rename(&self, from: &OsStr, to: &OsStr) -> Result<()> {
        self.host.small_step().map_err(|error| self.failed("change", error))?;
        rustix::fs::renameat(&self.folder, from, &self.folder, to)
            .map_err(|error| self.failed("change", error))
    }

    fn unlink(&self, name: &OsStr) -> Result<()> {
        if self.kind(name)?.is_none() {
            return Ok(());
        }
        self.host.small_step().map_err(|error| self.failed("remove", error))?;
        rustix::fs::unlinkat(&self.folder, name, AtFlags::empty())
            .map_err(|error| self.failed("remove", error))
    }

    fn clear(&self) -> Result<()> {
        self.unlink(&self.staged())?;
        self.unlink(&self.kept())?;
        self.sync()
    }

    fn sync(&self) -> Result<()> {
        rustix::fs::fsync(self.folder.as_fd()).map_err(|error| self.failed("make durable", error))
    }

    fn failed(&self, doing: &str, error: impl Into<io::Error>) -> Error {
        Error::io(format!("{doing} {}", self.path.display()), error)
    }
}
