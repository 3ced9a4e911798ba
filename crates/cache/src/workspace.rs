use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::Mode;
use rustix::io::Errno;

use crate::folder::Folder;
use crate::{Error, ErrorKind, Result, clock, lock};

/// The name of the native code in an entry.
pub(crate) const CODE: &str = "code";
/// Who may read code: whoever a guest is, since an engine opens anew what it is handed. Nobody else can enter the folder.
pub(crate) const READABLE: Mode = Mode::RUSR.union(Mode::RGRP).union(Mode::ROTH);

/// A folder in which something is written before it gets its place. It goes with this value; that of a process that has
/// died is [swept](sweep).
#[derive(Debug)]
pub(crate) struct Workspace {
    temporary: Folder,
    name: String,
    /// Its lock tells a sweeper that it is in use.
    folder: Folder,
}

impl Workspace {
    /// Makes a folder of a new name.
    pub(crate) fn new(temporary: Folder) -> Result<Self> {
        const ATTEMPTS: usize = 64;
        for _ in 0..ATTEMPTS {
            let name = unique();
            if !temporary.create(&name)? {
                continue;
            }
            // Until it is locked, a sweeper takes it for garbage.
            let Some(folder) = crate::error::present(temporary.folder(&name))? else { continue };
            let refused = |error| Error::os("the folder cannot be locked", folder.path(), error);
            if lock::try_exclusive(folder.handle()).map_err(refused)?
                && temporary.still_names(&name, folder.handle())
            {
                return Ok(Self { temporary, name, folder });
            }
        }
        Err(temporary.refused("no temporary folder can be made", "", Errno::BUSY))
    }

    /// Where a compiler puts native code.
    pub(crate) fn output(&self) -> PathBuf {
        self.folder.path().join(CODE)
    }

    pub(crate) fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Writes a file that is on the disk when this returns.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let mut file = self.folder.create_file(name)?;
        file.write_all(bytes)
            .and_then(|()| file.sync_all())
            .map_err(|error| self.folder.refused("the file cannot be written", name, error))
    }

    /// Moves a file to where it replaces another.
    pub(crate) fn replace(&self, name: &str, to: &Folder, new_name: &str) -> Result<()> {
        self.folder.rename(name, to, new_name)
    }

    /// Moves the whole folder to its place, in place of whatever is there. It is complete at any crash from now on.
    pub(crate) fn publish(self, to: &Folder, name: &str) -> Result<()> {
        self.folder.sync()?;
        discard(to, name, &self.temporary)?;
        self.temporary.rename(&self.name, to, name)?;
        to.sync()
    }

    /// Why nothing more can be written here, if the disk is to blame for a failed compilation.
    ///
    /// A compiler's error does not tell, and a compiler may have removed what it had written. So a disk with little
    /// space left is blamed, too: the price of an error is that a bad program is compiled twice.
    pub(crate) fn starved(&self) -> Option<Error> {
        const LITTLE: u64 = 256 << 20;
        if let Err(error) = self.write("probe", &[1; 4096]) {
            return Some(error);
        }
        let disk = rustix::fs::fstatvfs(self.folder.handle()).ok()?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        (free < LITTLE).then(|| {
            Error::new(ErrorKind::Full, "too little space is left to compile")
                .with("path", self.temporary.path().display().to_string())
                .with("free bytes", free.to_string())
        })
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        // It is gone already if it was published; and what cannot be removed is swept later.
        let _ = self.temporary.remove(&self.name);
    }
}

/// Removes something from its place at once, and then from the disk. That it is not there is no error.
pub(crate) fn discard(from: &Folder, name: &str, temporary: &Folder) -> Result<()> {
    let garbage = unique();
    if crate::error::present(from.rename(name, temporary, &garbage))?.is_some() {
        // Another process may be sweeping it at the same time.
        crate::error::present(temporary.remove(&garbage))?;
    }
    Ok(())
}

/// Removes what processes have left that died while they wrote.
pub(crate) fn sweep(temporary: &Folder) -> Result<()> {
    for name in temporary.names()? {
        let folder = match temporary.folder(&name) {
            Ok(folder) => Some(folder),
            Err(error) if error.kind() == ErrorKind::Missing => continue,
            Err(_) => None,
        };
        let busy = |folder: &Folder| !lock::try_exclusive(folder.handle()).unwrap_or(false);
        if !folder.as_ref().is_some_and(busy)
            && let Err(error) = crate::error::present(temporary.remove(&name))
        {
            tracing::debug!(%error, "garbage stays in the cache");
        }
    }
    Ok(())
}

/// Opens what a compiler has written.
pub(crate) fn compiled(folder: &Folder) -> Result<File> {
    Ok(folder.file(CODE)?.0)
}

/// A name that no other process uses, of hexadecimal digits.
fn unique() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{:08x}{:016x}{count:08x}", std::process::id(), clock::nanoseconds())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::fixture::is_empty;

    fn temporary(root: &tempfile::TempDir) -> Folder {
        Folder::open(root.path()).expect("it is this user's")
    }

    #[test]
    fn a_workspace_goes_with_its_value() {
        let root = tempfile::tempdir().expect("a folder");
        let workspace = Workspace::new(temporary(&root)).expect("it is made");
        fs::write(workspace.output(), "half").expect("it is written");
        drop(workspace);
        assert!(is_empty(root.path()));
    }

    #[test]
    fn only_what_a_dead_process_has_left_is_swept() {
        let root = tempfile::tempdir().expect("a folder");
        let workspace = Workspace::new(temporary(&root)).expect("it is made");
        fs::write(workspace.output(), "half").expect("it is written");
        fs::create_dir(root.path().join("00")).expect("a dead one's folder");
        fs::write(root.path().join("00/code"), "half").expect("a dead one's file");
        fs::write(root.path().join("01"), "").expect("a file");
        sweep(&temporary(&root)).expect("it sweeps");
        assert_eq!(temporary(&root).names().expect("it is read"), [&*workspace.name]);
        assert!(workspace.output().exists());
    }

    #[test]
    fn makers_and_sweepers_do_not_hurt_each_other() {
        let root = tempfile::tempdir().expect("a folder");
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let workspace = Workspace::new(temporary(&root)).expect("it is made");
                        workspace.write("file", b"x").expect("nobody has removed its folder");
                    }
                });
            }
            scope.spawn(|| (0..200).for_each(|_| sweep(&temporary(&root)).expect("it sweeps")));
        });
        assert!(is_empty(root.path()));
    }
}
