//! What a node does when it is asked: its programs, its containerd, its processes. [`crate::containerd`] is the real one.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::distribution::Site;
use crate::error::Result;
use crate::host::Host;
use crate::store::Store;
use crate::usage::{Pod, User};

/// The running part of a node.
pub(crate) trait Machine: fmt::Debug {
    /// What a program of the node says to `--version`: it runs there, with the libraries that are there.
    fn version_of(&self, program: &Path) -> Result<String>;
    /// The whole configuration that this containerd makes of a file, as TOML.
    fn dump(&self, containerd: &Path, config: &Path) -> Result<String>;
    /// How containerd is started again on this node.
    ///
    /// # Errors
    /// [`Refused`](crate::error::ErrorKind::Refused) where nothing tells.
    fn supervisor(&self, site: &Site) -> Result<Supervisor>;
    /// The same where an earlier run found `earlier`, which holds unless the operator says otherwise now.
    fn supervisor_now(&self, earlier: &Supervisor) -> Supervisor {
        earlier.clone()
    }
    /// Starts containerd again, which reads its configuration anew.
    fn restart(&self, socket: &Path, supervisor: &Supervisor) -> Result<()>;
    /// Waits until containerd serves, and `until` is content with the handlers that it has; gives those.
    ///
    /// # Errors
    /// [`Failed`](crate::error::ErrorKind::Failed) where that takes too long, with what was seen last.
    fn handlers(&self, socket: &Path, until: &dyn Fn(&[String]) -> bool) -> Result<Vec<String>>;
    /// Makes a pod by this handler, without a container, and removes it: the shim is there, starts and answers.
    fn try_pod(&self, socket: &Path, handler: &str, systemd: bool) -> Result<()>;
    /// Removes what is left of a [`try_pod`](Self::try_pod) that was interrupted.
    fn sweep(&self, socket: &Path) -> Result<()>;
    /// The pods that containerd knows, by their ids.
    fn pods(&self, socket: &Path) -> Result<BTreeMap<String, Pod>>;
    /// Who executes files of ours.
    fn users(&self, host: &Host, store: &Store) -> Result<Vec<User>>;
}

/// What starts containerd again.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Supervisor {
    /// systemd, by the name of the unit in whose cgroup containerd is.
    Unit(String),
    /// Whoever started containerd and does so again when it ends, as a container's or a test's first process may.
    Parent,
    /// The distribution, which watches the folder of drop-ins.
    Distribution,
    /// Nobody: it is left to the operator.
    Nobody,
}

impl fmt::Display for Supervisor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unit(unit) => write!(formatter, "systemd's unit {unit}"),
            Self::Parent => formatter.write_str("whoever started it"),
            Self::Distribution => formatter.write_str("the distribution"),
            Self::Nobody => formatter.write_str("nobody"),
        }
    }
}
