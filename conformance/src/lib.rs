//! What every engine and every shim must do alike, as [cases](Case) that can be run.
//!
//! A case knows neither engine nor host. Five drivers play it, the [levels](Level): an engine by itself in a child
//! process, containerd's task service, CRI, Docker, and Kubernetes. An engine that does not claim what a case needs must
//! refuse its program in the defined words, and that is tested instead; what a shim is known to fail stands in a list
//! with its reason, is played all the same, and turns the run red when it passes. No case is skipped.

mod account;
mod address;
mod case;
mod cases;
mod cgroup;
mod claims;
mod engine;
mod error;
mod expectations;
mod expected;
mod failure;
mod ground;
mod guests;
mod host;
mod images;
mod kube;
mod level;
mod named;
mod official;
mod patience;
mod player;
mod profile;
pub mod report;
mod run;
mod running;
mod setup;
mod shim;
mod stage;
mod starts;
mod testsuite;
mod trials;

pub use case::Case;
pub use cases::all;
pub use claims::Claims;
pub use error::{Error, ErrorKind, Result};
pub use expectations::Expectations;
pub use ground::Ground;
pub use images::write_images;
pub use kube::{ClusterTarget, Nodes, Script};
pub use level::Level;
pub use profile::{Keyword, Profile};
pub use run::{Progress, Run, Target};
pub use trials::{cluster, engine, part_of_shim, shim};
