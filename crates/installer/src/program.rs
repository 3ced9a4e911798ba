//! Programs of the node, run there: in its mount namespace, or at least below its root.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::error::{Error, ErrorKind, Result};
use crate::host::Host;

/// How programs get where the node's files are.
#[derive(Debug)]
pub(crate) enum Way {
    /// They are there already.
    Stay,
    /// By the mount namespace of the node's first process, where its `/` is the host's root.
    Namespace(OwnedFd),
    /// By making the host's root theirs.
    Root(PathBuf),
}

impl Way {
    /// Finds the way that shows a program all that the node's own programs see.
    pub(crate) fn to(host: &Host) -> Result<Self> {
        if host.root() == Path::new("/") {
            return Ok(Self::Stay);
        }
        let is_same = fs::metadata("/proc/1/root/").and_then(|init| {
            let root = fs::metadata(host.root())?;
            Ok((init.dev(), init.ino()) == (root.dev(), root.ino()))
        });
        // Without a look at the first process, nothing speaks for its namespace.
        if is_same.unwrap_or(false) {
            let namespace = File::open("/proc/1/ns/mnt")
                .map_err(|error| Error::io("open the host's namespace", error))?;
            return Ok(Self::Namespace(namespace.into()));
        }
        let root = host.root().canonicalize().map_err(|error| Error::io("follow the host's root", error))?;
        Ok(Self::Root(root))
    }

    /// A command that will run there, with nothing of this process's environment.
    pub(crate) fn command(&self, program: &Path) -> Result<Command> {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", PATH).env("LC_ALL", "C").stdin(Stdio::null());
        match self {
            Self::Stay => {}
            Self::Namespace(namespace) => {
                let namespace =
                    namespace.try_clone().map_err(|error| Error::io("enter the host's namespace", error))?;
                let enter =
                    move || Ok(move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Mount))?);
                // SAFETY: the closure runs between fork and exec, and makes one system call on a descriptor that it owns.
                unsafe { command.pre_exec(enter) };
            }
            Self::Root(root) => {
                let root = std::ffi::CString::new(std::os::unix::ffi::OsStrExt::as_bytes(root.as_os_str()))
                    .map_err(|error| Error::io("use the host's root", io::Error::from(error)))?;
                let enter = move || {
                    rustix::process::chroot(root.as_c_str())?;
                    Ok(rustix::process::chdir(c"/")?)
                };
                // SAFETY: the closure runs between fork and exec, and makes two system calls on a string made before.
                unsafe { command.pre_exec(enter) };
            }
        }
        Ok(command)
    }
}

/// What a program has said and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) output: String,
    pub(crate) errors: String,
    pub(crate) status: ExitStatus,
}

/// Runs a program to its end, or ends it when that takes too long.
pub(crate) fn run(mut command: Command, limit: Duration) -> Result<Said> {
    let name = command.get_program().to_string_lossy().into_owned();
    let doing = || format!("run {name} on the node");
    let failed = |error: io::Error| Error::io(doing(), error);
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().map_err(failed)?;
    let (output, errors) = (collect(child.stdout.take()), collect(child.stderr.take()));
    let in_time = ends_within(&child, limit).map_err(failed)?;
    // With all that it has started, which else would keep its output open. Its number is its own until it is waited for.
    end_group(&child).map_err(failed)?;
    let status = child.wait().map_err(failed)?;
    if !in_time {
        let message = format!("cannot {}: it did not end within {} s", doing(), limit.as_secs());
        return Err(Error::new(ErrorKind::Failed, message));
    }
    Ok(Said { output: joined(output).map_err(failed)?, errors: joined(errors).map_err(failed)?, status })
}

/// Waits for the end of a process, whose descriptor `pidfd` is.
pub(crate) fn ended(pidfd: impl AsFd, limit: Duration) -> io::Result<bool> {
    let mut polled = [PollFd::new(&pidfd, PollFlags::IN)];
    let limit = Timespec { tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX), tv_nsec: 0 };
    loop {
        match poll(&mut polled, Some(&limit)) {
            Ok(ready) => return Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Where programs of a node are.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin";
/// As much of what a program says as anybody reads; a whole configuration is less.
const MOST: u64 = 4 << 20;

fn ends_within(child: &Child, limit: Duration) -> io::Result<bool> {
    ended(pidfd_open(id(child)?, PidfdFlags::empty())?, limit)
}

fn end_group(child: &Child) -> io::Result<()> {
    match kill_process_group(id(child)?, Signal::KILL) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn id(child: &Child) -> io::Result<Pid> {
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    id.ok_or_else(|| io::Error::other("a process has an id that is none"))
}

type Collecting = Option<thread::JoinHandle<io::Result<String>>>;

/// Reads to the end, lest the program wait for room; what is too much is dropped.
fn collect(stream: Option<impl Read + Send + 'static>) -> Collecting {
    stream.map(|mut stream| {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            stream.by_ref().take(MOST).read_to_end(&mut bytes)?;
            io::copy(&mut stream, &mut io::sink())?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        })
    })
}

fn joined(collecting: Collecting) -> io::Result<String> {
    let Some(thread) = collecting else { return Ok(String::new()) };
    thread.join().unwrap_or_else(|_panic| Err(io::Error::other("what it said could not be read")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> Result<Said> {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        run(command, limit)
    }

    #[test]
    fn a_program_that_leaves_another_behind_is_not_waited_for() {
        let said = shell("sleep 10000 & echo hello; echo why >&2; exit 3", PATIENT).expect("it ends");
        assert_eq!((said.output.as_str(), said.errors.as_str()), ("hello\n", "why\n"));
        assert_eq!(said.status.code(), Some(3));
    }

    #[test]
    fn a_program_that_does_not_end_is_ended_with_all_that_it_started() {
        let error = shell("sleep 10000 | sleep 10000", Duration::ZERO).expect_err("it does not end");
        assert!(error.to_string().contains("did not end within"), "{error}");
    }

    const PATIENT: Duration = Duration::from_secs(600);
}
