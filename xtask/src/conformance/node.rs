//! What shims are played on, and where docs/conformance.md shows it.

use std::fs;
use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::Value;

use crate::Result;

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Node {
    /// This machine: the engines by themselves, tasks, pods of CRI, and containers of Docker
    Host,
    /// A private Kubernetes of two nodes, on this machine, with runc as the reference
    Cluster,
    /// A small emulated machine with cgroup v2, for the profiles that depend on that
    Vm,
    /// An emulated Debian with systemd, for the same
    VmSystemd,
}

pub(crate) const OURS: &str = "our shims";

/// The other host's shim is not held to Docker, so that none of it is what the suite plays where nothing is named.
const OF_THE_HOST: [&str; 4] = ["engine", "task", "cri", "docker"];
const OF_CONTAINERD: [&str; 2] = ["task", "cri"];
const OF_A_CLUSTER: [&str; 1] = ["kube"];
/// What the version of cgroups and who makes them can change.
const OF_MACHINES: [&str; 5] = ["core", "limits", "exec", "sidecar", "resilience"];

impl Node {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Cluster => "cluster",
            Self::Vm => "vm",
            Self::VmSystemd => "vm-systemd",
        }
    }

    /// What every run on it is told. Two at once is what the tests do as well; who asks for another number comes later.
    pub(crate) fn arguments(self) -> Vec<&'static str> {
        match self {
            Self::Host => vec!["--jobs", "2", "--wasi-testsuite", "conformance/testsuite"],
            Self::Cluster => Vec::new(),
            Self::Vm | Self::VmSystemd => vec!["--node", self.name()],
        }
    }

    /// What is played on it where `run` does not say.
    pub(crate) fn defaults(self, run: &[String]) -> Vec<&'static str> {
        let names = |option: &str| run.iter().any(|word| word.starts_with(option));
        let (drivers, profiles): (&[_], &[_]) = match self {
            Self::Host => (&OF_THE_HOST, &[]),
            Self::Cluster => (&OF_A_CLUSTER, &[]),
            Self::Vm | Self::VmSystemd => (&OF_CONTAINERD, &OF_MACHINES),
        };
        let drivers = drivers.iter().filter(|_| !names("--driver")).flat_map(|driver| ["--driver", *driver]);
        let profiles = profiles.iter().filter(|_| !names("--profile") && !names("--filter"));
        drivers.chain(profiles.flat_map(|profile| ["--profile", *profile])).collect()
    }
}

/// The name of the table in docs/conformance.md that shows these reports.
pub(crate) fn table_of(node: Node, reports: &[PathBuf]) -> Result<String> {
    let report = reports.first().ok_or("there is no report")?;
    let report: Value = serde_json::from_slice(&fs::read(report)?)?;
    let containerd = report["machine"]["containerd"].as_str().unwrap_or_default();
    Ok(name_of(node, containerd))
}

fn name_of(node: Node, containerd: &str) -> String {
    let place = match node {
        Node::Host => String::new(),
        Node::Cluster => " in a cluster".to_owned(),
        Node::Vm | Node::VmSystemd => format!(" in {}", node.name()),
    };
    let version = if containerd.starts_with("1.") { " under containerd 1.7" } else { "" };
    format!("{OURS}{place}{version}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plays_what_is_named_in_place_of_what_is_usual() {
        let defaults = |node: Node, run: &[&str]| {
            node.defaults(&run.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()).join(" ")
        };
        assert_eq!(defaults(Node::Cluster, &[]), "--driver kube");
        assert_eq!(defaults(Node::Host, &["--driver=cri"]), "");
        assert!(defaults(Node::Vm, &["--driver", "cri"]).starts_with("--profile core --profile limits"));
        assert_eq!(defaults(Node::VmSystemd, &["--filter", "exit/*"]), "--driver task --driver cri");
    }

    #[test]
    fn every_kind_of_run_has_a_table_of_its_own() {
        assert_eq!(name_of(Node::Host, "2.1.9"), OURS);
        assert_eq!(name_of(Node::Host, "1.7.24"), "our shims under containerd 1.7");
        assert_eq!(name_of(Node::VmSystemd, "2.1.9"), "our shims in vm-systemd");
        assert_eq!(name_of(Node::Cluster, "1.7.24"), "our shims in a cluster under containerd 1.7");
    }
}
