//! The command line.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::cluster::Cluster;
use crate::containerd::{Restart, Running};
use crate::distribution::{Declared, Distribution};
use crate::error::Result;
use crate::host::Host;
use crate::install::Options;
use crate::record::Shim;
use crate::release::Release;
use crate::store::{PREFIX, Store};

/// Puts the shims on a node, tells its containerd of them, and takes both away again. It needs root.
#[derive(Debug, Parser)]
#[command(
    name = "shimmer-installer",
    version,
    after_help = "Exit codes: 0 done; 1 failed, and the node is as it was before; 2 wrong usage; 3 refused, and nothing was\n\
                  touched; 4 failed, and the node could not be put back; 5 not installed (`status`, `verify`)."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Installs a release, or makes of an installed one what is wanted; without a change, nothing is restarted
    Install(Install),
    /// Takes everything away, so that the node is as it was before
    Uninstall {
        #[command(flatten)]
        node: Node,
        /// Also under pods that use a shim
        #[arg(long)]
        force: bool,
    },
    /// Says what is installed, and whether it is as it was put there
    Status(Node),
    /// As `status`, and makes a pod by each handler
    Verify(Node),
    /// In Kubernetes: waits for the node's turn, installs, and labels the node by what pods find their shim
    Join {
        #[command(flatten)]
        member: Member,
        #[command(flatten)]
        install: Install,
        /// What the leases are called by which nodes take turns
        #[arg(long, value_name = "NAME")]
        lease: String,
        /// How many nodes are changed at once
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
        slots: u32,
    },
    /// In Kubernetes: removes the labels of the node, and uninstalls
    Leave {
        #[command(flatten)]
        member: Member,
        #[command(flatten)]
        node: Node,
        /// Also under pods that use a shim
        #[arg(long)]
        force: bool,
        /// Only says whether pods use a shim
        #[arg(long)]
        check: bool,
    },
    /// In Kubernetes: undoes every node by a pod on it, when none of them is needed any more
    Retire {
        #[command(flatten)]
        server: Server,
        /// The DaemonSet whose pods install
        #[arg(long, value_name = "NAME")]
        daemonset: String,
        /// A Pod as JSON, whose first container does `leave`
        #[arg(long, value_name = "FILE")]
        pod_template: PathBuf,
        /// What the leases are called by which nodes take turns, to be removed
        #[arg(long, value_name = "NAME")]
        lease: Option<String>,
        /// Also under pods that use a shim, and without the nodes that cannot be reached
        #[arg(long)]
        force: bool,
    },
    /// Waits for SIGTERM, and needs no right for that
    Sleep,
}

/// The API server of a cluster.
#[derive(Args, Clone, Debug)]
pub(crate) struct Server {
    /// The namespace of pods, leases and the DaemonSet
    #[arg(long, value_name = "NAME", default_value = "default")]
    namespace: String,
    /// How to reach it from outside of a pod
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
}

/// A node as its cluster knows it.
#[derive(Args, Clone, Debug)]
pub(crate) struct Member {
    #[command(flatten)]
    pub(crate) server: Server,
    /// The node's name
    #[arg(long = "node", value_name = "NAME")]
    pub(crate) name: String,
}

impl Server {
    pub(crate) fn connect(&self) -> Result<Cluster> {
        Cluster::connect(self.kubeconfig.as_deref(), &self.namespace)
    }
}

/// A node.
#[derive(Args, Clone, Debug)]
pub(crate) struct Node {
    /// Where the node's `/` is: `/` on the node itself, the folder where it is mounted in a container
    #[arg(long, value_name = "DIR")]
    host_root: PathBuf,
    /// Where everything of ours is put on the node
    #[arg(long, value_name = "DIR", default_value = PREFIX)]
    prefix: PathBuf,
    /// Whose containerd it is: containerd (kubeadm and the clouds), k3s, rke2, k0s or microk8s
    #[arg(long, value_name = "NAME", default_value = "auto")]
    distribution: Wish<Distribution>,
    /// The configuration that containerd is started with; known of each distribution
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The socket of containerd; known of each distribution, or said in its configuration
    #[arg(long, value_name = "FILE")]
    socket: Option<PathBuf>,
    /// How containerd is started again; `uninstall` does it as `install` did, unless `signal` or `none` is said
    #[arg(long, value_enum, default_value_t)]
    restart: Restart,
    /// How long containerd may take to serve after it was started again
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    timeout: u64,
    /// For scripts
    #[arg(long)]
    pub(crate) json: bool,
}

/// What is to be installed.
#[derive(Args, Clone, Debug)]
pub(crate) struct Install {
    #[command(flatten)]
    pub(crate) node: Node,
    /// The folder of the release, as it is in the image
    #[arg(long, value_name = "DIR", default_value = "/release")]
    release: PathBuf,
    /// A shim of the release, and the handler that it is to be in containerd; given once for each. All, without this
    #[arg(long = "shim", value_name = "NAME[=HANDLER]")]
    shims: Vec<Shim>,
    /// Whether systemd makes the cgroups of pods; `auto` does as runc has it
    #[arg(long, value_name = "auto|true|false", default_value = "auto")]
    systemd_cgroup: Wish<bool>,
    /// Lets containerd pull images by itself where its transfer service would not unpack those of `wasi/wasm`; this is
    /// otherwise warned of. Other warnings are for the operator
    #[arg(long)]
    fix: bool,
}

impl Node {
    /// The node's files, the folder of ours there, and what runs.
    pub(crate) fn open(&self) -> Result<(Host, Store, Running)> {
        let running = Running::new(&self.host_root, self.restart, Duration::from_secs(self.timeout))?;
        Ok((Host::open(&self.host_root)?, Store::new(&self.prefix)?, running))
    }
}

impl Install {
    /// What is installed, as it says of itself.
    pub(crate) fn release(&self) -> Result<Release> {
        Release::open(&self.release)
    }

    pub(crate) fn options(&self) -> Options {
        let (config, socket) = (self.node.config.clone(), self.node.socket.clone());
        Options {
            release: self.release.clone(),
            shims: self.shims.clone(),
            declared: Declared { distribution: self.node.distribution.0, config, socket },
            systemd_cgroup: self.systemd_cgroup.0,
            fix: self.fix,
        }
    }
}

/// What the operator says, or `auto`.
#[derive(Clone, Copy, Debug, Default)]
struct Wish<T>(Option<T>);

impl FromStr for Wish<bool> {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "auto" => Ok(Self(None)),
            "true" => Ok(Self(Some(true))),
            "false" => Ok(Self(Some(false))),
            _ => Err("it is auto, true or false".to_owned()),
        }
    }
}

impl FromStr for Wish<Distribution> {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        if text == "auto" {
            return Ok(Self(None));
        }
        Distribution::from_str(text, false).map(Some).map(Self).map_err(|_unknown| {
            let names = Distribution::value_variants().iter().filter_map(ValueEnum::to_possible_value);
            let names: Vec<_> = names.map(|value| value.get_name().to_owned()).collect();
            format!("it is auto, {}", names.join(", "))
        })
    }
}

impl FromStr for Shim {
    type Err = String;

    /// Reads `NAME` or `NAME=HANDLER`.
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let (name, handler) = text.split_once('=').unwrap_or((text, text));
        for part in [name, handler] {
            let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            // What Kubernetes takes for a handler, and containerd for a part of a runtime's name.
            if part.is_empty()
                || part.len() > 63
                || part.starts_with('-')
                || part.ends_with('-')
                || !part.bytes().all(is_plain)
            {
                return Err(format!("{part:?} is not lower case letters, digits and dashes"));
            }
        }
        Ok(Self { name: name.to_owned(), handler: handler.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn is_a_command_line() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_shim_has_its_own_name_for_a_handler_unless_another_is_given() {
        let shim = |name: &str, handler: &str| Shim { name: name.into(), handler: handler.into() };
        assert_eq!("wasmtime".parse(), Ok(shim("wasmtime", "wasmtime")));
        assert_eq!("wasmtime=fast-wasm".parse(), Ok(shim("wasmtime", "fast-wasm")));
        for odd in ["", "=", "a=", "=a", "A", "a=b=c", "../a", "a=b'", "-a", "a=b-", "a\n"] {
            assert!(odd.parse::<Shim>().is_err(), "{odd:?}");
        }
    }
}
