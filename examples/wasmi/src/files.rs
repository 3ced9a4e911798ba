use std::any::Any;
use std::io;
use std::path::PathBuf;

use async_trait::async_trait;
use wasmi_wasi::wasi_common::dir::{OpenResult, ReaddirCursor, ReaddirEntity, WasiDir};
use wasmi_wasi::wasi_common::file::{FdFlags, Filestat, OFlags};
use wasmi_wasi::wasi_common::snapshots::preview_1::error::Errno;
use wasmi_wasi::wasi_common::{Error, SystemTimeSpec};

type Result<T> = std::result::Result<T, Error>;
type Entries = Box<dyn Iterator<Item = Result<ReaddirEntity>> + Send>;

/// A directory of the container, in which every error of the operating system has a WASI number.
///
/// The library knows most of them; on any other, as from a write to a read-only mount, it traps.
pub(crate) struct Directory(pub(crate) Box<dyn WasiDir>);

#[async_trait]
impl WasiDir for Directory {
    /// The library's own directory, for which it looks when two of them take part.
    fn as_any(&self) -> &dyn Any {
        self.0.as_any()
    }

    async fn open_file(
        &self,
        follow: bool,
        path: &str,
        how: OFlags,
        read: bool,
        write: bool,
        flags: FdFlags,
    ) -> Result<OpenResult> {
        match self.0.open_file(follow, path, how, read, write, flags).await.map_err(numbered)? {
            OpenResult::Dir(inner) => Ok(OpenResult::Dir(Box::new(Self(inner)))),
            file @ OpenResult::File(_) => Ok(file),
        }
    }

    async fn create_dir(&self, path: &str) -> Result<()> {
        self.0.create_dir(path).await.map_err(numbered)
    }

    async fn readdir(&self, cursor: ReaddirCursor) -> Result<Entries> {
        self.0.readdir(cursor).await.map_err(numbered)
    }

    async fn symlink(&self, target: &str, path: &str) -> Result<()> {
        self.0.symlink(target, path).await.map_err(numbered)
    }

    async fn remove_dir(&self, path: &str) -> Result<()> {
        self.0.remove_dir(path).await.map_err(numbered)
    }

    async fn unlink_file(&self, path: &str) -> Result<()> {
        self.0.unlink_file(path).await.map_err(numbered)
    }

    async fn read_link(&self, path: &str) -> Result<PathBuf> {
        self.0.read_link(path).await.map_err(numbered)
    }

    async fn get_filestat(&self) -> Result<Filestat> {
        self.0.get_filestat().await.map_err(numbered)
    }

    async fn get_path_filestat(&self, path: &str, follow: bool) -> Result<Filestat> {
        self.0.get_path_filestat(path, follow).await.map_err(numbered)
    }

    async fn rename(&self, path: &str, folder: &dyn WasiDir, to: &str) -> Result<()> {
        self.0.rename(path, folder, to).await.map_err(numbered)
    }

    async fn hard_link(&self, path: &str, folder: &dyn WasiDir, to: &str) -> Result<()> {
        self.0.hard_link(path, folder, to).await.map_err(numbered)
    }

    async fn set_times(
        &self,
        path: &str,
        accessed: Option<SystemTimeSpec>,
        modified: Option<SystemTimeSpec>,
        follow: bool,
    ) -> Result<()> {
        self.0.set_times(path, accessed, modified, follow).await.map_err(numbered)
    }
}

/// An error that the guest is told, where the library would trap for an error of the operating system.
fn numbered(error: Error) -> Error {
    match error.downcast() {
        Ok(number) => number.into(),
        Err(trap) => match trap.downcast_ref::<io::Error>().map(io::Error::kind) {
            Some(io::ErrorKind::ReadOnlyFilesystem) => Errno::Rofs.into(),
            Some(io::ErrorKind::CrossesDevices) => Errno::Xdev.into(),
            Some(io::ErrorKind::ExecutableFileBusy) => Errno::Txtbsy.into(),
            Some(_) => Errno::Io.into(),
            None => Error::trap(trap),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `EROFS`, as Linux numbers it.
    const READ_ONLY: i32 = 30;

    #[test]
    fn a_write_to_a_read_only_mount_is_no_trap() {
        let error = numbered(io::Error::from_raw_os_error(READ_ONLY).into());
        assert!(matches!(error.downcast(), Ok(Errno::Rofs)), "it has another number, or none");
    }

    #[test]
    fn what_the_library_knows_stays_as_it_is() {
        let error = numbered(Errno::Noent.into());
        assert!(matches!(error.downcast(), Ok(Errno::Noent)), "it has another number, or none");
    }
}
