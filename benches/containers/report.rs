//! All that was measured, and what is said of it.

pub(crate) mod goal;
pub(crate) mod markdown;
pub(crate) mod text;

use serde::Serialize;

use crate::arguments::Plan;
use crate::machine::Machine;
use crate::memory::{Level, Memory};
use crate::program::{Form, Program};
use crate::starts::Starts;
use crate::target::{FLOOR, old_names};
use crate::throughput::Throughput;

/// Everything, as the JSON file has it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) plan: Plan,
    /// The distance between the quartiles of the floor, as a part of its median.
    pub(crate) noise: Option<f64>,
    pub(crate) starts: Vec<Starts>,
    pub(crate) throughput: Vec<Throughput>,
    pub(crate) memory: Vec<Memory>,
    /// What went wrong, which no figure shows.
    pub(crate) failures: Vec<String>,
}

/// From here on, a machine is too busy for its figures to be trusted.
const NOISY: f64 = 0.2;

impl Report {
    pub(crate) fn new(plan: Plan, machine: Machine) -> Self {
        let (starts, throughput, memory, failures) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { machine, plan, noise: None, starts, throughput, memory, failures }
    }

    /// Draws what follows from the figures, when all are there.
    pub(crate) fn close(&mut self) {
        self.noise = self.start(FLOOR, Program::Hello, Form::Rootfs).map(|starts| starts.to_exit.spread());
        // Not every engine has components, and a refusal to run one stands in the table.
        let starts = self.starts.iter().filter(|row| row.program != Program::Python);
        let starts = starts.filter_map(|row| Some((&row.target, row.failure.as_ref()?)));
        let throughput = self.throughput.iter().filter_map(|row| Some((&row.target, row.failure.as_ref()?)));
        let memory = self.memory.iter().filter(|row| row.program != Program::Python);
        let memory = memory.filter_map(|row| Some((&row.target, row.failure.as_ref()?)));
        let all = starts.chain(throughput).chain(memory);
        let failures: Vec<String> = all.map(|(target, failure)| format!("{target}: {failure}")).collect();
        self.failures.extend(failures);
    }

    pub(crate) fn is_noisy(&self) -> bool {
        self.noise.is_some_and(|noise| noise > NOISY)
    }

    fn start(&self, target: &str, program: Program, image: Form) -> Option<&Starts> {
        let is_it = |row: &&Starts| row.target == target && row.program == program && row.image == image;
        self.starts.iter().find(is_it).filter(|row| row.failure.is_none())
    }

    /// The same measurement of the old host.
    fn old_start(&self, target: &str, program: Program, image: Form) -> Option<&Starts> {
        old_names(target).iter().find_map(|old| self.start(old, program, image))
    }

    /// Milliseconds from creation to exit over those of a shim that does nothing.
    fn above_floor(&self, starts: &Starts) -> Option<f64> {
        let image = if starts.image == Form::Native { Form::Rootfs } else { starts.image };
        Some(starts.to_exit.median - self.start(FLOOR, Program::Hello, image)?.to_exit.median)
    }

    fn throughput_of(&self, target: &str) -> Option<f64> {
        let row = self.throughput.iter().find(|row| row.target == target && row.failure.is_none());
        row.map(|row| row.per_second.median)
    }

    fn old_throughput(&self, target: &str) -> Option<f64> {
        old_names(target).iter().find_map(|old| self.throughput_of(old))
    }

    /// MiB for each container from an artifact, or a native one.
    fn memory_of(&self, target: &str, program: Program) -> Option<f64> {
        let is_it = |row: &&Memory| {
            row.target == target
                && row.program == program
                && row.level == Level::Task
                && row.image != Form::Rootfs
        };
        self.memory.iter().find(is_it).filter(|row| row.failure.is_none()).map(|row| row.total.median)
    }

    fn old_memory(&self, target: &str, program: Program) -> Option<f64> {
        old_names(target).iter().find_map(|old| self.memory_of(old, program))
    }
}
