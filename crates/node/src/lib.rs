//! Real nodes on this machine for the demo, the test suite and the benches: a private containerd, and a
//! blocking client for it.
//!
//! ```no_run
//! use shimmer_node::{ContainerSpec, Node};
//!
//! let node = Node::builder().shims("target/release").start()?;
//! let images = node.import("hello.tar".as_ref())?;
//! let output = node.run(ContainerSpec::new("hello", &images[0], "io.containerd.wasmtime.v1"))?;
//! assert_eq!(output.code, 0);
//! node.stop()?;
//! # Ok::<(), shimmer_node::Error>(())
//! ```
//!
//! A node touches nothing of the host's: not `/etc`, not `/run`, not a containerd that runs already. It has a
//! folder, a PID namespace and a mount namespace of its own, and one name in every cgroup hierarchy. When its
//! owner drops it, panics, is interrupted or killed, all of that goes. Processes of the node see the host's
//! files and network.
//!
//! All calls block, so they must not be made from asynchronous code. A node may be used by several threads at
//! once.

mod archive;
mod client;
mod config;
mod container;
mod daemon;
mod environment;
mod error;
mod guardian;
mod image;
mod inspection;
mod network;
mod process;
mod removal;
mod snapshot;
mod spec;
mod stdio;
mod task;
mod traces;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use crate::container::Container;
pub use crate::error::{Error, ErrorKind, Result};
pub use crate::image::Image;
pub use crate::inspection::{Blob, Plugin};
pub use crate::process::Process;
pub use crate::spec::{Access, ContainerSpec};
pub use crate::task::{ExitStatus, Output, Phases, State, Task};
pub use crate::traces::Traces;
pub use tonic::Code;

use crate::client::Client;
use crate::daemon::{Daemon, Options};

/// A private containerd that serves. Dropped, it ends, and everything of it is removed.
#[derive(Debug)]
pub struct Node {
    client: Arc<Client>,
    daemon: Daemon,
}

impl Node {
    /// A node to be described further and started.
    pub fn builder() -> NodeBuilder {
        NodeBuilder::default()
    }

    /// containerd's version, for example `2.1.9`.
    pub fn version(&self) -> &str {
        &self.daemon.version
    }

    /// The socket that containerd serves gRPC on, CRI included.
    pub fn socket(&self) -> PathBuf {
        self.daemon.folder.join(config::SOCKET)
    }

    /// Imports every image of an OCI image archive (a tar, not compressed) and unpacks those for this
    /// machine. A name that the node has already then stands for the new image.
    ///
    /// # Errors
    /// [`Image`](ErrorKind::Image) where it is no such archive, [`Containerd`](ErrorKind::Containerd) where a
    /// blob is not what its digest says or cannot be unpacked.
    pub fn import(&self, archive: &Path) -> Result<Vec<Image>> {
        image::import(&self.client, archive)
    }

    /// Makes a container, without running it.
    ///
    /// # Errors
    /// [`Spec`](ErrorKind::Spec) where `spec` describes none, [`Containerd`](ErrorKind::Containerd) for
    /// example with
    /// `AlreadyExists` where its id is taken.
    pub fn container(&self, spec: ContainerSpec) -> Result<Container> {
        let pipes = self.daemon.folder.join("io");
        Container::new(Arc::clone(&self.client), spec, self.daemon.traces.name(), pipes)
    }

    /// Runs a container to its end and deletes it, also where something fails on the way.
    ///
    /// # Errors
    /// As [`Container::create`] and [`Task::wait`], which is given the spec's timeout.
    pub fn run(&self, spec: ContainerSpec) -> Result<Output> {
        let timeout = spec.timeout;
        let container = self.container(spec)?;
        let mut task = container.create()?;
        task.start()?;
        task.wait(timeout)?;
        let output = task.delete()?;
        container.delete()?;
        Ok(output)
    }

    /// All blobs in containerd's content store, with their labels, by digest.
    pub fn content(&self) -> Result<Vec<Blob>> {
        inspection::content(&self.client)
    }

    /// containerd's plugins, and how they are.
    pub fn plugins(&self) -> Result<Vec<Plugin>> {
        inspection::plugins(&self.client)
    }

    /// The processes of the node: containerd, the shims and those in containers.
    pub fn processes(&self) -> Result<Vec<Process>> {
        process::below(self.daemon.guardian())
    }

    /// All that containerd and the shims have logged.
    pub fn log(&self) -> Result<String> {
        self.daemon.log(u64::MAX)
    }

    /// The node's marks on the machine, which can still be looked for when it has gone.
    pub fn traces(&self) -> Traces {
        self.daemon.traces.clone()
    }

    /// Everything of the node that exists on the machine now: see [`Traces::leftovers`].
    pub fn leftovers(&self) -> Result<Vec<String>> {
        self.daemon.traces.leftovers()
    }

    /// Ends the node and removes everything of it, as dropping it does, and checks that nothing is left.
    ///
    /// # Errors
    /// [`Leftovers`](ErrorKind::Leftovers), which lists them.
    pub fn stop(mut self) -> Result<()> {
        self.daemon.stop()?;
        let leftovers = self.leftovers()?;
        if leftovers.is_empty() { Ok(()) } else { Err(self.daemon.traces.remains(&leftovers)) }
    }
}

/// What a node is to be made of.
#[derive(Clone, Debug)]
pub struct NodeBuilder(Options);

impl NodeBuilder {
    /// The folder of the shims to be used; each `containerd-shim-<name>-v1` in it is also the CRI runtime
    /// handler
    /// `<name>`. Without it there is only `runc`.
    #[must_use]
    pub fn shims(mut self, folder: impl Into<PathBuf>) -> Self {
        self.0.shims = Some(folder.into());
        self
    }

    /// The containerd to be used, or the folder it is in; without it the one that `SHIMMER_CONTAINERD` names,
    /// else the one in `PATH`.
    #[must_use]
    pub fn containerd(mut self, path: impl Into<PathBuf>) -> Self {
        self.0.containerd = Some(path.into());
        self
    }

    /// The name of the image that CRI makes pod sandboxes from.
    #[must_use]
    pub fn sandbox_image(mut self, name: impl Into<String>) -> Self {
        self.0.sandbox_image = name.into();
        self
    }

    /// Keeps images and root filesystems in memory, so that no disk is measured.
    #[must_use]
    pub fn memory(mut self) -> Self {
        self.0.in_memory = true;
        self
    }

    /// Starts the node; returns when containerd serves.
    ///
    /// # Errors
    /// [`Environment`](ErrorKind::Environment) where a program or a right is missing,
    /// [`Daemon`](ErrorKind::Daemon) with the end of containerd's log where it ends or does not serve.
    pub fn start(&self) -> Result<Node> {
        let (daemon, client) = Daemon::start(&self.0)?;
        Ok(Node { client: Arc::new(client), daemon })
    }
}

impl Default for NodeBuilder {
    fn default() -> Self {
        let sandbox_image = "localhost/shimmer/pause:1".into();
        Self(Options { shims: None, containerd: None, sandbox_image, in_memory: false })
    }
}
