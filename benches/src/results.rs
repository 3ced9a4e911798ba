//! What the benches found: the programs that measure write it, and the page of it is drawn from it.

pub mod containers;
pub mod engines;
pub mod goal;
pub mod noise;
pub mod query;
pub mod target;

use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use containers::Containers;
use engines::Engines;

/// From here on, quartiles are too far apart, as a part of their median, for figures to be trusted.
pub const NOISY: f64 = 0.2;

/// Everything, in one JSON file.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Results {
    /// Where it was measured.
    pub machine: Machine,
    /// The engines by themselves.
    pub engines: Option<Engines>,
    /// Containers under shims.
    pub containers: Option<Containers>,
}
