//! Programs that run in a node beside its containerd, as those of Kubernetes do.
//!
//! A companion is forked three times. The first process is ours and enters the node's namespaces, of which a PID namespace
//! is entered by children only. Its child is in the node, and ends at once, so that its own child, the companion, is
//! adopted by the node's init: it is one of the node's processes like all others, and ends with the node whatever becomes
//! of us.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, PipeWriter, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, pidfd_open, pidfd_send_signal, waitpid};
use rustix::thread::{ThreadNameSpaceType, move_into_thread_name_spaces};

use crate::daemon::Daemon;
use crate::error::{Error, ErrorKind, Result};
use crate::guardian::{exit, fork};

/// A program that was started in a node. Dropped, it goes on.
#[derive(Debug)]
pub(crate) struct Companion {
    name: String,
    process: OwnedFd,
    log: PathBuf,
}

impl Companion {
    /// Starts `command` in a node. What it prints is added to the file `log`.
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io) where it cannot be executed, [`Daemon`](ErrorKind::Daemon) where it has ended at once.
    pub(crate) fn start(node: &Daemon, command: Command, log: &Path) -> Result<Self> {
        let name = named(&command);
        let file = File::options().create(true).append(true).open(log);
        let file = file.map_err(|error| Error::io(format!("open {}", log.display()), error))?;
        let describe = |error| Error::io(format!("start {name} in the node"), error);
        let id = begin(node.init()?, command, &file).map_err(describe)?;
        let process = node.processes()?.into_iter().find(|process| process.node_pid == id);
        let process = process.map(|process| open(process.pid)).transpose().map_err(describe)?;
        process.map_or_else(
            || Err(failed(&name, "has ended at once", log)),
            |process| Ok(Self { name: name.clone(), process, log: log.to_owned() }),
        )
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&self) -> Result<bool> {
        self.ends_within(Duration::ZERO)
    }

    /// Kills it, and waits until it has ended.
    pub(crate) fn kill(&self) -> Result<()> {
        match pidfd_send_signal(&self.process, Signal::KILL) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => return Err(Error::io(format!("kill {}", self.name), error.into())),
        }
        if self.ends_within(PATIENCE)? {
            Ok(())
        } else {
            Err(self.failed("does not end though it was killed"))
        }
    }

    /// An error with the end of what it has printed.
    pub(crate) fn failed(&self, what: &str) -> Error {
        failed(&self.name, what, &self.log)
    }

    fn ends_within(&self, patience: Duration) -> Result<bool> {
        let patience = Timespec { tv_sec: patience.as_secs().cast_signed(), tv_nsec: 0 };
        let mut end = [PollFd::new(&self.process, PollFlags::IN)];
        let ready = poll(&mut end, Some(&patience));
        ready
            .map(|count| count > 0)
            .map_err(|error| Error::io(format!("look after {}", self.name), error.into()))
    }
}

const PATIENCE: Duration = Duration::from_secs(120);
const TAIL: usize = 4096;

fn named(command: &Command) -> String {
    Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn failed(name: &str, what: &str, log: &Path) -> Error {
    let log = std::fs::read(log).unwrap_or_else(|error| error.to_string().into_bytes());
    let tail = String::from_utf8_lossy(&log[log.len().saturating_sub(TAIL)..]).into_owned();
    Error::new(ErrorKind::Daemon, format!("{name} {what}; its log ends with:\n{tail}"))
}

/// Runs `command` in a folder of the node of the process `init` to its end; gives what it printed, and how long it took from
/// its execution to its end. Whatever it leaves behind is adopted by the node's init.
pub(crate) fn run(init: u32, mut command: Command, folder: CString) -> io::Result<(Output, Duration)> {
    let init = open(init)?;
    let (mut told, teller) = io::pipe()?;
    // SAFETY: the closure runs between fork and exec; it makes system calls only, and neither allocates nor takes a lock.
    unsafe { command.pre_exec(move || stand_in(&init, &folder, &teller)) };
    let output = command.stdin(Stdio::null()).output();
    // The pipe's other end is in the command, and would be waited for.
    drop(command);
    let output = output?;
    let mut moment = || {
        let mut nanoseconds = [0; size_of::<u64>()];
        told.read_exact(&mut nanoseconds).map(|()| u64::from_ne_bytes(nanoseconds))
    };
    let (begin, end) = (moment()?, moment()?);
    Ok((output, Duration::from_nanos(end.saturating_sub(begin))))
}

/// Starts a program in the node of the process `init`, and gives its id there.
fn begin(init: u32, mut command: Command, log: &File) -> io::Result<u32> {
    let init = open(init)?;
    let (mut told, teller) = io::pipe()?;
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log.try_clone()?).current_dir("/");
    // SAFETY: the closure runs between fork and exec; it makes system calls only, and neither allocates nor takes a lock.
    unsafe { command.pre_exec(move || settle(&init, &teller)) };
    let spawned = command.spawn();
    // The pipe's other end is in the command, and would be waited for.
    drop(command);
    let mut first = spawned?;
    let mut id = [0; size_of::<u32>()];
    let read = told.read_exact(&mut id);
    first.wait()?;
    read.map(|()| u32::from_ne_bytes(id))
}

fn open(process: u32) -> io::Result<OwnedFd> {
    let process = i32::try_from(process).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::NotFound)?;
    Ok(pidfd_open(process, PidfdFlags::empty())?)
}

/// Goes on in a process of the node's, whose parent is there as well, and ends as it does. When it begins and when it has
/// ended is told by those who are next to it: to fork a large program takes longer than many a small one runs.
fn stand_in(init: &OwnedFd, folder: &CStr, teller: &PipeWriter) -> io::Result<()> {
    enter(init)?;
    // Who enters a mount namespace is at its root.
    rustix::process::chdir(folder)?;
    if let Some(child) = fork()? {
        exit(code(child));
    }
    if let Some(child) = fork()? {
        let code = code(child);
        exit(if tell_moment(teller).is_ok() { code } else { 1 });
    }
    tell_moment(teller)
}

fn tell_moment(teller: &PipeWriter) -> io::Result<()> {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: clock_gettime(2) fills what it is given, and this clock is always there.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    let nanoseconds = now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned();
    rustix::io::write(teller, &nanoseconds.to_ne_bytes())?;
    Ok(())
}

/// Waits for the end of a child, and gives its exit code.
fn code(child: Pid) -> i32 {
    loop {
        match waitpid(Some(child), WaitOptions::empty()) {
            Err(rustix::io::Errno::INTR) => {}
            Ok(Some((_, status))) => return status.exit_status().unwrap_or(1),
            _ => return 1,
        }
    }
}

/// Goes on in a process of the node's, whose id there is told by its parent.
fn settle(init: &OwnedFd, teller: &PipeWriter) -> io::Result<()> {
    enter(init)?;
    if let Some(child) = fork()? {
        while let Err(rustix::io::Errno::INTR) = waitpid(Some(child), WaitOptions::empty()) {}
        exit(0);
    }
    if let Some(companion) = fork()? {
        let id = companion.as_raw_nonzero().get().cast_unsigned();
        exit(i32::from(rustix::io::write(teller, &id.to_ne_bytes()).is_err()));
    }
    Ok(rustix::process::setsid().map(drop)?)
}

/// Enters the namespaces of a node; its PID namespace is entered by the children.
fn enter(init: &OwnedFd) -> io::Result<()> {
    let namespaces =
        ThreadNameSpaceType::NETWORK | ThreadNameSpaceType::MOUNT | ThreadNameSpaceType::PROCESS_ID;
    Ok(move_into_thread_name_spaces(init.as_fd(), namespaces)?)
}
