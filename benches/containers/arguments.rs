//! What is to be measured, and how often.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use serde::Serialize;

/// Measures containers under every shim, beside runc and beside a shim that does nothing.
#[derive(Debug, Parser)]
#[command(
    after_help = "It needs root, containerd, runc, the CNI plugins and busybox-static; `cargo xtask setup` installs them.\n\
                  Without --shim it takes those beside it: wasmtime, wasmedge, wasmer, and runwasi, the old host.\n\
                  A shim called old-<name> is what the shim <name> is compared with."
)]
pub(crate) struct Arguments {
    /// A shim's binary, under another name if one is given, or a folder of shims; may be repeated
    #[arg(long = "shim", value_name = "[NAME=]PATH")]
    pub(crate) shims: Vec<String>,
    /// How often each container is started warm
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// Fewer rounds and containers, no Python and no pods: shows that it works
    #[arg(long)]
    quick: bool,
    /// Measure this only; may be repeated
    #[arg(long, value_name = "PART", value_enum)]
    only: Vec<Part>,
    /// Write all figures and samples into a file
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Also print the tables of docs/benchmarks.md
    #[arg(long)]
    pub(crate) markdown: bool,
}

/// What is measured together.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Part {
    /// How long a container takes from its creation to its end
    Starts,
    /// Many containers, several at a time
    Throughput,
    /// What waiting containers hold
    Memory,
}

/// How much of everything.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Plan {
    parts: Vec<Part>,
    /// Starts of a container before the first that counts.
    pub(crate) warm_ups: usize,
    /// Starts of each container that count.
    pub(crate) rounds: usize,
    /// Bursts that count, and the containers of one.
    pub(crate) bursts: usize,
    pub(crate) burst: usize,
    pub(crate) at_once: usize,
    /// How often memory is looked at, and in how many waiting containers.
    pub(crate) looks: usize,
    pub(crate) hellos: usize,
    pub(crate) pythons: usize,
    pub(crate) has_python: bool,
    pub(crate) has_pods: bool,
}

impl Arguments {
    pub(crate) fn plan(&self) -> Plan {
        let parts = if self.only.is_empty() { Part::value_variants().to_vec() } else { self.only.clone() };
        let few = self.quick;
        Plan {
            parts,
            warm_ups: 2,
            rounds: self.rounds.unwrap_or(if few { 5 } else { 20 }).max(1),
            bursts: if few { 2 } else { 5 },
            burst: if few { 12 } else { 40 },
            at_once: 4,
            looks: if few { 1 } else { 3 },
            hellos: if few { 10 } else { 20 },
            pythons: 10,
            has_python: !few,
            has_pods: !few,
        }
    }
}

impl Plan {
    pub(crate) fn includes(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }
}
