//! Where it was measured, and what.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};
use std::thread;

use serde::Serialize;
use shimmer_node::Node;
use shimmer_oci::Digest;

use crate::Result;
use crate::target::Target;

/// A machine and the programs on it, as far as they can make a difference.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    /// How control groups are mounted: v1, hybrid or v2.
    pub(crate) cgroup: &'static str,
    pub(crate) containerd: String,
    /// What git says of the sources.
    pub(crate) revision: String,
    /// By target, what its binary says of itself and the digest of the file.
    pub(crate) shims: BTreeMap<String, String>,
}

impl Machine {
    pub(crate) fn detect(node: &Node, targets: &[Target]) -> Result<Self> {
        let processors = fs::read_to_string("/proc/cpuinfo")?;
        let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let shims = targets.iter().map(|target| Ok((target.name.clone(), identity(target)?)));
        Ok(Self {
            processor: model.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.to_owned()),
            cores: thread::available_parallelism()?.get(),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            cgroup: cgroup(&fs::read_to_string("/proc/self/mounts")?),
            containerd: node.version().to_owned(),
            revision: revision().unwrap_or_else(|| "unknown".to_owned()),
            shims: shims.collect::<Result<_>>()?,
        })
    }
}

fn identity(target: &Target) -> Result<String> {
    let bytes = fs::read(&target.binary).map_err(|error| format!("{}: {error}", target.binary.display()))?;
    let digest = Digest::of(&bytes).hex()[..12].to_owned();
    let mut command = Command::new(&target.binary);
    command.arg("--version").env_clear().stdin(Stdio::null());
    let said = command.output().ok().filter(|output| output.status.success());
    let said = said.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    Ok(format!("{said} {digest}").trim_start().to_owned())
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
