//! Where a node's containerd comes from: it is private, or somebody else's.

use std::path::{Path, PathBuf};

use crate::connection::Connection;
use crate::daemon::Daemon;
use crate::error::{Error, ErrorKind, Result};
use crate::traces::Traces;

/// The containerd of a node.
#[derive(Debug)]
pub(crate) enum Host {
    /// Started here, and ours alone.
    Private(Daemon),
    /// Found running.
    Foreign(Connection),
}

impl Host {
    /// The private containerd, where `what` needs one.
    pub(crate) fn private(&self, what: &str) -> Result<&Daemon> {
        match self {
            Self::Private(daemon) => Ok(daemon),
            Self::Foreign(connection) => {
                let socket = connection.socket.display();
                let message = format!(
                    "{what} only for a private node, and {socket} is not one: start it with `builder`"
                );
                Err(Error::new(ErrorKind::NotPrivate, message))
            }
        }
    }

    pub(crate) fn version(&self) -> &str {
        match self {
            Self::Private(daemon) => &daemon.version,
            Self::Foreign(connection) => &connection.version,
        }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        match self {
            Self::Private(daemon) => daemon.socket.clone(),
            Self::Foreign(connection) => connection.socket.clone(),
        }
    }

    /// The folder for what the node makes besides containerd.
    pub(crate) fn folder(&self) -> &Path {
        match self {
            Self::Private(daemon) => &daemon.folder,
            Self::Foreign(connection) => &connection.folder,
        }
    }

    pub(crate) fn traces(&self) -> &Traces {
        match self {
            Self::Private(daemon) => &daemon.traces,
            Self::Foreign(connection) => &connection.traces,
        }
    }

    /// Ends what is ours and removes it.
    pub(crate) fn stop(&mut self) -> Result<()> {
        match self {
            Self::Private(daemon) => daemon.stop(),
            Self::Foreign(connection) => connection.close(),
        }
    }
}
