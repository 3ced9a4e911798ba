//! A shim's server without a container, started as containerd starts it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::Node;
use crate::capture::Capture;
use crate::client::NAMESPACE;
use crate::companion;
use crate::daemon::{self, c_string, shims_environment};
use crate::error::{Error, ErrorKind, Result};

/// A shim that serves, and of whose containers there is none yet. It ends when it is told to, and with its node.
#[derive(Debug)]
pub struct ShimServer {
    /// Where it listens, as this machine sees it.
    pub socket: PathBuf,
    /// The version of the task service that it speaks, whose name is `containerd.task.v<version>.Task`.
    pub version: u64,
    /// From the execution of the shim's program with `start` until it has ended with its answer.
    pub took: Duration,
    /// Shims log into a pipe that containerd reads.
    _log: Capture,
}

impl Node {
    /// Starts the server of a shim for a container `id` that there is not, in the node and as containerd does.
    ///
    /// # Errors
    /// [`Answer`](ErrorKind::Answer) with what it said, where it does not print where it listens.
    pub fn start_shim(&self, binary: &Path, id: &str) -> Result<ShimServer> {
        let bundle = self.folder().join("bundles").join(id);
        daemon::write(&bundle.join("config.json"), BUNDLE)?;
        let (address, path) = (self.socket(), self.path()?);
        let mut command = Command::new(binary);
        command.args(["-namespace", NAMESPACE, "-address"]).arg(&address);
        command.args(["-publish-binary", "containerd", "-id", id, "start"]);
        let events = format!("{}.ttrpc", address.display());
        command.env_clear().env("PATH", path).env("NAMESPACE", NAMESPACE);
        command.env("GRPC_ADDRESS", &address).env("TTRPC_ADDRESS", events);
        command.envs(shims_environment(self.folder()));
        let describe = |error| Error::io(format!("execute {}", binary.display()), error);
        let log = Capture::new(bundle.join("log")).map_err(describe)?;
        let (init, folder) = (self.init()?, c_string(&bundle)?);
        let (answer, took) = companion::run(init, command, folder).map_err(describe)?;
        let said = String::from_utf8_lossy(&answer.stdout);
        let served = served(&said).filter(|_| answer.status.success());
        let server = served.map(|(socket, version)| ShimServer {
            socket: format!("/proc/{init}/root{socket}").into(),
            version,
            took,
            _log: log,
        });
        server.ok_or_else(|| {
            let stderr = String::from_utf8_lossy(&answer.stderr);
            let (binary, status) = (binary.display(), answer.status);
            let message = format!("{binary} start ended with {status}, {said:?} and {stderr:?}");
            Error::new(ErrorKind::Answer, message)
        })
    }
}

/// Where a shim says that it listens, and which version it speaks: an address alone is of the second.
fn served(answer: &str) -> Option<(String, u64)> {
    let document: Value = serde_json::from_str(answer).unwrap_or_default();
    let address = document["address"].as_str().unwrap_or_else(|| answer.trim());
    let version = document["version"].as_u64().unwrap_or(2);
    address.strip_prefix("unix://").map(|socket| (socket.to_owned(), version))
}

/// What every shim may expect of a bundle before it creates anything.
const BUNDLE: &str = r#"{"ociVersion":"1.0.2","root":{"path":"rootfs"},"annotations":{}}"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn understands_what_shims_answer() {
        let document = r#"{"version":3,"address":"unix:///run/s/ab","protocol":"ttrpc"}"#;
        for (answer, version) in [("unix:///run/s/ab", 2), ("unix:///run/s/ab\n", 2), (document, 3)] {
            assert_eq!(served(answer), Some(("/run/s/ab".to_owned(), version)), "{answer}");
        }
        for answer in ["", "{}", "vsock://3:1024"] {
            assert_eq!(served(answer), None, "{answer}");
        }
    }
}
