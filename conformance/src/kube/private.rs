//! A cluster that was started for one run, with the one shim that is tried.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use super::cluster::ClusterTarget;
use super::nodes::Nodes;
use crate::failure::Result;
use crate::images;
use crate::shim::{REFERENCE, named};

/// Two nodes, so that a pod can be driven from one to the other.
const NODES: u8 = 2;

/// A Kubernetes of this run's own, whose nodes find the shim and have the suite's images.
#[derive(Debug)]
pub(crate) struct Private {
    cluster: Arc<shimmer_node::Cluster>,
    name: String,
    pub(crate) binary: PathBuf,
    /// Holds the one shim that the nodes find.
    _folder: TempDir,
}

impl Private {
    /// Starts it; `progress` is told what it waits for.
    pub(crate) fn start(binary: &Path, progress: &(dyn Fn(&str) + Sync)) -> Result<Self> {
        let (folder, name) = alone(binary)?;
        let mut builder = shimmer_node::Cluster::builder().nodes(NODES);
        if name != REFERENCE {
            builder = builder.shims(folder.path());
        }
        let cluster = builder.start(progress)?;
        progress("importing the suite's images");
        let images = TempDir::new()?;
        images::write_images(images.path(), true)?;
        cluster.import(&images.path().join(images::ARCHIVE))?;
        Ok(Self { cluster: Arc::new(cluster), name, binary: binary.to_owned(), _folder: folder })
    }

    /// How it is reached.
    pub(crate) fn target(&self) -> ClusterTarget {
        ClusterTarget {
            kubeconfig: self.cluster.kubeconfig(),
            runtime_class: self.name.clone(),
            image_prefix: None,
            namespace: None,
            nodes: Some(self.cluster.clone()),
        }
    }

    /// The version of its nodes' containerd.
    pub(crate) fn containerd(&self) -> &str {
        self.cluster.nodes().first().map_or("", |node| node.node().version())
    }

    /// Ends it, and fails where anything of it is left on the machine. Nobody may use it any more.
    pub(crate) fn stop(self) -> Result {
        let cluster = Arc::into_inner(self.cluster).ok_or("somebody still uses the cluster")?;
        Ok(cluster.stop()?)
    }
}

impl Nodes for shimmer_node::Cluster {
    fn restart_kubelet(&self, node: &str) -> std::result::Result<(), String> {
        find(self, node)?.restart_kubelet().map_err(|error| error.to_string())
    }

    fn restart_containerd(&self, node: &str) -> std::result::Result<(), String> {
        find(self, node)?.node().restart_containerd().map_err(|error| error.to_string())
    }

    fn processes(&self, node: &str) -> std::result::Result<Vec<u32>, String> {
        let processes = find(self, node)?.node().processes().map_err(|error| error.to_string())?;
        Ok(processes.into_iter().map(|process| process.pid).collect())
    }

    fn cgroup_root(&self, node: &str) -> std::result::Result<PathBuf, String> {
        Ok(find(self, node)?.cgroup())
    }

    fn logged(&self, marks: &mut Vec<u64>) -> String {
        marks.resize(self.nodes().len(), 0);
        let mut text = String::new();
        for (node, mark) in self.nodes().iter().zip(marks) {
            let log = node.node().log_since(*mark).unwrap_or_else(|error| error.to_string());
            *mark += log.len() as u64;
            text.push_str(&log);
        }
        text
    }
}

fn find<'a>(
    cluster: &'a shimmer_node::Cluster,
    name: &str,
) -> std::result::Result<&'a shimmer_node::ClusterNode, String> {
    let node = cluster.nodes().iter().find(|node| node.name() == name);
    node.ok_or_else(|| format!("the cluster has no node {name}"))
}

/// A folder with this shim and no other one, and its short name.
fn alone(binary: &Path) -> Result<(TempDir, String)> {
    let folder = TempDir::new()?;
    let file = binary.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let (name, _) =
        named(file).ok_or_else(|| format!("{file} is not called containerd-shim-<name>-v<number>"))?;
    let binary = binary.canonicalize().map_err(|error| format!("{}: {error}", binary.display()))?;
    symlink(binary, folder.path().join(file))?;
    Ok((folder, name.to_owned()))
}
