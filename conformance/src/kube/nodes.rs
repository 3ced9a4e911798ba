use std::fmt::Debug;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The nodes of a cluster that runs on this machine, for the cases that look below the API server.
///
/// `node` is the name by which the cluster knows it.
pub trait Nodes: Debug + Send + Sync {
    /// Ends a node's kubelet and starts it again.
    ///
    /// # Errors
    ///
    /// A sentence for the report.
    fn restart_kubelet(&self, node: &str) -> Result<(), String>;

    /// Ends a node's containerd and starts it again; shims and containers go on.
    ///
    /// # Errors
    ///
    /// A sentence for the report.
    fn restart_containerd(&self, node: &str) -> Result<(), String>;

    /// The processes of a node, as this machine counts them: its daemons, the shims and all that they have started.
    ///
    /// # Errors
    ///
    /// A sentence for the report.
    fn processes(&self, node: &str) -> Result<Vec<u32>, String>;

    /// The cgroup below which a node's pods are, as the kubelet's `cgroupRoot`: `/shm1`.
    ///
    /// # Errors
    ///
    /// A sentence for the report.
    fn cgroup_root(&self, node: &str) -> Result<PathBuf, String>;

    /// What containerd and the shims of all nodes have logged since `marks`, which are replaced by where the logs end now;
    /// nothing where that is not known.
    fn logged(&self, marks: &mut Vec<u64>) -> String {
        marks.clear();
        String::new()
    }
}

/// Nodes that a program knows, which is called with a verb and a node: `restart-kubelet n1`, `restart-containerd n1`,
/// `processes n1` prints a line for each, `cgroup-root n1` prints the path.
#[derive(Clone, Debug)]
pub struct Script(pub PathBuf);

impl Script {
    fn call(&self, verb: &str, node: &str) -> Result<String, String> {
        let mut command = Command::new(&self.0);
        command.args([verb, node]).stdin(Stdio::null()).stderr(Stdio::inherit());
        let at = |why: String| format!("`{} {verb} {node}`: {why}", self.0.display());
        let output = command.output().map_err(|error| at(error.to_string()))?;
        if !output.status.success() {
            return Err(at(output.status.to_string()));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

impl Nodes for Script {
    fn restart_kubelet(&self, node: &str) -> Result<(), String> {
        self.call("restart-kubelet", node).map(drop)
    }

    fn restart_containerd(&self, node: &str) -> Result<(), String> {
        self.call("restart-containerd", node).map(drop)
    }

    fn processes(&self, node: &str) -> Result<Vec<u32>, String> {
        let text = self.call("processes", node)?;
        text.split_whitespace().map(|pid| pid.parse().map_err(|_| format!("`{pid}` is no process"))).collect()
    }

    fn cgroup_root(&self, node: &str) -> Result<PathBuf, String> {
        Ok(self.call("cgroup-root", node)?.trim().into())
    }
}
