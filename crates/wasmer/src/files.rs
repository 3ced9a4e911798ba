use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use wasmer_wasix::virtual_fs::host_fs;
use wasmer_wasix::virtual_fs::{
    FileOpener, FileSystem, FsError, Metadata, OpenOptions, OpenOptionsConfig, ReadDir, Result, VirtualFile,
};

/// The container's files, with an answer that Wasmer understands where they are read-only.
///
/// Wasmer opens each file for reading and writing, whatever its guest asked for, and tries again with less only after
/// [`FsError::PermissionDenied`]. A read-only mount or root says "read-only file system" instead, which Wasmer takes for
/// a broken disk.
#[derive(Debug)]
pub(crate) struct Files(pub(crate) host_fs::FileSystem);

impl FileOpener for Files {
    fn open(
        &self,
        path: &Path,
        wanted: &OpenOptionsConfig,
    ) -> Result<Box<dyn VirtualFile + Send + Sync + 'static>> {
        self.0.open(path, wanted).map_err(|error| {
            if wanted.write && is_read_only(path) { FsError::PermissionDenied } else { error }
        })
    }
}

fn is_read_only(path: &Path) -> bool {
    let opened = File::options().write(true).open(path);
    matches!(opened, Err(error) if error.kind() == ErrorKind::ReadOnlyFilesystem)
}

impl FileSystem for Files {
    fn readlink(&self, path: &Path) -> Result<PathBuf> {
        self.0.readlink(path)
    }

    fn read_dir(&self, path: &Path) -> Result<ReadDir> {
        self.0.read_dir(path)
    }

    fn create_dir(&self, path: &Path) -> Result<()> {
        self.0.create_dir(path)
    }

    fn create_symlink(&self, source: &Path, target: &Path) -> Result<()> {
        self.0.create_symlink(source, target)
    }

    fn hard_link(&self, source: &Path, target: &Path) -> Result<()> {
        self.0.hard_link(source, target)
    }

    fn remove_dir(&self, path: &Path) -> Result<()> {
        self.0.remove_dir(path)
    }

    fn rename<'a>(
        &'a self,
        from: &'a Path,
        to: &'a Path,
    ) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>> {
        self.0.rename(from, to)
    }

    fn metadata(&self, path: &Path) -> Result<Metadata> {
        self.0.metadata(path)
    }

    fn symlink_metadata(&self, path: &Path) -> Result<Metadata> {
        self.0.symlink_metadata(path)
    }

    fn remove_file(&self, path: &Path) -> Result<()> {
        self.0.remove_file(path)
    }

    fn new_open_options(&self) -> OpenOptions<'_> {
        OpenOptions::new(self)
    }
}
