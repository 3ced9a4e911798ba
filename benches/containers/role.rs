//! Whose memory a process holds.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use shimmer_benches::results::containers::{Held, Role};
use shimmer_node::Process;

use crate::Result;

/// The first processes of containers, as the node counts them.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    pub(crate) guests: Vec<u32>,
    pub(crate) pauses: Vec<u32>,
}

impl Owners {
    /// The role of a process; none for containerd and the node's first process, which are no shim's.
    fn role(&self, process: &Process, all: &BTreeMap<u32, &Process>) -> Option<Role> {
        let mut ancestor = Some(process);
        while let Some(one) = ancestor {
            if self.guests.contains(&one.node_pid) {
                return Some(Role::Guest);
            }
            if self.pauses.contains(&one.node_pid) {
                return Some(Role::Pause);
            }
            ancestor = all.get(&one.parent).copied();
        }
        if process.node_pid == 1 || process.name == "containerd" {
            return None;
        }
        // What a server has forked may still have its command line.
        let is_forked = all.get(&process.parent).is_some_and(|parent| is_shim(parent));
        Some(if is_shim(process) && !is_forked { Role::Shim } else { Role::Helper })
    }
}

/// Whether it has the command line that containerd gives to a shim.
fn is_shim(process: &Process) -> bool {
    program(process).starts_with("containerd-shim-") && process.args.iter().any(|arg| arg == "-id")
}

/// What the processes of so many containers hold, in MiB for each.
pub(crate) fn held(processes: &[Process], owners: &Owners, containers: usize) -> Result<Held> {
    let all: BTreeMap<u32, &Process> = processes.iter().map(|process| (process.pid, process)).collect();
    let mut held = Held::default();
    for process in processes {
        let Some(role) = owners.role(process, &all) else { continue };
        let share = share(process.pid)? / 1024.0 / containers as f64;
        *held.roles.entry(role).or_default() += share;
        *held.programs.entry(program(process).to_owned()).or_default() += share;
    }
    Ok(held)
}

/// The proportional set size of a process in KiB.
fn share(pid: u32) -> Result<f64> {
    match fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) {
        // A zombie has no memory and no such line.
        Ok(rollup) => Ok(proportional(&rollup).unwrap_or_default()),
        // One that has ended meanwhile holds nothing.
        Err(error) if error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(ESRCH) => Ok(0.0),
        Err(error) => Err(format!("the memory of process {pid}: {error}").into()),
    }
}

/// What reading says of a process that ends after its file was opened.
const ESRCH: i32 = 3;

pub(crate) fn total(held: &Held) -> f64 {
    held.roles.values().sum()
}

/// The file that it runs, or the title that it has given itself.
fn program(process: &Process) -> &str {
    let first = process.args.first().map(|arg| Path::new(arg.split(' ').next().unwrap_or_default()));
    first.and_then(|first| first.file_name()?.to_str()).unwrap_or(&process.name)
}

/// The proportional set size in KiB.
fn proportional(rollup: &str) -> Option<f64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, parent: u32, line: &str) -> Process {
        let args: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let name = args[0].rsplit('/').next().unwrap_or_default().to_owned();
        Process { pid: pid + 1000, node_pid: pid, parent: parent + 1000, name, args }
    }

    #[test]
    fn what_is_in_a_container_is_a_guest_whatever_it_is_called() {
        let processes = [
            process(1, 0, "bench"),
            process(2, 1, "/usr/bin/containerd --config c"),
            process(3, 1, "/x/containerd-shim-a-v1 -namespace n -id b"),
            process(4, 3, "/x/containerd-shim-a-v1 -namespace n -id b"),
            process(5, 4, "sleep"),
            process(6, 1, "shimmer-a"),
            process(7, 3, "/pause"),
            process(8, 3, "/x/containerd-shim-a-v1 -namespace n -id b"),
        ];
        let owners = Owners { guests: vec![4], pauses: vec![7] };
        let all = processes.iter().map(|process| (process.pid, process)).collect();
        let roles: Vec<_> = processes.iter().map(|process| owners.role(process, &all)).collect();
        let expected =
            [None, None, Some(Role::Shim), Some(Role::Guest), Some(Role::Guest), Some(Role::Helper)];
        assert_eq!(roles[..6], expected);
        assert_eq!(roles[6..], [Some(Role::Pause), Some(Role::Helper)]);
    }

    #[test]
    fn a_process_that_has_ended_holds_nothing() {
        assert!(share(std::process::id()).expect("it is this one") > 100.0);
        assert_eq!(share(u32::MAX).expect("no process has this number"), 0.0);
    }

    #[test]
    fn reads_what_the_kernel_writes() {
        let rollup =
            "5581-7ffc ---p 00000000 00:00 0  [rollup]\nRss:   1844 kB\nPss:     311 kB\nPss_Anon: 96 kB\n";
        assert_eq!(proportional(rollup), Some(311.0));
        assert_eq!(proportional(""), None, "a zombie");
    }
}
