//! Where it was measured.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};
use std::{io, thread};

use serde::{Deserialize, Serialize};

/// A machine, as far as it can make a difference.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Machine {
    /// The processor's model.
    pub processor: String,
    /// How many processors may be used.
    pub cores: usize,
    /// The kernel's release.
    pub kernel: String,
    /// How control groups are mounted: v1, hybrid, v2 or none.
    pub cgroup: String,
    /// What git says of the sources.
    pub revision: String,
    /// By name, what the other programs say of their versions that make a difference: rustc, which has compiled all
    /// that is measured, and of those that are here runc and wasmtime, the command.
    #[serde(default)]
    pub tools: BTreeMap<String, String>,
}

impl Machine {
    /// Looks at this machine.
    ///
    /// # Errors
    /// Where there is no `/proc`.
    pub fn detect() -> io::Result<Self> {
        let processors = fs::read_to_string("/proc/cpuinfo")?;
        let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Ok(Self {
            processor: model.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.to_owned()),
            cores: thread::available_parallelism()?.get(),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            cgroup: cgroup(&fs::read_to_string("/proc/self/mounts")?).to_owned(),
            revision: revision().unwrap_or_else(|| "unknown".to_owned()),
            tools: TOOLS.into_iter().filter_map(|name| Some((name.to_owned(), version(name)?))).collect(),
        })
    }
}

/// containerd and runc, too, decide by what lies at `/sys/fs/cgroup`.
fn cgroup(mounts: &str) -> &'static str {
    let kinds = || mounts.lines().filter_map(|line| line.split(' ').nth(2));
    let at_root = mounts.lines().any(|line| line.contains(" /sys/fs/cgroup cgroup2 "));
    match (kinds().any(|kind| kind == "cgroup"), kinds().any(|kind| kind == "cgroup2")) {
        _ if at_root => "v2",
        (true, true) => "hybrid",
        (true, false) => "v1",
        (false, true) => "v2",
        (false, false) => "none",
    }
}

const TOOLS: [&str; 3] = ["rustc", "runc", "wasmtime"];

fn revision() -> Option<String> {
    said("git", &["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"])
}

/// The first line of what a program says.
fn version(program: &str) -> Option<String> {
    Some(said(program, &["--version"])?.lines().next()?.to_owned())
}

/// What a program writes in the folder of the sources: rustup asks there which compiler is meant.
fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = command.stdin(Stdio::null()).output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !said.is_empty()).then_some(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_kinds_of_cgroups_apart() {
        let v1 = "cgroup /sys/fs/cgroup/pids cgroup rw 0 0";
        let both = format!("{v1}\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0");
        assert_eq!(cgroup(v1), "v1");
        assert_eq!(cgroup(&both), "hybrid");
        assert_eq!(cgroup("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0"), "v2");
        assert_eq!(cgroup(""), "none");
    }

    #[test]
    fn knows_the_compiler_of_what_is_measured() {
        let machine = Machine::detect().expect("there is /proc");
        assert!(machine.tools["rustc"].starts_with("rustc 1."), "{machine:?}");
    }
}
