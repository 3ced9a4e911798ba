//! Makes containers' processes, and runs guests in them: everything that happens outside of the shim's own process.
//!
//! Three sorts of processes live here, none of which the shim is:
//!
//! - the **zygote**, one for each engine on a node: it has the engine in memory, waits for connections and forks. It
//!   reads nothing that it is sent, so that it has nothing that a guest could find in its copy of the memory;
//! - a **monitor** for each container and each exec: a fork of the zygote that makes the container by libcontainer,
//!   waits for its end, tells it, and cleans up; also when the shim that asked for it is gone;
//! - the **guest's process**: the container's init, a fork of the monitor inside its namespaces, root, user and limits,
//!   which loads the program between create and start. It, or the native program that it executes, is the container.
//!
//! A short-lived fourth one compiles programs, for the same reason in a fork of the zygote: a hostile program can then
//! neither bloat nor kill anything that lives on.
//!
//! The shim speaks with a monitor through one [`Connection`] in the words of [`wire`]. What an engine costs is written
//! down in `docs/decisions`.

mod capabilities;
mod causes;
mod command;
mod compilation;
mod connection;
mod console;
mod creation;
mod descriptors;
mod devices;
mod failure;
mod guest;
mod hierarchies;
mod launch;
mod limits;
mod monitor;
mod native;
mod program;
mod seal;
mod signal;
mod status;
mod title;
pub mod wire;
mod workload;
mod zygote;

pub use command::main;
pub use connection::Connection;
pub use creation::sweep;
pub use failure::{Failure, FailureKind};
pub use launch::Launcher;
pub use monitor::{LOCK, RECORD};
pub use seal::read_only;
pub use status::{EndedBy, KILLED, of_signal};
pub use zygote::serve_native;
