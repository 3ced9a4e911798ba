use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use crate::Stop;

/// What one guest is given: all that it can know and reach.
///
/// The host derives it from the OCI runtime specification, once for all engines; an engine passes it on as it is.
#[derive(Clone, Debug)]
pub struct Guest {
    /// `argv`, the program's own name first.
    pub args: Vec<String>,
    /// The environment as names and values, in order.
    pub env: Vec<(String, String)>,
    /// The export of a module to call, without parameters; `_start` unless the entrypoint named one.
    pub function: String,
    /// The directories to open before the guest starts, in the order of their descriptors.
    pub directories: Vec<Directory>,
    /// The absolute working directory, for engines whose guests can ask for it.
    pub cwd: String,
    /// Where a `wasi:http/incoming-handler` listens.
    pub http: SocketAddr,
    /// Fires when the guest is asked to end.
    pub stop: Stop,
}

impl Guest {
    /// A guest that calls `_start` in `/`, with no environment and no directories, and would listen on any port.
    #[must_use]
    pub fn new(args: Vec<String>, stop: Stop) -> Self {
        Self {
            args,
            env: Vec::new(),
            function: "_start".into(),
            directories: Vec::new(),
            cwd: "/".into(),
            http: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            stop,
        }
    }
}

/// A directory that a guest finds open.
///
/// Whether it may be written is not said here: mounts, users and modes of the container decide it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Directory {
    /// Where it is, in the mount namespace of the process that runs the guest.
    pub host: PathBuf,
    /// The name under which the guest finds it.
    pub guest: String,
}
