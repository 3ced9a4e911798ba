//! What a shim and the processes that work for it say to each other.
//!
//! 1. The shim connects to a zygote and sends a [`Request`], with the container's streams as descriptors.
//! 2. The guest's process asks for its program by a [`Report`], and gets an [`Answer`] with the compiled code.
//! 3. The monitor reports that the process is created, or why not; takes [`Command`]s; and reports the end.
//!
//! The shim's end of the connection is the container's leash: when it is closed, the monitor kills and cleans up.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{EndedBy, Failure};

/// The first message on a connection.
#[derive(Debug, Deserialize, Serialize)]
pub enum Request {
    /// Make a container. Descriptors: the streams that [`Streams`] names, in this order.
    Create(Create),
    /// Make one more process in a container. Descriptors as for `Create`.
    Exec(Exec),
    /// Compile a program. Descriptor: the program, open for reading.
    Compile(Compile),
}

/// A container to make.
#[derive(Debug, Deserialize, Serialize)]
pub struct Create {
    /// Its id, unique among those of one `state`.
    pub id: String,
    /// The folder with `config.json`.
    pub bundle: PathBuf,
    /// Where libcontainer keeps its state.
    pub state: PathBuf,
    /// Whether systemd is to make the cgroup.
    pub systemd: bool,
    /// Whether its streams are a terminal, which comes back with [`Report::Created`].
    pub terminal: bool,
    /// Which streams come with the request.
    pub streams: Streams,
}

/// A process to make in a container that runs.
#[derive(Debug, Deserialize, Serialize)]
pub struct Exec {
    /// The container's id.
    pub id: String,
    /// Its `state`, as in [`Create`].
    pub state: PathBuf,
    /// A file with the OCI specification of the process.
    pub process: PathBuf,
    /// As in [`Create`].
    pub terminal: bool,
    /// As in [`Create`].
    pub streams: Streams,
    /// Where the end of the process is written down, as `exit` of [`Create`]'s bundle is.
    pub record: PathBuf,
}

/// A program to compile.
#[derive(Debug, Deserialize, Serialize)]
pub struct Compile {
    /// What messages call the program.
    pub name: String,
    /// Where the native code goes; nothing exists there.
    pub output: PathBuf,
}

/// Which of the three standard streams are given; the others lead to nothing.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Streams {
    /// Whether there is a stdin.
    pub stdin: bool,
    /// Whether there is a stdout.
    pub stdout: bool,
    /// Whether there is a stderr.
    pub stderr: bool,
}

/// What a monitor or a guest's process says.
#[derive(Debug, Deserialize, Serialize)]
pub enum Report {
    /// The guest's process has found its program, and wants it compiled. Descriptor: the program.
    Found {
        /// The file's name in the container.
        name: String,
        /// Of the engine that will load it.
        engine: EngineIdentity,
    },
    /// No file is where the entrypoint leads; is it a layer of the image?
    Missing {
        /// The entrypoint's name.
        name: String,
        /// Why there is none, for the case that the image has none either.
        failure: Failure,
        /// Of the engine that will load it.
        engine: EngineIdentity,
    },
    /// The container's first process waits for its start. Descriptors: a pidfd, and for a terminal its master.
    Created {
        /// Its number, in the monitor's own namespace.
        pid: u32,
    },
    /// The process runs. For an exec with a pid; descriptors as with `Created`.
    Started {
        /// As in `Created`.
        pid: u32,
    },
    /// What was asked for is not to be had.
    Failed(Failure),
    /// The process has ended.
    Ended(EndedBy),
    /// The new limits are in force.
    Updated,
    /// Nothing of the container is left.
    Deleted,
    /// The native code is written. Descriptor: what the program needs, as JSON.
    Compiled {
        /// Of the program that was compiled, as `sha256:` and hexadecimal digits.
        digest: String,
    },
}

/// Names an engine, and what its compiled code depends on.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct EngineIdentity {
    /// The product's name in lower case.
    pub name: String,
    /// Name and version, for people.
    pub title: String,
    /// `Engine::fingerprint`.
    pub fingerprint: String,
}

/// The shim's answer to `Found` and `Missing`.
#[derive(Debug, Deserialize, Serialize)]
pub enum Answer {
    /// Descriptors: the compiled code, and what the program needs, as JSON.
    Compiled,
    /// The container is refused.
    Refused(Failure),
}

/// What a monitor is told to do.
#[derive(Debug, Deserialize, Serialize)]
pub enum Command {
    /// Let the container's first process run.
    Start,
    /// Set the limits of its cgroup: the JSON of `LinuxResources` of the OCI runtime specification.
    Update(String),
    /// Remove what is left of a container that has ended or was never started, and end.
    Delete,
}
