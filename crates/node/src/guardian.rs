//! The process that outlives the node's owner, and ends and removes the node whatever becomes of the owner.
//!
//! The owner cannot promise to clean up: it may panic with `abort`, or be killed. So the first child it forks
//! is a guardian, which holds one end of a pipe. However the owner ends, the kernel closes the other end, and
//! the guardian goes to work: one path for `drop`, panics, Ctrl-C and SIGKILL, and no signal handler in the
//! owner.
//!
//! containerd does not run beside the guardian but in a PID namespace and a mount namespace of its own.
//! Killing the first process of a PID namespace makes the kernel kill every other one in it, shims and
//! containers that left their session included, and the mounts go with the last process. So no list of
//! processes has to be right:
//!
//! ```text
//! owner ── guardian ── init (PID 1 of the node: reaps) ── containerd, shims, containers
//! ```
//!
//! systemd takes process ids for those of its own namespace. Where it makes cgroups for the node, the node has no PID
//! namespace: its processes are in cgroups of the node's, by which the kernel kills them, and orphans become
//! children of init and then of the guardian, which waits for the last one.
//!
//! containerd may be restarted under its shims: the owner writes a byte into the same pipe before it kills
//! containerd, and init, which finds that byte, forks a containerd again where it would have ended the node. On a bare
//! node, whoever installs something there ends containerd and expects it back, as under systemd: the owner writes another
//! byte, once, and init starts it again whenever it ends.
//!
//! The guardian is forked from a program with threads, so it does not allocate and takes no lock.

use std::ffi::{CStr, CString};
use std::io::{self, PipeReader, PipeWriter, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, mkdir, open, openat};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, kill_process, pidfd_open, wait, waitpid};
use rustix::thread::{UnshareFlags, unshare_unsafe};

use crate::removal::Estate;
use crate::view::View;

/// The owner's handle of its guardian: while it exists, the node may live.
#[derive(Debug)]
pub(crate) struct Guardian {
    id: u32,
    child: Mutex<Child>,
    lifeline: Option<PipeWriter>,
    fence: Fence,
}

/// What keeps the processes of a node together.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Fence {
    /// A PID namespace.
    Namespace,
    /// These cgroups: one that is made for all, and below it one for containerd and the shims.
    Cgroups(CString, CString),
}

impl Guardian {
    /// Runs `command` inside a node of its own. Everything of `estate` is removed once the command has ended or
    /// the owner has.
    pub(crate) fn start(mut command: Command, estate: Estate, view: View, fence: Fence) -> io::Result<Self> {
        let (reader, lifeline) = io::pipe()?;
        let plan = Plan { estate, view, lifeline: reader, fence: fence.clone() };
        // SAFETY: the closure runs between fork and exec. It makes system calls on memory prepared before the
        // fork; it neither allocates nor takes a lock, as the module docs promise.
        unsafe { command.pre_exec(move || plan.carry_out()) };
        let child = command.spawn()?;
        Ok(Self { id: child.id(), child: Mutex::new(child), lifeline: Some(lifeline), fence })
    }

    /// Whether the processes of the node count themselves as this machine does.
    pub(crate) fn shares_ids(&self) -> bool {
        self.fence != Fence::Namespace
    }

    /// The guardian's process id.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// How the guardian ended, if it has: because containerd did.
    pub(crate) fn ended(&self) -> io::Result<Option<ExitStatus>> {
        self.child().try_wait()
    }

    /// Lets the next end of containerd be followed by its restart, and not by the node's end.
    pub(crate) fn expect_restart(&self) -> io::Result<()> {
        self.tell(RESTART)
    }

    /// Lets every end of containerd from now on be followed by its restart.
    pub(crate) fn keep_containerd(&self) -> io::Result<()> {
        self.tell(KEEP)
    }

    fn tell(&self, word: u8) -> io::Result<()> {
        self.lifeline.as_ref().map_or(Ok(()), |mut lifeline| lifeline.write_all(&[word]))
    }

    /// Ends the node and waits until nothing of it is left; fails where something is.
    pub(crate) fn stop(&mut self) -> io::Result<ExitStatus> {
        self.lifeline = None;
        self.child().wait()
    }

    /// The handle is whole after every call, so a panic elsewhere does not spoil it.
    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        // A destructor has nobody to report to; `stop` is for those who want to know.
        let _unreported = self.stop();
    }
}

struct Plan {
    estate: Estate,
    view: View,
    lifeline: PipeReader,
    fence: Fence,
}

impl Plan {
    /// Splits the forked process in three; returns only in the one that becomes containerd, and again in each
    /// that becomes it after a restart. A restart that cannot execute it can tell nobody, and ends the node.
    fn carry_out(&self) -> io::Result<()> {
        rustix::process::setsid()?;
        match self.fence {
            Fence::Namespace => unshare(UnshareFlags::NEWPID)?,
            Fence::Cgroups(..) => adopt_orphans()?,
        }
        if let Some(init) = fork()? {
            self.guard(init);
        }
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        if let Fence::Cgroups(all, own) = &self.fence {
            adopt_orphans()?;
            join(all, own)?;
        }
        unshare(UnshareFlags::NEWNS)?;
        if self.view.network {
            unshare(UnshareFlags::NEWNET)?;
        }
        self.view.mount(self.estate.slice.is_some())?;
        let mut keeps = false;
        while let Some(containerd) = fork()? {
            self.reap(containerd, &mut keeps);
        }
        Ok(())
    }

    /// The guardian: waits for the end of the owner or of the node, then ends and removes the node.
    fn guard(&self, init: Pid) -> ! {
        close_all_but(self.lifeline.as_raw_fd());
        ignore_stop_signals();
        if let Ok(pidfd) = pidfd_open(init, PidfdFlags::empty()) {
            let mut ends =
                [PollFd::new(&self.lifeline, PollFlags::empty()), PollFd::new(&pidfd, PollFlags::IN)];
            while let Err(rustix::io::Errno::INTR) = poll(&mut ends, None) {}
        }
        self.estate.thaw();
        if self.fence != Fence::Namespace {
            self.estate.kill();
        }
        let _already_ended = kill_process(init, Signal::KILL);
        // A runc that was about to freeze a container may have done so since.
        while let Ok(None) | Err(rustix::io::Errno::INTR) = waitpid(Some(init), WaitOptions::NOHANG) {
            let _interrupted = rustix::thread::nanosleep(&Timespec { tv_sec: 0, tv_nsec: 5_000_000 });
            self.estate.thaw();
        }
        // Orphans that have come here: there are none where a namespace has ended with its first process.
        while let Ok(_) | Err(rustix::io::Errno::INTR) = wait(WaitOptions::empty()) {}
        if let Some(slice) = &self.estate.slice {
            stop_unit(slice);
        }
        exit(i32::from(!self.estate.remove()))
    }

    /// PID 1 of the node: orphans are its children, so it reaps. When containerd ends, so does the node, except
    /// where it is to be started again: then this returns.
    fn reap(&self, containerd: Pid, keeps: &mut bool) {
        close_all_but(self.lifeline.as_raw_fd());
        loop {
            match wait(WaitOptions::empty()) {
                Ok(Some((pid, _))) if pid == containerd && self.wants_restart(keeps) => return,
                Ok(Some((pid, status))) if pid == containerd => exit(status.exit_status().unwrap_or(1)),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(_) => exit(1),
            }
        }
    }

    /// Whether the owner wants containerd back that has ended: because it has asked for this restart, or for all. In
    /// between is a pause, since containerd may end at once and again, for example until somebody has mended its
    /// configuration. Nobody waits for init but orphans, which can wait to be reaped.
    fn wants_restart(&self, keeps: &mut bool) -> bool {
        loop {
            match self.hear() {
                Some(RESTART) => return true,
                Some(_) => *keeps = true,
                None => break,
            }
        }
        if *keeps {
            let pause = rustix::thread::Timespec::try_from(PAUSE).unwrap_or_default();
            let _interrupted = rustix::thread::nanosleep(&pause);
        }
        *keeps
    }

    /// What the owner has told and init has not heard yet, a word at a time.
    fn hear(&self) -> Option<u8> {
        let mut end = [PollFd::new(&self.lifeline, PollFlags::IN)];
        let has_told = poll(&mut end, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok()
            && end[0].revents().contains(PollFlags::IN);
        let mut word = [0];
        let is_heard =
            has_told && rustix::io::read(&self.lifeline, &mut word).is_ok_and(|length| length == 1);
        is_heard.then_some(word[0])
    }
}

/// Asks for one restart.
const RESTART: u8 = b'r';
/// Asks for all.
const KEEP: u8 = b'k';
/// Between an end of containerd that nobody has asked for and its next start; systemd waits half as long.
const PAUSE: Duration = Duration::from_millis(200);

/// Descriptors of other nodes and of the owner's files must not stay open here, or their ends are never seen.
fn close_all_but(kept: RawFd) {
    let kept = kept.cast_unsigned();
    for (first, last) in [(3, kept.saturating_sub(1)), (kept.max(2) + 1, u32::MAX)] {
        // SAFETY: nothing in this process uses a descriptor above 2 except `kept`, which no range contains; an
        // empty range is refused.
        unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    }
}

/// Ctrl-C reaches the owner, and its end reaches us; a signal to us must not keep anything from being
/// removed.
fn ignore_stop_signals() {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGPIPE] {
        // SAFETY: SIG_IGN is a valid disposition for these signals, and no handler is installed.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

fn unshare(flags: UnshareFlags) -> rustix::io::Result<()> {
    // SAFETY: the calling process is a fresh fork with one thread; no flag that is used here shares or unshares
    // descriptors.
    unsafe { unshare_unsafe(flags) }
}

/// Makes the calling process the parent of what its descendants leave behind.
fn adopt_orphans() -> io::Result<()> {
    Ok(rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?)
}

/// Makes both cgroups, and enters the inner one.
fn join(all: &CStr, own: &CStr) -> rustix::io::Result<()> {
    for cgroup in [all, own] {
        mkdir(cgroup, Mode::from_raw_mode(0o755))?;
    }
    let cgroup = open(own, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let processes = openat(&cgroup, c"cgroup.procs", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(&processes, b"0").map(drop)
}

/// Lets systemd forget a unit, and end what is in it. Where that fails, removing its cgroup will tell.
fn stop_unit(unit: &CStr) {
    let (program, verb) = (c"/usr/bin/systemctl", c"stop");
    match fork() {
        Ok(None) => {
            let arguments = [program.as_ptr(), verb.as_ptr(), unit.as_ptr(), std::ptr::null()];
            // SAFETY: both are strings that end with a zero, and the list of them ends with a null pointer.
            unsafe { libc::execv(program.as_ptr(), arguments.as_ptr()) };
            exit(1)
        }
        Ok(child) => while let Err(rustix::io::Errno::INTR) = waitpid(child, WaitOptions::empty()) {},
        Err(_) => {}
    }
}

/// The child's id in the parent, nothing in the child.
pub(crate) fn fork() -> io::Result<Option<Pid>> {
    // SAFETY: both sides go on with system calls only, as the module docs promise.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        id => Ok(Pid::from_raw(id)),
    }
}

pub(crate) fn exit(code: i32) -> ! {
    // SAFETY: ends the process without running the owner's exit handlers, which are not ours to run.
    unsafe { libc::_exit(code) }
}
