//! Removing what a node leaves on the machine once its processes are gone.
//!
//! Nothing here allocates: the guardian calls it in a process forked from a program that may have had
//! threads.

use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RawDir, ResolveFlags, openat, openat2, unlinkat};
use rustix::io::{Errno, Result};

use crate::network;

/// Everything of a node that outlives its processes.
#[derive(Clone, Debug)]
pub(crate) struct Estate {
    /// The node's folder.
    pub(crate) folder: CString,
    /// The node's cgroup in each hierarchy.
    pub(crate) cgroups: Vec<CString>,
    /// The network bridge that CNI makes for pods.
    pub(crate) bridge: CString,
    /// The slice that systemd made, if it makes the cgroups of pods; it is among the cgroups as well.
    pub(crate) slice: Option<CString>,
}

impl Estate {
    /// Lets frozen processes run again: in a cgroup v1 freezer not even SIGKILL ends them.
    pub(crate) fn thaw(&self) {
        for cgroup in &self.cgroups {
            thaw(CWD, cgroup);
        }
    }

    /// Kills all processes in the cgroups, where the kernel can: on version 2.
    pub(crate) fn kill(&self) {
        for cgroup in &self.cgroups {
            let Ok(cgroup) = openat(CWD, cgroup, FOLDER, Mode::empty()) else { continue };
            let Ok(kill) = openat(&cgroup, c"cgroup.kill", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
            else {
                continue;
            };
            let _already_dead = rustix::io::write(&kill, b"1");
        }
    }

    /// Removes all of it; whether all is gone.
    ///
    /// The kernel lets go of a cgroup some time after the last process in it was reaped, hence the attempts.
    pub(crate) fn remove(&self) -> bool {
        let folders = || self.cgroups.iter().chain([&self.folder]);
        for _ in 0..ATTEMPTS {
            network::remove_bridge(&self.bridge);
            if folders().filter(|folder| remove_tree(folder).is_err()).count() == 0 {
                return true;
            }
            let pause = rustix::thread::Timespec::try_from(PAUSE).unwrap_or_default();
            let _interrupted = rustix::thread::nanosleep(&pause);
        }
        false
    }
}

const ATTEMPTS: u32 = 6000;
const PAUSE: Duration = Duration::from_millis(10);
const BUFFER: usize = 4096;

/// Removes the file or folder `path`, and all below it.
fn remove_tree(path: &CStr) -> Result<()> {
    remove(CWD, path, || openat(CWD, path, FOLDER, Mode::empty()))
}

/// Removes an entry of a folder and all below it, never across a mount.
fn remove_entry(parent: BorrowedFd<'_>, name: &CStr) -> Result<()> {
    remove(parent, name, || openat2(parent, name, FOLDER, Mode::empty(), ResolveFlags::NO_XDEV))
}

/// In a cgroup only folders can go, which is enough: so an entry that stays is no error unless its folder
/// stays too.
fn remove(parent: BorrowedFd<'_>, name: &CStr, open: impl FnOnce() -> Result<OwnedFd>) -> Result<()> {
    match unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(_) => {}
    }
    let folder = open()?;
    for_each(folder.as_fd(), |entry| {
        let _seen_below = remove_entry(folder.as_fd(), entry);
    })?;
    unlinkat(parent, name, AtFlags::REMOVEDIR)
}

fn thaw(parent: BorrowedFd<'_>, name: &CStr) {
    let Ok(cgroup) = openat(parent, name, FOLDER, Mode::empty()) else { return };
    if let Ok(state) = openat(&cgroup, c"freezer.state", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()) {
        let _already_gone = rustix::io::write(&state, b"THAWED");
    }
    let _already_gone = for_each(cgroup.as_fd(), |name| thaw(cgroup.as_fd(), name));
}

fn for_each(folder: BorrowedFd<'_>, mut action: impl FnMut(&CStr)) -> Result<()> {
    let mut buffer = [MaybeUninit::uninit(); BUFFER];
    let mut entries = RawDir::new(folder, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        if entry.file_name() != c"." && entry.file_name() != c".." {
            action(entry.file_name());
        }
    }
    Ok(())
}

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn removes_a_deep_and_wide_tree_and_not_what_links_lead_to() {
        let outside = tempfile::tempdir().expect("a folder");
        let kept = outside.path().join("kept");
        fs::write(&kept, "").expect("a file");
        let root = tempfile::tempdir().expect("a folder").keep();
        for number in 0..300 {
            let folder = root.join(format!("a-rather-long-folder-name-{number}/b/c"));
            fs::create_dir_all(&folder).expect("folders");
            fs::write(folder.join("file"), "").expect("a file");
            std::os::unix::fs::symlink(outside.path(), folder.join("link")).expect("a link");
        }
        let folder = CString::new(root.as_os_str().as_bytes()).expect("no zero byte");
        let estate = Estate { folder, cgroups: Vec::new(), bridge: c"shimmer-none".into(), slice: None };
        assert!(estate.remove(), "everything is gone");
        assert!(!root.exists(), "the folder is gone");
        assert!(kept.exists(), "a file behind a link is not");
    }
}
