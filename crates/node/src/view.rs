//! What the processes of a node see otherwise than the host's do. Nothing here allocates once it is described: it is
//! mounted in a process forked from a program that has threads.

use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;

use rustix::fs::{CWD, Mode, mkdir};
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, mount, mount_bind, mount_change,
    move_mount, open_tree,
};

use crate::bare::OwnHost;

/// What the processes of a node see otherwise than the host's do.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    /// Folders that are empty, and kept in memory.
    pub(crate) empty: Vec<CString>,
    /// Files of the node that stand in for the host's: first the node's, then the path where it is seen.
    pub(crate) files: Vec<(CString, CString)>,
    /// Whether the node has a network of its own, in which nothing is up at first.
    pub(crate) network: bool,
    /// What a bare node has.
    pub(crate) host: Option<OwnHost>,
}

impl View {
    /// Mounts of the host appear in the node, but none of the node's in the host. `/run` is empty: shims put
    /// their sockets, runc its state and CRI its network namespaces there, whatever containerd's settings
    /// say. Of the host's, `systemd` is kept where it is to make cgroups.
    pub(crate) fn mount(&self, systemd: bool) -> rustix::io::Result<()> {
        mount_change(c"/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)?;
        mount_change(c"/", MountPropagationFlags::SHARED | MountPropagationFlags::REC)?;
        let quiet = MountFlags::NOSUID | MountFlags::NODEV;
        // Both before they are hidden.
        let kept =
            if systemd { [Some(copy(c"/run/systemd")?), Some(copy(c"/run/dbus")?)] } else { [None, None] };
        mount(c"proc", c"/proc", c"proc", quiet | MountFlags::NOEXEC, None)?;
        mount(c"tmpfs", c"/run", c"tmpfs", quiet, Some(c"mode=755"))?;
        for (place, tree) in [c"/run/systemd", c"/run/dbus"].into_iter().zip(kept) {
            let Some(tree) = tree else { continue };
            mkdir(place, Mode::from_raw_mode(0o755))?;
            move_mount(&tree, c"", CWD, place, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
        }
        if let Some(host) = &self.host {
            host.mount()?;
        }
        for folder in &self.empty {
            mount(c"tmpfs", folder.as_c_str(), c"tmpfs", MountFlags::empty(), Some(c"mode=700"))?;
        }
        self.files.iter().try_for_each(|(file, path)| mount_bind(file.as_c_str(), path.as_c_str()))
    }
}

/// A mount of the same files, which is nowhere yet.
fn copy(path: &CStr) -> rustix::io::Result<OwnedFd> {
    let flags =
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    open_tree(CWD, path, flags)
}
