//! What is to be measured, and how often.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

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
    /// How often each container is started warm; cold starts and pods are half as many, cold pods and those on disk a quarter
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// Fewer rounds and containers, and no Python: shows that it works
    #[arg(long)]
    quick: bool,
    /// Measure this only; may be repeated
    #[arg(long, value_name = "PART", value_enum)]
    only: Vec<Part>,
    /// Measure how this program starts in place of ours; it has to end with 0. Its arguments follow `--`
    #[arg(long, value_name = "FILE.wasm", conflicts_with = "only")]
    pub(crate) module: Option<PathBuf>,
    /// Write all figures and samples into a file
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// What the program of --module is called with
    #[arg(last = true, requires = "module")]
    pub(crate) args: Vec<String>,
}

/// What is measured together.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Part {
    /// How long a container takes from its creation to its end
    Starts,
    /// Many containers, several at a time
    Throughput,
    /// What servers answer
    Http,
    /// What waiting containers hold
    Memory,
}

/// How much of everything.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    parts: Vec<Part>,
    /// Starts of a container before the first that counts.
    pub(crate) warm_ups: usize,
    /// Starts of each container that count: warm, cold, in a pod, cold in a pod, and on disk.
    pub(crate) rounds: usize,
    pub(crate) colds: usize,
    pub(crate) pods: usize,
    pub(crate) cold_pods: usize,
    pub(crate) disks: usize,
    /// Cold starts of the large component, which takes seconds to compile.
    pub(crate) cold_pythons: usize,
    /// Bursts that count, the containers of one, and how many of them at a time.
    pub(crate) bursts: usize,
    pub(crate) burst: usize,
    pub(crate) at_once: &'static [usize],
    /// How often each server is asked in rounds, how many requests are in one, and by how many clients.
    pub(crate) asks: usize,
    pub(crate) requests: usize,
    pub(crate) clients: &'static [usize],
    /// In how many waiting containers memory is looked at, and how often where they are few.
    pub(crate) looks: usize,
    pub(crate) waiting: &'static [usize],
    pub(crate) waiting_rootfs: &'static [usize],
    pub(crate) waiting_pods: &'static [usize],
    pub(crate) waiting_pythons: &'static [usize],
    pub(crate) has_python: bool,
}

impl Arguments {
    pub(crate) fn plan(&self) -> Plan {
        let parts = match &self.module {
            // Of a program that nobody here knows, only its end can be awaited.
            Some(_) => vec![Part::Starts],
            None if self.only.is_empty() => Part::value_variants().to_vec(),
            None => self.only.clone(),
        };
        let few = self.quick;
        let pick = |quick, full| if few { quick } else { full };
        let rounds = self.rounds.unwrap_or_else(|| pick(5, 20)).max(1);
        Plan {
            parts,
            warm_ups: 2,
            rounds,
            colds: rounds.div_ceil(2),
            pods: rounds.div_ceil(2),
            cold_pods: rounds.div_ceil(4),
            disks: rounds.div_ceil(4),
            cold_pythons: rounds.min(3),
            bursts: pick(2, 5),
            burst: pick(12, 40),
            at_once: if few { &[1, 4] } else { &[1, 2, 4, 8, 16] },
            asks: pick(2, 5),
            requests: pick(500, 4000),
            clients: &[1, 8, 32],
            looks: pick(1, 3),
            waiting: if few { &[1, 10] } else { &[1, 10, 20, 50] },
            // One number shows that it makes no difference.
            waiting_rootfs: if few { &[10] } else { &[20] },
            waiting_pods: if few { &[1] } else { &[1, 10, 20, 50] },
            waiting_pythons: &[1, 10],
            has_python: !few && self.module.is_none(),
        }
    }
}

impl Plan {
    pub(crate) fn includes(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(words: &[&str]) -> Plan {
        Arguments::parse_from([&["containers"], words].concat()).plan()
    }

    #[test]
    fn of_a_program_of_ones_own_only_its_starts_are_measured() {
        let plan = plan(&["--module", "a.wasm", "--", "-n", "3"]);
        assert_eq!(plan.parts, [Part::Starts]);
        assert!(!plan.has_python);
    }

    #[test]
    fn a_quick_run_takes_something_of_every_part() {
        let plan = plan(&["--quick"]);
        assert!(Part::value_variants().iter().all(|part| plan.includes(*part)));
        assert!(plan.disks > 0 && plan.cold_pods > 0 && !plan.waiting_pods.is_empty());
    }

    #[test]
    fn everything_has_a_round_at_least() {
        let plan = plan(&["--rounds", "0"]);
        assert_eq!(
            [plan.rounds, plan.colds, plan.pods, plan.cold_pods, plan.disks, plan.cold_pythons],
            [1; 6]
        );
    }
}
