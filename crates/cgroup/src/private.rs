//! Cgroups on the real kernel for tests, which take all their processes with them.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use crate::Cgroup;
use crate::folder::Folder;
use crate::layout::{Hierarchy, Layout};
use crate::membership::Membership;
use crate::mounts::Mounts;

/// Far more than is needed, so that a failure is one also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Version {
    One,
    Two,
}

impl Version {
    pub(crate) const ALL: [Self; 2] = [Self::One, Self::Two];
}

/// A cgroup that did not exist before.
#[derive(Debug)]
pub(crate) struct Private {
    pub(crate) cgroup: Cgroup,
    children: Vec<Child>,
}

/// A process that repeats each line, and ends when this is dropped.
#[derive(Debug)]
#[must_use]
pub(crate) struct Echo {
    pid: Pid,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// A process that allocates until it is ended.
#[derive(Debug)]
pub(crate) struct Glutton<'private>(&'private mut Child);

impl Private {
    /// One in all hierarchies of a version; `None` where this machine does not have it or does not let us.
    pub(crate) fn new(version: Version) -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("shimmer-cgroup-test-{}-{number}", std::process::id());
        let found = Self::find(version, &name);
        if found.is_none() {
            eprintln!("skipped: no cgroups of version {version:?} to write to");
        }
        found
    }

    fn find(version: Version, name: &str) -> Option<Self> {
        let mounts = Mounts::of_process().expect("mounts");
        let mut hierarchies = Vec::new();
        for entry in Membership::of_caller().expect("a membership").entries {
            let wanted = (version == Version::Two) == entry.is_version_2();
            let parent = mounts.folder(&entry).expect("a place").filter(|_| wanted);
            if let Some(folder) = parent.map(|parent| Folder::new(parent.join(name))) {
                hierarchies.push(Hierarchy { controllers: entry.controllers, folder });
            }
        }
        if hierarchies.is_empty() {
            return None;
        }
        let layout = match version {
            Version::One => Layout::V1(hierarchies),
            Version::Two => Layout::V2(hierarchies.remove(0).folder),
        };
        // Guarded from here on: of several folders some may be made before another fails.
        let private = Self { cgroup: Cgroup { layout }, children: Vec::new() };
        let is_made = private.cgroup.layout.folders().all(|folder| make(folder.path()));
        is_made.then_some(private)
    }

    pub(crate) fn spawn_echo(&mut self) -> Echo {
        self.spawn_echo_in("")
    }

    /// Starts a process in a sub-cgroup, which is made.
    pub(crate) fn spawn_echo_in(&mut self, below: &str) -> Echo {
        let child = self.spawn(below, "exec cat");
        let pid = Pid::from_child(child);
        let input = child.stdin.take().expect("stdin");
        let output = BufReader::new(child.stdout.take().expect("stdout"));
        let mut echo = Echo { pid, input, output };
        assert!(echo.answers(), "cat does not run");
        echo
    }

    pub(crate) fn spawn_glutton(&mut self) -> Glutton<'_> {
        Glutton(self.spawn("", "exec tail /dev/zero"))
    }

    /// Starts a process, and `count` others that are its children.
    pub(crate) fn spawn_crowd(&mut self, count: usize) {
        let script = format!("for _ in $(seq {count}); do sleep 1000 & done; echo complete; wait");
        let output = self.spawn("", &script).stdout.take().expect("stdout");
        let mut line = String::new();
        assert!(wait(&output, PATIENCE), "no crowd");
        BufReader::new(output).read_line(&mut line).expect("a line");
        assert_eq!(line, "complete\n");
    }

    /// What a script prints that runs to its end.
    pub(crate) fn run(&mut self, script: &str) -> String {
        let mut output = self.spawn("", script).stdout.take().expect("stdout");
        let mut text = String::new();
        output.read_to_string(&mut text).expect("text");
        text
    }

    /// Starts a script, and lets it run once it is in its cgroup.
    fn spawn(&mut self, below: &str, script: &str) -> &mut Child {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &format!("read go; {script}")]).stdin(Stdio::piped()).stdout(Stdio::piped());
        self.children.push(shell.spawn().expect("a shell"));
        let child = self.children.last_mut().expect("the child");
        for folder in self.cgroup.layout.folders() {
            let mut place = folder.path().to_owned();
            for name in Path::new(below) {
                place.push(name);
                assert!(place.is_dir() || make(&place), "cannot make {}", place.display());
            }
            let joined = fs::write(place.join("cgroup.procs"), child.id().to_string());
            joined.unwrap_or_else(|error| panic!("cannot join {}: {error}", place.display()));
        }
        child.stdin.as_mut().expect("stdin").write_all(b"go\n").expect("the start");
        child
    }

    /// The ids of the processes that were started, in ascending order.
    pub(crate) fn ids(&self) -> Vec<u32> {
        let mut ids: Vec<_> = self.children.iter().map(Child::id).collect();
        ids.sort_unstable();
        ids
    }

    pub(crate) fn limit_memory(&self, bytes: u64) {
        let folder = self.cgroup.layout.controller("memory").expect("a memory cgroup");
        folder.write("memory.limit_in_bytes", &bytes.to_string()).expect("a limit");
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        for folder in self.cgroup.layout.folders().filter(|folder| folder.exists()) {
            let _ = folder.write("cgroup.freeze", "0");
            for folder in folder.tree().unwrap_or_default() {
                let _ = folder.write("freezer.state", "THAWED");
            }
        }
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        // Only children of those are left in here.
        for pid in self.cgroup.processes().unwrap_or_default() {
            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("an id");
            if let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) {
                let _ = kill_process(pid, Signal::KILL);
                wait(&process, PATIENCE);
            }
        }
        for folder in self.cgroup.layout.folders() {
            for folder in folder.tree().unwrap_or_default().iter().rev() {
                // The children are reaped, but a newer kernel may need another moment to forget them.
                for _ in 0..10_000 {
                    if rustix::fs::rmdir(folder.path()) != Err(rustix::io::Errno::BUSY) {
                        break;
                    }
                    std::thread::yield_now();
                }
            }
        }
    }
}

impl Echo {
    /// Whether it runs.
    pub(crate) fn answers(&mut self) -> bool {
        self.ask();
        self.hears()
    }

    pub(crate) fn ask(&mut self) {
        self.input.write_all(b"hello\n").expect("a question");
    }

    /// Whether the answer comes.
    pub(crate) fn hears(&mut self) -> bool {
        let mut line = String::new();
        self.is_readable(PATIENCE) && self.output.read_line(&mut line).is_ok() && line == "hello\n"
    }

    /// Whether there is an answer after a time in which a running process would have given one.
    pub(crate) fn has_answered(&self) -> bool {
        self.is_readable(Duration::from_millis(50))
    }

    fn is_readable(&self, patience: Duration) -> bool {
        wait(self.output.get_ref(), patience)
    }

    /// Kills it and leaves it unreaped.
    pub(crate) fn kill(self) {
        kill_process(self.pid, Signal::KILL).expect("a signal");
    }
}

impl Glutton<'_> {
    /// Waits until it is dead.
    pub(crate) fn wait(self) {
        let process = pidfd_open(Pid::from_child(self.0), PidfdFlags::empty()).expect("a process");
        assert!(wait(&process, PATIENCE), "nobody ended it");
    }
}

fn wait(fd: &impl std::os::fd::AsFd, patience: Duration) -> bool {
    let patience = Timespec::try_from(patience).expect("a short time");
    poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&patience)).expect("a poll") > 0
}

/// Makes a folder. Nobody can join one of `cpuset` before it has processors and memory.
fn make(path: &Path) -> bool {
    if fs::create_dir(path).is_err() {
        return false;
    }
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let parent = path.parent().expect("a parent");
        if let Ok(all) = fs::read(parent.join(file)) {
            let _ = fs::write(path.join(file), all);
        }
    }
    true
}
