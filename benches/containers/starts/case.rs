//! One container that is started again and again.

use shimmer_benches::results::containers::{Form, Heat, Level, Program, Starts, Store};
use shimmer_node::Node;

use crate::images::Images;
use crate::starts::pod;
use crate::starts::sample::{Sample, summary};
use crate::target::Target;
use crate::{Result, chance, turn};

/// A container, and what was measured of it.
#[derive(Debug)]
pub(super) struct Case<'a> {
    pub(super) target: &'a Target,
    program: Program,
    pub(super) form: Form,
    level: Level,
    pub(super) heat: Heat,
    store: Store,
    /// In how many of the rounds it is started: in the first ones.
    pub(super) rounds: usize,
    samples: Vec<Sample>,
    failure: Option<String>,
}

impl<'a> Case<'a> {
    /// A task that has run before, on a node in memory.
    pub(super) fn warm(target: &'a Target, program: Program, form: Form, rounds: usize) -> Self {
        let (level, heat, store) = (Level::Task, Heat::Warm, Store::Memory);
        Self { target, program, form, level, heat, store, rounds, samples: Vec::new(), failure: None }
    }

    /// The same, of an image that nobody has seen.
    pub(super) fn cold(self) -> Self {
        Self { heat: Heat::Cold, ..self }
    }

    /// The same, on a disk.
    pub(super) fn on_disk(self) -> Self {
        Self { store: Store::Disk, ..self }
    }

    /// The same, in a pod.
    pub(super) fn in_pod(self) -> Self {
        Self { level: Level::Pod, ..self }
    }

    /// Once more, unless it has failed before: a shim may have to refuse a program.
    pub(super) fn start(&mut self, node: &Node, images: &Images<'_>) {
        if self.failure.is_some() {
            return;
        }
        match chance::measured(self.target, || self.sample(node, images)) {
            Ok(sample) => self.samples.push(sample),
            Err(error) => self.failure = Some(error.to_string()),
        }
    }

    /// What was measured up to now does not count.
    pub(super) fn forget(&mut self) {
        self.samples.clear();
    }

    fn sample(&self, node: &Node, images: &Images<'_>) -> Result<Sample> {
        match (self.level, self.heat) {
            (Level::Task, Heat::Warm) => {
                let ended = turn::run(node, images, self.target, self.program, self.form)?;
                let sample = Sample::of(self.program, &ended);
                turn::settle(node, &[ended.id])?;
                Ok(sample)
            }
            (Level::Task, Heat::Cold) => self.unseen(node, images),
            (Level::Pod, Heat::Warm) => {
                let spec = images.of_pod(self.target, self.program, self.form);
                pod::sample(node, self.target, self.program, spec)
            }
            (Level::Pod, Heat::Cold) => self.unseen_in_pod(node, images),
        }
    }

    /// The image is imported and unpacked before, and removed after: neither is the shim's affair.
    fn unseen(&self, node: &Node, images: &Images<'_>) -> Result<Sample> {
        let image = images.unseen(node, self.target, self.program, self.form)?;
        let (id, spec) = images.container_of(&image, self.target, self.program, self.form);
        let ended = turn::run_as(node, id.clone(), spec, self.target, self.program);
        turn::settle(node, &[id])?;
        node.remove(&image)?;
        Ok(Sample::of(self.program, &ended?))
    }

    fn unseen_in_pod(&self, node: &Node, images: &Images<'_>) -> Result<Sample> {
        let image = images.unseen(node, self.target, self.program, self.form)?;
        let spec = images.of_pod_of(&image, self.program, self.form);
        let sample = pod::sample(node, self.target, self.program, spec);
        node.remove(&image)?;
        sample
    }

    pub(super) fn summary(self) -> Starts {
        let of = |part: fn(&Sample) -> Option<f64>| summary(&self.samples, part);
        Starts {
            target: self.target.name.clone(),
            program: self.program,
            image: self.form,
            level: self.level,
            heat: self.heat,
            store: self.store,
            to_exit: of(|sample| sample.to_exit()),
            sandbox: of(|sample| sample.sandbox),
            create: of(|sample| Some(sample.create)),
            output: of(|sample| sample.output),
            instruction: of(|sample| sample.instruction),
            event: of(|sample| sample.event),
            exit: of(|sample| Some(sample.exit)),
            delete: of(|sample| Some(sample.delete)),
            failure: self.failure,
        }
    }
}
