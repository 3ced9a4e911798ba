//! Where it was measured.

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

fn revision() -> Option<String> {
    let mut git = Command::new("git");
    git.args(["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]);
    let output = git.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null()).output().ok()?;
    let revision = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !revision.is_empty()).then_some(revision)
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
}
