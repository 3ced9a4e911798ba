//! Real nodes on this machine for the demo, the test suite and the benches: a private containerd, on demand a dockerd
//! on it, and blocking clients for both; and a whole Kubernetes of such nodes, a [`Cluster`].
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
//! A node touches nothing of the host's: not `/etc`, not `/run`, not a containerd that runs already, not the code
//! that shims have compiled for others. It has a folder, a PID namespace and a mount namespace of its own, and one name in every cgroup hierarchy. When its
//! owner drops it, panics, is interrupted or killed, all of that goes. Processes of the node see the host's
//! files and network; a [bare](NodeBuilder::bare) one has an `/etc` and `/opt` of its own, for installers to be tried on.
//!
//! All calls block, so they must not be made from asynchronous code. A node may be used by several threads at
//! once.

mod archive;
mod bare;
mod builder;
mod capture;
mod client;
mod cluster;
mod companion;
mod config;
mod connection;
mod container;
pub mod cri;
mod daemon;
pub mod docker;
mod environment;
mod error;
mod event;
mod exec;
mod feed;
mod go;
mod guardian;
mod handle;
mod helm;
mod host;
mod image;
mod inspection;
mod listing;
pub mod machine;
mod metrics;
mod mount;
mod network;
mod oci;
mod process;
mod removal;
mod resources;
mod server;
mod snapshot;
mod spec;
mod status;
mod stdio;
mod task;
mod traces;
mod view;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use crate::builder::NodeBuilder;
pub use crate::cluster::{Cluster, ClusterBuilder, ClusterNode};
pub use crate::container::Container;
pub use crate::environment::{runc_shim, runtime_handlers};
pub use crate::error::{Error, ErrorKind, Result};
pub use crate::event::{Event, Events};
pub use crate::exec::{Exec, ExecSpec};
pub use crate::go::if_buildable;
pub use crate::helm::{Helm, helm};
pub use crate::image::Image;
pub use crate::inspection::{Blob, Plugin};
pub use crate::listing::Listed;
pub use crate::metrics::Metrics;
pub use crate::mount::Access;
pub use crate::process::Process;
pub use crate::resources::Resources;
pub use crate::server::ShimServer;
pub use crate::spec::{ContainerSpec, Hook};
pub use crate::status::{ExitStatus, Output, Phases, State};
pub use crate::task::{Task, Waiter};
pub use crate::traces::Traces;
pub use tonic::Code;

use crate::client::Client;
use crate::companion::Companion;
use crate::connection::Connection;
use crate::cri::Cri;
use crate::docker::Docker;
use crate::host::Host;

/// A containerd that serves: a private one, or one that was there before. Dropped, a private one ends, and
/// everything of the node is removed.
#[derive(Debug)]
pub struct Node {
    client: Arc<Client>,
    host: Host,
    /// None until it is asked for.
    docker: Mutex<Option<Docker>>,
}

impl Node {
    /// A node to be described further and started.
    pub fn builder() -> NodeBuilder {
        NodeBuilder::default()
    }

    /// A node on a containerd that is not ours and goes on when the node is dropped. Images that it imports
    /// and its containers are in CRI's namespace, and their cgroups below one of the node's own; the images
    /// go with it. Who holds containers must drop them before.
    ///
    /// What needs a containerd that nobody else uses, as its log, fails with
    /// [`NotPrivate`](ErrorKind::NotPrivate).
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io) where nobody listens on `socket`.
    pub fn connect(socket: &Path) -> Result<Self> {
        let connection = Connection::open(socket)?;
        Ok(Self { client: connection.client(), host: Host::Foreign(connection), docker: Mutex::default() })
    }

    /// containerd's version, for example `2.1.9`.
    pub fn version(&self) -> &str {
        self.host.version()
    }

    /// The socket that containerd serves gRPC on, CRI included.
    pub fn socket(&self) -> PathBuf {
        self.host.socket()
    }

    /// Imports every image of an OCI image archive (a tar, not compressed) and unpacks those for this
    /// machine. A name that the node has already then stands for the new image.
    ///
    /// # Errors
    /// [`Image`](ErrorKind::Image) where it is no such archive, [`Containerd`](ErrorKind::Containerd) where a
    /// blob is not what its digest says or cannot be unpacked, or with `AlreadyExists` where somebody else's
    /// containerd has another image of that name.
    pub fn import(&self, archive: &Path) -> Result<Vec<Image>> {
        match &self.host {
            Host::Private(_) => image::import(&self.client, archive),
            Host::Foreign(connection) => connection.import(archive),
        }
    }

    /// Removes an image, which no container may use any more, and what no other image needs of its content.
    pub fn remove(&self, image: &Image) -> Result<()> {
        image::remove(&self.client, image.name())?;
        // The name by which CRI keeps it; another image of the same configuration stays under its own.
        image::remove(&self.client, &image.id)
    }

    /// The CRI of the node; a private one has the image that pod sandboxes are made from.
    ///
    /// # Errors
    /// [`Environment`](ErrorKind::Environment) where busybox is missing, which that image is made of.
    pub fn cri(&self) -> Result<Cri> {
        let (client, logs) = (Arc::clone(&self.client), self.host.folder().join("pods"));
        match &self.host {
            Host::Private(daemon) => {
                let cri = Cri::new(client, logs, Some(daemon.pods()));
                // containerd may have been asked for its version while it still looked for pods.
                cri.wait_until_ready()?;
                cri.with_pause_image()
            }
            Host::Foreign(_) => Ok(Cri::new(client, logs, None)),
        }
    }

    /// The node's dockerd, which is started by the first call and ends with the node.
    ///
    /// # Errors
    /// [`Environment`](ErrorKind::Environment) where no dockerd is installed, [`Daemon`](ErrorKind::Daemon) with the end
    /// of its log where it does not serve.
    pub fn docker(&self) -> Result<Docker> {
        let daemon = self.host.private("a dockerd is started")?;
        // It is there or not after every statement, so a panic elsewhere does not spoil it.
        let mut docker = self.docker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(docker) = &*docker {
            return Ok(docker.clone());
        }
        Ok(docker.insert(docker::start(daemon, self.client.limit())?).clone())
    }

    /// Makes a container, without running it.
    ///
    /// # Errors
    /// [`Spec`](ErrorKind::Spec) where `spec` describes none, [`Containerd`](ErrorKind::Containerd) for
    /// example with `AlreadyExists` where its id is taken.
    pub fn container(&self, spec: ContainerSpec) -> Result<Container> {
        let pipes = self.host.folder().join("io");
        Container::new(Arc::clone(&self.client), spec, self.host.traces().name(), pipes)
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

    /// Gives a blob one more label, or another value of it; `digest` is like `sha256:…`.
    pub fn label(&self, digest: &str, name: &str, value: &str) -> Result<()> {
        inspection::label(&self.client, digest, name, value)
    }

    /// The folder in which the node's shims keep what they have compiled, if they heed `SHIMMER_CACHE`. It is empty
    /// when the node starts and goes with it. A bare node's shims are not told of it.
    pub fn compiled(&self) -> Result<PathBuf> {
        Ok(self.host.private("the folder of compiled code is known")?.compiled())
    }

    /// containerd's plugins, and how they are.
    pub fn plugins(&self) -> Result<Vec<Plugin>> {
        inspection::plugins(&self.client)
    }

    /// Subscribes to containerd's events; none that happens after this is missed.
    pub fn events(&self) -> Result<Events> {
        Events::subscribe(&self.host.socket())
    }

    /// Kills containerd and starts it again, while shims and containers live on; returns when it serves, CRI
    /// and the node's dockerd included. [`Events`] end.
    ///
    /// # Errors
    /// [`Daemon`](ErrorKind::Daemon) with the end of its log where it does not serve again.
    pub fn restart_containerd(&self) -> Result<()> {
        self.host.private("containerd is restarted")?.restart()?;
        self.wait_until_ready()
    }

    /// Waits until containerd serves, CRI and the node's dockerd included, after something in the node has ended it.
    ///
    /// # Errors
    /// [`Daemon`](ErrorKind::Daemon) with the end of its log where it does not serve within a minute.
    pub fn wait_until_ready(&self) -> Result<()> {
        self.host.private("containerd is waited for")?.wait_until_ready(&self.client)?;
        Cri::new(Arc::clone(&self.client), PathBuf::new(), None).wait_until_ready()?;
        let docker = self.docker.lock().unwrap_or_else(PoisonError::into_inner).clone();
        docker.map_or(Ok(()), |docker| docker.wait_until_ready())
    }

    /// The processes of the node: containerd, the shims and those in containers.
    pub fn processes(&self) -> Result<Vec<Process>> {
        self.host.private("processes are known")?.processes()
    }

    /// All that containerd and the shims have logged.
    pub fn log(&self) -> Result<String> {
        self.log_since(0)
    }

    /// How much they have logged, in bytes.
    pub fn log_len(&self) -> Result<u64> {
        self.host.private(LOG)?.log_len()
    }

    /// What they have logged since [`log_len`](Self::log_len) was `start`.
    pub fn log_since(&self, start: u64) -> Result<String> {
        self.host.private(LOG)?.log_since(start)
    }

    /// The node's marks on the machine, which can still be looked for when it has gone.
    pub fn traces(&self) -> Traces {
        self.host.traces().clone()
    }

    /// The name that nothing else on the machine carries; the node's cgroup has it in every hierarchy.
    pub(crate) fn name(&self) -> &str {
        self.host.traces().name()
    }

    /// The node's own folder.
    pub(crate) fn folder(&self) -> &Path {
        self.host.folder()
    }

    /// The first process of the node, by which others enter its namespaces.
    pub(crate) fn init(&self) -> Result<u32> {
        self.host.private("processes are known")?.init()
    }

    /// Starts a program beside the node's containerd.
    pub(crate) fn companion(&self, command: std::process::Command, log: &Path) -> Result<Companion> {
        Companion::start(self.host.private("programs are started")?, command, log)
    }

    /// PATH of the node's programs.
    pub(crate) fn path(&self) -> Result<std::ffi::OsString> {
        Ok(self.host.private("PATH is known")?.path.clone())
    }

    /// Everything of the node that exists on the machine now: see [`Traces::leftovers`].
    pub fn leftovers(&self) -> Result<Vec<String>> {
        self.host.private("leftovers are known")?.traces.leftovers()
    }

    /// Ends the node and removes everything of it, as dropping it does, and checks that nothing is left.
    ///
    /// # Errors
    /// [`Leftovers`](ErrorKind::Leftovers), which lists them.
    pub fn stop(mut self) -> Result<()> {
        self.host.stop()?;
        let leftovers = self.host.traces().leftovers()?;
        if leftovers.is_empty() { Ok(()) } else { Err(self.host.traces().remains(&leftovers)) }
    }
}

/// Imports every image of an OCI image archive into a containerd that runs already, where they stay.
///
/// # Errors
/// As [`Node::import`], and [`Io`](ErrorKind::Io) where nobody listens on `socket`.
pub fn import(socket: &Path, archive: &Path) -> Result<Vec<Image>> {
    image::import(&Client::connect(socket)?, archive)
}

/// The folder below which this project keeps what any run can make again: `shimmer` in the cache folder of the user.
///
/// # Errors
/// [`Environment`](ErrorKind::Environment) where the user has no home folder.
pub fn cache() -> Result<PathBuf> {
    environment::cache()
}

const LOG: &str = "the log is known";

/// How long something is waited for that comes at once on a machine that is not busy: a daemon that serves, a stream that
/// is let go of.
const PATIENCE: Duration = Duration::from_secs(60);
