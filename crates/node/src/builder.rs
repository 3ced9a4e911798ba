//! What a private node is to be made of.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::Node;
use crate::bare::Bare;
use crate::client::LIMIT;
use crate::cri;
use crate::daemon::{Daemon, Member, Options};
use crate::error::Result;
use crate::host::Host;

/// What a node is to be made of.
#[derive(Clone, Debug)]
pub struct NodeBuilder(Options);

impl NodeBuilder {
    /// The folder of the shims to be used; each `containerd-shim-<name>-v1` in it is also the CRI runtime
    /// handler `<name>`. Without it there is only `runc`.
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

    /// Lets systemd make the cgroups of pods, as kubeadm's nodes do: `SystemdCgroup = true`, for every handler.
    ///
    /// systemd knows processes by the ids that it sees. So such a node has no PID namespace; its processes are kept together,
    /// and ended, by their cgroups.
    #[must_use]
    pub fn systemd(mut self, systemd: bool) -> Self {
        self.0.systemd = systemd;
        self
    }

    /// Makes it a node on which nothing of ours is installed yet, so that an installer can be tried on it as on a machine.
    ///
    /// It has no shims, whatever [`shims`](Self::shims) says: its containerd has no handler but runc's. It reads
    /// `/etc/containerd/config.toml` and serves at `/run/containerd/containerd.sock`, and these are the node's own, as is
    /// what is written below `/etc`, `/opt`, `/run` and `/var/lib`; see [`Node::root`]. Shims that are installed there keep
    /// their things where they do on a machine. Of the machine it can write `/tmp`. Its containerd is started again whenever
    /// it ends, as systemd does it, also while it refuses its configuration.
    #[must_use]
    pub fn bare(mut self) -> Self {
        self.0.bare = Some(Bare { imports: true });
        self
    }

    /// The same, with a configuration that imports no other: as it was before containerd 2.2, which imports
    /// `/etc/containerd/conf.d/*.toml` by default.
    #[must_use]
    pub fn bare_without_imports(mut self) -> Self {
        self.0.bare = Some(Bare { imports: false });
        self
    }

    /// How long any call to containerd may take, and with it the shim behind it; ten minutes without it.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.0.patience = patience;
        self
    }

    /// Makes it a node of a cluster.
    pub(crate) fn member(mut self, member: Member) -> Self {
        self.0.member = Some(member);
        self
    }

    /// Starts the node; returns when containerd serves.
    ///
    /// # Errors
    /// [`Environment`](crate::ErrorKind::Environment) where a program or a right is missing, or systemd,
    /// [`Daemon`](crate::ErrorKind::Daemon) with the end of containerd's log where it ends or does not serve.
    pub fn start(&self) -> Result<Node> {
        let (daemon, client) = Daemon::start(&self.0)?;
        Ok(Node { client: Arc::new(client), host: Host::Private(daemon), docker: Mutex::default() })
    }
}

impl Default for NodeBuilder {
    fn default() -> Self {
        let sandbox_image = cri::PAUSE_IMAGE.into();
        Self(Options {
            shims: None,
            containerd: None,
            sandbox_image,
            in_memory: false,
            member: None,
            systemd: false,
            bare: None,
            patience: LIMIT,
        })
    }
}
