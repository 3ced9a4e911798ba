use std::{env, fmt, fs, thread};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::ground::Ground;

/// Where a shim was run, as far as it can make a difference.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Machine {
    /// containerd's version, unless none was needed.
    pub containerd: Option<String>,
    /// dockerd's version, where the driver `docker` played.
    #[serde(default)]
    pub docker: Option<String>,
    /// The version of Kubernetes, where there was one.
    #[serde(default)]
    pub kubernetes: Option<String>,
    /// The kernel's release: `6.1.0-18-amd64`.
    pub kernel: String,
    /// The processor's architecture: `x86_64`, `aarch64`.
    pub architecture: String,
    /// How control groups are mounted.
    pub cgroup: Cgroup,
    /// How many processors a program may use.
    pub processors: usize,
    /// Whether it was this machine or a virtual one.
    #[serde(default)]
    pub node: Ground,
}

/// How control groups are mounted.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cgroup {
    /// Version 1 only.
    V1,
    /// Version 1, with version 2 mounted below or beside it.
    Hybrid,
    /// Version 2.
    V2,
    /// Not at all.
    None,
}

impl Machine {
    /// This machine, which is such a one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](crate::error::ErrorKind::Io) where `/proc` cannot be read.
    pub fn detect(containerd: Option<&str>, node: Ground) -> Result<Self> {
        let processors = thread::available_parallelism()
            .map_err(|error| Error::io("count the processors that this program may use", error))?;
        Ok(Self {
            containerd: containerd.map(str::to_owned),
            docker: None,
            kubernetes: None,
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            architecture: env::consts::ARCH.to_owned(),
            cgroup: Cgroup::among(&read("/proc/self/mounts")?),
            processors: processors.get(),
            node,
        })
    }
}

impl Cgroup {
    /// containerd and runc, too, decide by what lies at `/sys/fs/cgroup`.
    fn among(mounts: &str) -> Self {
        let mounts: Vec<(&str, &str)> = mounts.lines().filter_map(mount).collect();
        let any = |kind| mounts.iter().any(|(_, other)| *other == kind);
        match (any("cgroup"), any("cgroup2")) {
            _ if mounts.contains(&("/sys/fs/cgroup", "cgroup2")) => Self::V2,
            (true, true) => Self::Hybrid,
            (true, false) => Self::V1,
            (false, true) => Self::V2,
            (false, false) => Self::None,
        }
    }
}

impl fmt::Display for Cgroup {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::V1 => "v1",
            Self::Hybrid => "hybrid",
            Self::V2 => "v2",
            Self::None => "none",
        })
    }
}

fn read(file: &str) -> Result<String> {
    fs::read_to_string(file).map_err(|error| Error::io(format!("read {file}"), error))
}

/// Where something is mounted, and of which type it is.
fn mount(line: &str) -> Option<(&str, &str)> {
    let mut words = line.split(' ').skip(1);
    Some((words.next()?, words.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMORY: &str = "cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n";

    #[test]
    fn tells_how_control_groups_are_mounted() {
        let below = "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        let root = "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n";
        let other = "proc /proc proc rw 0 0\ntmpfs /sys/fs/cgroup tmpfs rw 0 0\n";
        for (mounts, cgroup) in [
            (vec![other, MEMORY], Cgroup::V1),
            (vec![other, MEMORY, below], Cgroup::Hybrid),
            (vec![root], Cgroup::V2),
            (vec![root, "cgroup /mnt/net cgroup rw,net_cls 0 0\n"], Cgroup::V2),
            (vec![other], Cgroup::None),
        ] {
            assert_eq!(Cgroup::among(&mounts.concat()), cgroup, "{mounts:?}");
        }
    }

    #[test]
    fn this_machine_has_a_kernel_and_processors() {
        let machine = Machine::detect(Some("1.7.20"), Ground::Host).expect("every Linux has /proc");
        assert!(!machine.kernel.is_empty() && !machine.kernel.contains('\n'), "{machine:?}");
        assert!(machine.processors > 0, "{machine:?}");
        assert_eq!(machine.containerd.as_deref(), Some("1.7.20"));
    }
}
