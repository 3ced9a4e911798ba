//! A Kubernetes, as whoever may use one of its namespaces sees it: everything goes over the API server.
//!
//! The calls block. What a cluster does in its own time is watched and never slept for.

mod api;
mod cluster;
mod json;
mod kind;
mod logs;
mod manifest;
mod namespace;
mod nodes;
mod once;
mod pod;
mod private;
mod stage;
mod streams;
mod watch;

pub use cluster::ClusterTarget;
pub use nodes::{Nodes, Script};

pub(crate) use api::Answer;
pub(crate) use cluster::Cluster;
pub(crate) use json::{list, text, with};
pub(crate) use kind::{BACKGROUND, Kind, NODES, RUNTIME_CLASSES};
pub(crate) use logs::{Log, Stream};
pub(crate) use once::{base64, push};
pub(crate) use pod::{GUEST, Pod, ready, refusal, restarts, status};
pub(crate) use private::Private;
pub(crate) use stage::{KubeStage, Made, STAYS};
pub(crate) use streams::{Exec, Ran};
