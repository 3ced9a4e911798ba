//! The command line.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::containerd::{Restart, Running};
use crate::distribution::{Declared, Distribution};
use crate::error::Result;
use crate::host::Host;
use crate::install::Options;
use crate::record::Shim;
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
    /// How containerd is started again
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
    /// Whose containerd it is; found out, unless it is said
    #[arg(long, value_enum)]
    distribution: Option<Distribution>,
    /// The configuration that containerd is started with; known of each distribution
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The socket of containerd; known of each distribution, or said in its configuration
    #[arg(long, value_name = "FILE")]
    socket: Option<PathBuf>,
    /// Whether systemd makes the cgroups of pods; as runc has it, unless it is said
    #[arg(long, value_name = "BOOL")]
    systemd_cgroup: Option<bool>,
    /// Sets in containerd what would otherwise be warned of
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
    pub(crate) fn options(&self) -> Options {
        let (config, socket) = (self.config.clone(), self.socket.clone());
        Options {
            release: self.release.clone(),
            shims: self.shims.clone(),
            declared: Declared { distribution: self.distribution, config, socket },
            systemd_cgroup: self.systemd_cgroup,
            fix: self.fix,
        }
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
            if part.is_empty() || part.len() > 63 || part.starts_with('-') || part.ends_with('-') || !part.bytes().all(is_plain) {
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
