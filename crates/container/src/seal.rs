//! Files of the host that a process of a container has open, without a way to write to them.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

/// The same file, on a mount of its own that is read-only and has no place in any tree.
///
/// Where a container has root's number, it may open what `/proc/PID/exe` and `/proc/PID/fd` lead to anew, and write to
/// it, whatever the descriptor was opened for. On such a mount the kernel refuses that.
///
/// # Errors
///
/// Those of open_tree(2) and mount_setattr(2): `Unsupported` before Linux 5.12.
pub fn read_only(file: impl AsFd) -> io::Result<File> {
    let tree = clone_mount(file)?;
    File::open(format!("/proc/self/fd/{}", tree.as_raw_fd()))
}

fn clone_mount(file: impl AsFd) -> io::Result<OwnedFd> {
    let flags = libc::OPEN_TREE_CLONE | libc::O_CLOEXEC.unsigned_abs() | libc::AT_EMPTY_PATH.unsigned_abs();
    // SAFETY: the path is a C string, and open_tree(2) makes a descriptor that nobody else owns.
    let tree = unsafe {
        match libc::syscall(libc::SYS_open_tree, file.as_fd().as_raw_fd(), c"".as_ptr(), flags) {
            -1 => return Err(io::Error::last_os_error()),
            tree => OwnedFd::from_raw_fd(i32::try_from(tree).map_err(io::Error::other)?),
        }
    };
    let attributes =
        libc::mount_attr { attr_set: libc::MOUNT_ATTR_RDONLY, attr_clr: 0, propagation: 0, userns_fd: 0 };
    let size = size_of::<libc::mount_attr>();
    // SAFETY: the path is a C string, and the structure of this size is read before the call returns.
    let set = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attributes,
            size,
        )
    };
    if set == 0 { Ok(tree) } else { Err(io::Error::last_os_error()) }
}

/// Whether the file that a path leads to is on a read-only mount.
///
/// # Errors
///
/// Those of statvfs(2).
pub(crate) fn is_read_only(path: &str) -> io::Result<bool> {
    Ok(rustix::fs::statvfs(path)?.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn a_sealed_file_is_read_and_cannot_be_opened_for_writing() {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(b"code").expect("it is written");
        let mut sealed = match read_only(file.as_file()) {
            Ok(sealed) => sealed,
            // Only root may, on a kernel that can.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EPERM | libc::ENOSYS)) => return,
            Err(error) => panic!("{error}"),
        };
        let mut text = String::new();
        sealed.read_to_string(&mut text).expect("it is readable");
        assert_eq!(text, "code");
        let again = format!("/proc/self/fd/{}", sealed.as_raw_fd());
        let error = File::options().write(true).open(again).expect_err("its mount is read-only");
        assert_eq!(error.raw_os_error(), Some(libc::EROFS));
    }
}
