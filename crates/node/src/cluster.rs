//! A private Kubernetes on this machine: its control plane and any number of nodes, each with a containerd, a kubelet and
//! a kube-proxy in namespaces of its own.
//!
//! ```no_run
//! use shimmer_node::Cluster;
//!
//! let cluster = Cluster::builder().nodes(2).shims("target/release").start(&|_| ())?;
//! println!("kubectl --kubeconfig {} get nodes", cluster.kubeconfig().display());
//! cluster.stop()?;
//! # Ok::<(), shimmer_node::Error>(())
//! ```
//!
//! Every node of it is a private [`Node`], so it touches nothing of the host's and goes with its owner. Its network is its
//! own, too: the addresses of nodes, pods and services mean nothing outside, and the API server is reached through a port
//! of this machine's loopback. Kubernetes is built from its Go module the first time.

mod api;
mod builder;
mod certificates;
mod cgroups;
mod control;
mod dns;
mod gate;
mod member;
mod network;
mod programs;

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

pub use self::builder::ClusterBuilder;
pub use self::member::ClusterNode;

use self::api::Api;
use self::control::Control;
use self::gate::Gate;
use self::programs::Programs;
use crate::error::{Error, Result};

/// A Kubernetes that serves. Dropped, it ends, and everything of it is removed.
#[derive(Debug)]
pub struct Cluster {
    // In the order in which they are dropped.
    _gate: Gate,
    api: Api,
    _control: Control,
    nodes: Vec<ClusterNode>,
    programs: Programs,
    /// Its certificates, tokens and kubeconfig, which go with the first node.
    folder: PathBuf,
}

impl Cluster {
    /// A cluster to be described further and started.
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder::default()
    }

    /// The file by which `kubectl` and others reach it as its administrator, while it lives.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.join(KUBECONFIG)
    }

    /// The version of its Kubernetes, as in `1.37.2`.
    pub fn version(&self) -> &'static str {
        programs::VERSION
    }

    /// `kubectl`, of the cluster's own version.
    pub fn kubectl(&self) -> PathBuf {
        self.programs.program("kubectl")
    }

    /// Its nodes; the first one has the control plane.
    pub fn nodes(&self) -> &[ClusterNode] {
        &self.nodes
    }

    /// Adds a node, and waits until it is ready.
    ///
    /// # Errors
    /// As [`ClusterBuilder::start`].
    pub fn add(&mut self, builder: &ClusterBuilder) -> Result<&ClusterNode> {
        let number = self.nodes.iter().map(ClusterNode::number).max().unwrap_or_default() + 1;
        let node = builder.prepare(number)?;
        self.nodes.push(node);
        network::connect(&self.nodes)?;
        let (node, earlier) = self.nodes.split_last_mut().ok_or_else(no_node)?;
        debug_assert!(!earlier.is_empty(), "a cluster has a node with the control plane");
        node.join(&self.programs, &self.folder.join(control::INSIDE))?;
        self.api.wait_for_nodes(std::slice::from_ref(node), PATIENCE)?;
        Ok(node)
    }

    /// Imports every image of an OCI image archive on every node.
    ///
    /// # Errors
    /// As [`Node::import`](crate::Node::import).
    pub fn import(&self, archive: &Path) -> Result<()> {
        self.nodes.iter().try_for_each(|node| node.node().import(archive).map(drop))
    }

    /// Ends the cluster, removes everything of it, and checks that nothing is left.
    ///
    /// # Errors
    /// [`Leftovers`](crate::ErrorKind::Leftovers), which lists them.
    pub fn stop(self) -> Result<()> {
        let Self { _gate: gate, api, _control: control, nodes, .. } = self;
        drop((gate, api, control));
        thread::scope(|scope| {
            let ends: Vec<_> = nodes.into_iter().map(|node| scope.spawn(|| node.stop())).collect();
            // All are ended, also where one of them leaves something.
            let outcomes: Vec<_> = ends.into_iter().map(|end| end.join()).collect();
            outcomes.into_iter().try_for_each(|outcome| outcome.unwrap_or_else(|panic| resume_unwind(panic)))
        })
    }
}

/// How long anything may take until it is ready.
const PATIENCE: Duration = Duration::from_secs(300);
/// Below the first node's folder.
const CONTROL: &str = "control";
const KUBECONFIG: &str = "kubeconfig";

fn no_node() -> Error {
    Error::new(crate::ErrorKind::Environment, "a cluster needs a node at least")
}
