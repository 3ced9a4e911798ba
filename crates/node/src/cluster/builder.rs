use std::path::PathBuf;

use crate::cluster::api::Api;
use crate::cluster::control::{self, Control};
use crate::cluster::gate::Gate;
use crate::cluster::member::ClusterNode;
use crate::cluster::network;
use crate::cluster::programs::Programs;
use crate::cluster::{CONTROL, Cluster, KUBECONFIG, PATIENCE, no_node};
use crate::daemon::write;
use crate::environment;
use crate::error::{Error, ErrorKind, Result};
use crate::{Node, NodeBuilder};

/// What a cluster is to be made of.
#[derive(Clone, Debug)]
pub struct ClusterBuilder {
    cache: Option<PathBuf>,
    nodes: u8,
    shims: Option<PathBuf>,
    bare: bool,
    runtime: NodeBuilder,
}

impl ClusterBuilder {
    /// The folder below which Kubernetes is built once, or found; without it, `shimmer` in the cache folder of the user.
    #[must_use]
    pub fn cache(self, folder: impl Into<PathBuf>) -> Self {
        Self { cache: Some(folder.into()), ..self }
    }

    /// How many nodes it has; one, unless more are asked for.
    #[must_use]
    pub fn nodes(self, nodes: u8) -> Self {
        Self { nodes, ..self }
    }

    /// The folder of the shims to be used; for each `containerd-shim-<name>-v1` in it the cluster has a RuntimeClass
    /// `<name>`. There is always one for `runc`.
    #[must_use]
    pub fn shims(self, folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        Self { runtime: self.runtime.shims(&folder), shims: Some(folder), ..self }
    }

    /// The containerd to be used, as [`NodeBuilder::containerd`] has it.
    #[must_use]
    pub fn containerd(self, path: impl Into<PathBuf>) -> Self {
        Self { runtime: self.runtime.containerd(path), ..self }
    }

    /// Its nodes are [bare](NodeBuilder::bare): they have no shims, and the cluster has no RuntimeClass, not even for runc.
    #[must_use]
    pub fn bare(self) -> Self {
        Self { runtime: self.runtime.bare(), bare: true, ..self }
    }

    /// The same, with configurations as [`NodeBuilder::bare_without_imports`] has them.
    #[must_use]
    pub fn bare_without_imports(self) -> Self {
        Self { runtime: self.runtime.bare_without_imports(), bare: true, ..self }
    }

    /// Starts the cluster; returns when its nodes are ready. `progress` is told what it waits for, in words that may be
    /// overwritten by the next ones.
    ///
    /// # Errors
    /// [`Toolchain`](ErrorKind::Toolchain) where there is no Go to build Kubernetes by;
    /// [`Environment`](ErrorKind::Environment) where a program or a right is missing, or Kubernetes cannot be built;
    /// [`Daemon`](ErrorKind::Daemon) with the end of its log where a part of it ends;
    /// [`Timeout`](ErrorKind::Timeout) where it does not become ready.
    pub fn start(&self, progress: &(dyn Fn(&str) + Sync)) -> Result<Cluster> {
        if self.nodes == 0 || self.nodes > MOST {
            let message = format!("a cluster has 1 to {MOST} nodes, not {}", self.nodes);
            return Err(Error::new(ErrorKind::Environment, message));
        }
        let handlers = self.handlers()?;
        environment::require_for_cluster()?;
        let programs = self.programs(progress)?;
        progress("starting the control plane");
        let mut nodes = vec![self.prepare(1)?];
        network::connect(&nodes)?;
        let first = nodes.first().ok_or_else(no_node)?;
        let folder = first.node().folder().join(CONTROL);
        let (control, certificates) = Control::start(first, &programs, &folder)?;
        let gate = Gate::open(first.node().init()?, control::server())?;
        let kubeconfig = control::kubeconfig(&format!("https://{}", gate.address()), &certificates);
        write(&folder.join(KUBECONFIG), &kubeconfig)?;
        // The other nodes start while the API server does.
        for number in 2..=self.nodes {
            nodes.push(self.prepare(number)?);
            network::connect(&nodes)?;
        }
        let api = Api::new(&kubeconfig)?;
        api.wait_until_ready(PATIENCE, || control.check())?;
        progress(&format!("waiting for {} to be ready", counted(self.nodes)));
        for node in &mut nodes {
            node.join(&programs, &folder.join(control::INSIDE))?;
        }
        api.make_runtime_classes(&handlers)?;
        api.make_dns(network::address(1), PATIENCE)?;
        api.wait_for_nodes(&nodes, PATIENCE)?;
        Ok(Cluster { _gate: gate, api, _control: control, nodes, programs, folder })
    }

    /// Builds Kubernetes if that has not been done, and starts nothing.
    ///
    /// # Errors
    /// [`Toolchain`](ErrorKind::Toolchain) and [`Environment`](ErrorKind::Environment) as [`start`](Self::start).
    pub fn build(&self, progress: &(dyn Fn(&str) + Sync)) -> Result<()> {
        self.programs(progress).map(drop)
    }

    fn programs(&self, progress: &(dyn Fn(&str) + Sync)) -> Result<Programs> {
        let cache = self.cache.clone().map_or_else(environment::cache, Ok)?;
        Programs::provide(&cache, progress)
    }

    /// A node that is in no cluster yet.
    pub(crate) fn prepare(&self, number: u8) -> Result<ClusterNode> {
        ClusterNode::start_runtime(number, self.runtime.clone())
    }

    fn handlers(&self) -> Result<Vec<String>> {
        if self.bare {
            return Ok(Vec::new());
        }
        let mut handlers =
            self.shims.as_deref().map(environment::runtime_handlers).transpose()?.unwrap_or_default();
        handlers.push("runc".to_owned());
        Ok(handlers)
    }
}

impl Default for ClusterBuilder {
    fn default() -> Self {
        Self { cache: None, nodes: 1, shims: None, bare: false, runtime: Node::builder() }
    }
}

/// More than anybody tries on one machine, and less than there are addresses.
const MOST: u8 = 100;

fn counted(nodes: u8) -> String {
    if nodes == 1 { "the node".to_owned() } else { format!("{nodes} nodes") }
}
