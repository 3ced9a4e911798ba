//! The processes of a running node, as this machine and as the node count them.

use std::collections::HashMap;
use std::fs;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::error::{Error, Result};

/// A process of a node: containerd, a shim, or of a container.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Process {
    /// Its id on this machine, by which `/proc` has it.
    pub pid: u32,
    /// Its id in the node, by which containerd and [`Task::pid`](crate::Task::pid) have it.
    pub node_pid: u32,
    /// Its parent's id on this machine.
    pub parent: u32,
    /// The name of its program, at most 15 bytes.
    pub name: String,
    /// Its command line, by which a shim is known: it follows `-id` with its container's.
    pub args: Vec<String>,
}

/// All processes below `guardian`, which is not one of them; `shared` says that they count themselves as it does.
pub(crate) fn below(guardian: u32, shared: bool) -> Result<Vec<Process>> {
    let entries = fs::read_dir("/proc").map_err(|error| Error::io("list /proc", error))?;
    let ids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    // One that ends meanwhile has no status any more, and is none.
    let status = |pid| Some((pid, Status::parse(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)?));
    let all: HashMap<u32, Status> = ids.filter_map(status).collect();
    let is_below = |mut pid: u32| {
        for _ in 0..all.len() {
            match all.get(&pid).map(|status| status.parent) {
                Some(parent) if parent == guardian => return true,
                Some(parent) => pid = parent,
                None => return false,
            }
        }
        false
    };
    let depth = all.get(&guardian).map_or(0, |status| status.ids.len()).saturating_sub(shared.into());
    let mut found: Vec<_> = all
        .iter()
        .filter(|(pid, _)| is_below(**pid))
        .filter_map(|(pid, status)| {
            let (node_pid, parent) = (*status.ids.get(depth)?, status.parent);
            Some(Process { pid: *pid, node_pid, parent, name: status.name.clone(), args: args(*pid) })
        })
        .collect();
    found.sort_by_key(|process| process.pid);
    Ok(found)
}

/// Kills a process and waits until it is dead; its parent may not have noticed yet.
pub(crate) fn kill(pid: u32) -> rustix::io::Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(rustix::io::Errno::SRCH)?;
    let process = pidfd_open(pid, PidfdFlags::empty())?;
    pidfd_send_signal(&process, Signal::KILL)?;
    while let Err(rustix::io::Errno::INTR) = poll(&mut [PollFd::new(&process, PollFlags::IN)], None) {}
    Ok(())
}

/// One that ends meanwhile has no command line any more, as a zombie has none.
fn args(pid: u32) -> Vec<String> {
    let text = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let text = text.strip_suffix(&[0]).unwrap_or(&text);
    let args = text.split(|byte| *byte == 0).map(|arg| String::from_utf8_lossy(arg).into_owned());
    if text.is_empty() { Vec::new() } else { args.collect() }
}

struct Status {
    name: String,
    parent: u32,
    /// One id for each PID namespace that the process is seen in, from ours inwards.
    ids: Vec<u32>,
}

impl Status {
    fn parse(text: &str) -> Option<Self> {
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let ids = field("NSpid:")?.split_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
        Some(Self { name: field("Name:")?.to_owned(), parent: field("PPid:")?.parse().ok()?, ids })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_ids_of_a_process_in_nested_namespaces() {
        let status = Status::parse("Name:\tbusybox\nPPid:\t7\nNSpid:\t300\t25\t1\n").expect("a status");
        assert_eq!((status.name.as_str(), status.parent, status.ids), ("busybox", 7, vec![300, 25, 1]));
    }
}
