use std::fs::{DirBuilder, File, Metadata};
use std::io::Read;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags};
use rustix::io::Errno;

use crate::{Error, ErrorKind, Result};

/// No record is larger.
const MAX_READ: u64 = 8 << 20;

/// An open folder that belongs to this user alone. What is opened in it is held to the same.
#[derive(Debug)]
pub(crate) struct Folder {
    handle: File,
    path: PathBuf,
}

impl Folder {
    /// Opens a folder.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Missing`] where there is none, [`ErrorKind::Untrusted`] where it is a symbolic link, or others
    /// own or can change it.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        Self::at(CWD, path, path.to_owned())
    }

    /// Opens a folder, or makes it and what is above it.
    pub(crate) fn open_or_create(path: &Path) -> Result<Self> {
        if let Some(folder) = crate::error::present(Self::open(path))? {
            return Ok(folder);
        }
        let refused = |error| Error::os("the folder cannot be made", path, error);
        if let Some(parent) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o755).create(parent).map_err(refused)?;
        }
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(refused)?;
        Self::open(path)
    }

    /// Opens a folder in this one.
    pub(crate) fn folder(&self, name: &str) -> Result<Self> {
        Self::at(&self.handle, Path::new(name), self.path.join(name))
    }

    /// Opens the same folder again, since a lock belongs to an opening.
    pub(crate) fn reopened(&self) -> Result<Self> {
        Self::at(&self.handle, Path::new("."), self.path.clone())
    }

    /// Makes a folder in this one; false if something of that name exists.
    pub(crate) fn create(&self, name: &str) -> Result<bool> {
        match rustix::fs::mkdirat(&self.handle, name, Mode::RWXU) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(error) => Err(self.refused("the folder cannot be made", name, error)),
        }
    }

    /// Opens a folder in this one, or makes it.
    pub(crate) fn folder_or_create(&self, name: &str) -> Result<Self> {
        if let Some(folder) = crate::error::present(self.folder(name))? {
            return Ok(folder);
        }
        self.create(name)?;
        self.folder(name)
    }

    /// Opens a file for reading.
    pub(crate) fn file(&self, name: &str) -> Result<(File, Metadata)> {
        self.open_file(name, OFlags::RDONLY)
    }

    /// Opens an empty file that may be there already.
    pub(crate) fn create_or_open(&self, name: &str) -> Result<File> {
        Ok(self.open_file(name, OFlags::RDWR | OFlags::CREATE)?.0)
    }

    /// Makes a file that is not there yet.
    pub(crate) fn create_file(&self, name: &str) -> Result<File> {
        Ok(self.open_file(name, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)?.0)
    }

    /// Reads a small file, and also gives it open, for its time to be set.
    pub(crate) fn read(&self, name: &str) -> Result<(Vec<u8>, File, Metadata)> {
        let (file, metadata) = self.file(name)?;
        if metadata.size() > MAX_READ {
            return Err(Error::new(ErrorKind::Damaged, "a record is too long")
                .with("path", self.path.join(name).display().to_string()));
        }
        // One more than there should be, so that one read is enough to see the end.
        let mut bytes = Vec::with_capacity(metadata.size() as usize + 1);
        (&file)
            .take(MAX_READ)
            .read_to_end(&mut bytes)
            .map_err(|error| self.refused("the file cannot be read", name, error))?;
        Ok((bytes, file, metadata))
    }

    /// Whether a path in this folder still leads to an open file.
    pub(crate) fn still_names(&self, name: &str, file: &File) -> bool {
        let Ok(there) = rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) else {
            return false;
        };
        let Ok(here) = rustix::fs::fstat(file) else { return false };
        (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)
    }

    /// The names of what is in the folder.
    pub(crate) fn names(&self) -> Result<Vec<String>> {
        let refused = |error| self.refused("the folder cannot be read", "", error);
        let mut names = Vec::new();
        for item in Dir::read_from(&self.handle).map_err(refused)? {
            let item = item.map_err(refused)?;
            // Names that are no text are not ours.
            names.extend(
                item.file_name().to_str().ok().filter(|name| ![".", ".."].contains(name)).map(str::to_owned),
            );
        }
        Ok(names)
    }

    /// Moves something to another folder. A file there is replaced by a file, and nothing but an empty folder by a
    /// folder.
    pub(crate) fn rename(&self, name: &str, to: &Self, new_name: &str) -> Result<()> {
        rustix::fs::renameat(&self.handle, name, &to.handle, new_name)
            .map_err(|error| to.refused("the file cannot be moved to its place", new_name, error))
    }

    /// Removes a file.
    pub(crate) fn unlink(&self, name: &str) -> Result<()> {
        rustix::fs::unlinkat(&self.handle, name, AtFlags::empty())
            .map_err(|error| self.refused("the file cannot be removed", name, error))
    }

    /// Removes a file, or a folder with what is in it.
    pub(crate) fn remove(&self, name: &str) -> Result<()> {
        match rustix::fs::unlinkat(&self.handle, name, AtFlags::empty()) {
            Ok(()) => Ok(()),
            Err(Errno::ISDIR) => std::fs::remove_dir_all(self.path.join(name))
                .map_err(|error| self.refused("the folder cannot be removed", name, error)),
            Err(error) => Err(self.refused("the file cannot be removed", name, error)),
        }
    }

    /// Waits until the folder's list of names is on the disk.
    pub(crate) fn sync(&self) -> Result<()> {
        self.handle.sync_all().map_err(|error| self.refused("the folder cannot be synchronised", "", error))
    }

    pub(crate) fn handle(&self) -> &File {
        &self.handle
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn refused(&self, message: &str, name: &str, cause: impl Into<std::io::Error>) -> Error {
        Error::os(message, &self.path.join(name), cause)
    }

    fn at(parent: impl std::os::fd::AsFd, name: &Path, path: PathBuf) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = rustix::fs::openat(parent, name, flags, Mode::empty())
            .map_err(|error| Error::os("the folder cannot be opened", &path, error))?;
        let handle = File::from(handle);
        examine(&handle, &path)?;
        Ok(Self { handle, path })
    }

    fn open_file(&self, name: &str, flags: OFlags) -> Result<(File, Metadata)> {
        // A pipe somebody put there must not make the caller wait for its writer.
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = rustix::fs::openat(&self.handle, name, flags, Mode::RUSR | Mode::WUSR)
            .map_err(|error| self.refused("the file cannot be opened", name, error))?;
        let file = File::from(file);
        let path = self.path.join(name);
        let metadata = examine(&file, &path)?;
        if !metadata.is_file() {
            return Err(untrusted("this is no file", &path));
        }
        Ok((file, metadata))
    }
}

/// Refuses what anybody but this user can have written.
fn examine(file: &File, path: &Path) -> Result<Metadata> {
    let metadata = file.metadata().map_err(|error| Error::os("it cannot be examined", path, error))?;
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(untrusted("this belongs to another user", path).with("owner", metadata.uid().to_string()));
    }
    if metadata.mode() & 0o022 != 0 {
        let mode = format!("{:o}", metadata.mode() & 0o7777);
        return Err(untrusted("other users can write this", path).with("mode", mode));
    }
    Ok(metadata)
}

fn untrusted(message: &str, path: &Path) -> Error {
    Error::new(ErrorKind::Untrusted, message).with("path", path.display().to_string())
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;

    fn kind<T>(result: Result<T>) -> ErrorKind {
        result.err().expect("it is refused").kind()
    }

    #[test]
    fn a_folder_is_made_for_its_owner_alone() {
        let root = tempfile::tempdir().expect("a folder");
        let path = root.path().join("a/b");
        Folder::open_or_create(&path).expect("it is made");
        assert_eq!(path.metadata().expect("it is there").mode() & 0o777, 0o700);
    }

    #[test]
    fn what_others_can_write_is_not_trusted() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(root.path()).expect("it is this user's");
        drop(folder.create_file("file").expect("it is made"));
        for mode in [0o620, 0o602, 0o777] {
            set_permissions(root.path().join("file"), Permissions::from_mode(mode)).expect("this user's");
            assert_eq!(kind(folder.file("file")), ErrorKind::Untrusted, "{mode:o}");
        }
        set_permissions(root.path(), Permissions::from_mode(0o1777)).expect("this user's");
        assert_eq!(kind(Folder::open(root.path())), ErrorKind::Untrusted);
    }

    #[test]
    fn a_symbolic_link_is_not_followed() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(root.path()).expect("it is this user's");
        symlink("/etc/passwd", root.path().join("file")).expect("a link");
        symlink("/etc", root.path().join("folder")).expect("a link");
        assert_eq!(kind(folder.file("file")), ErrorKind::Untrusted);
        assert_eq!(kind(folder.folder("folder")), ErrorKind::Untrusted);
        assert_eq!(kind(Folder::open(&root.path().join("folder"))), ErrorKind::Untrusted);
        folder.remove("folder").expect("only the link goes");
        assert!(Path::new("/etc/passwd").exists());
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(root.path()).expect("it is this user's");
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(folder.handle(), "pipe", fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe");
        assert_eq!(kind(folder.file("pipe")), ErrorKind::Untrusted);
    }

    #[test]
    fn what_another_user_owns_is_not_trusted() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(root.path()).expect("it is this user's");
        drop(folder.create_file("file").expect("it is made"));
        // Giving files away takes root, which the shim is; anybody else can look at root's files instead.
        if chown(root.path().join("file"), Some(65_534), None).is_ok() {
            assert_eq!(kind(folder.file("file")), ErrorKind::Untrusted);
        } else {
            assert_eq!(kind(Folder::open(Path::new("/proc/1"))), ErrorKind::Untrusted);
        }
    }
}
