//! One more program inside a node that runs: in its PID and mount namespaces, so that it ends with the node and sees
//! the node's `/proc`, `/run` and mounts.
//!
//! A process enters a PID namespace for its children alone, and a child whose parent stands outside of the namespace is
//! not given to the node's init when that parent ends. So two processes come and go between ours and the program:
//!
//! ```text
//! owner ── enters the PID namespace ── enters the mount namespace ── the program, which init adopts
//! ```
//!
//! Both are forked from a program with threads, so they do not allocate and take no lock.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Pid, PidfdFlags, WaitOptions, pidfd_open, setsid, waitpid};
use rustix::thread::{ThreadNameSpaceType, move_into_thread_name_spaces};

use crate::guardian::{exit, fork};

/// Starts `command` in the node whose first process is `init`; returns when it is executed. It is the node's from then
/// on, and nobody here waits for it.
pub(crate) fn enter(init: u32, mut command: Command) -> io::Result<()> {
    let init = i32::try_from(init).ok().and_then(Pid::from_raw).ok_or(rustix::io::Errno::SRCH)?;
    let node = pidfd_open(init, PidfdFlags::empty())?;
    // SAFETY: the closure runs between fork and exec. It makes system calls on a descriptor that was opened before the
    // fork; it neither allocates nor takes a lock.
    unsafe { command.pre_exec(move || go_in(node.as_fd())) };
    command.spawn()?.wait().map(drop)
}

/// Returns only in the process that becomes the program.
fn go_in(node: BorrowedFd<'_>) -> io::Result<()> {
    move_into_thread_name_spaces(node, ThreadNameSpaceType::PROCESS_ID)?;
    if let Some(child) = fork()? {
        while let Err(rustix::io::Errno::INTR) = waitpid(Some(child), WaitOptions::empty()) {}
        exit(0);
    }
    move_into_thread_name_spaces(node, ThreadNameSpaceType::MOUNT)?;
    setsid()?;
    if fork()?.is_some() {
        exit(0);
    }
    Ok(())
}
