//! What waiting containers hold: the proportional set size of every process below containerd, by its role.

use std::thread;
use std::time::Duration;

use shimmer_benches::progress::Progress;
use shimmer_benches::results::containers::{Form, Held, Level, Memory, Program};
use shimmer_benches::summary::Summary;
use shimmer_node::cri::{Pod, PodContainer, PodSpec};
use shimmer_node::{Container, Node, Task};

use crate::arguments::Plan;
use crate::images::Images;
use crate::program::{Wasm, greeting};
use crate::role::{self, Owners};
use crate::target::{Kind, Target, Targets};
use crate::{Result, chance, turn};

/// Measures one target after the other.
pub(crate) fn measure(plan: &Plan, targets: &Targets, wasm: &Wasm, rows: &mut Vec<Memory>) -> Vec<String> {
    let mut progress = Progress::new("memory", targets.all.len());
    let mut failures = Vec::new();
    for target in &targets.all {
        progress.step(&target.name);
        if let Err(error) = of_target(plan, targets, target, wasm, rows) {
            failures.push(format!("memory of {}: {error}", target.name));
        }
    }
    failures
}

/// Measures one target on a node of its own: nobody else maps its files there.
fn of_target(plan: &Plan, targets: &Targets, target: &Target, wasm: &Wasm, rows: &mut Vec<Memory>) -> Result {
    let folder = targets.linked(std::slice::from_ref(target))?;
    let node = Node::builder().shims(folder.path()).memory().start()?;
    let images = Images::import(&node, std::slice::from_ref(target), wasm, &PROGRAMS)?;
    for program in PROGRAMS {
        for image in images.forms(target, program) {
            for level in [Level::Task, Level::Pod] {
                let stage = Stage { node: &node, images: &images, target, program, image, level };
                for &containers in stage.numbers(plan) {
                    let row = stage.row(plan, containers);
                    let has_failed = row.failure.is_some();
                    rows.push(row);
                    // More of them would fail as well.
                    if has_failed {
                        break;
                    }
                }
            }
        }
    }
    Ok(node.stop()?)
}

#[derive(Clone, Copy)]
struct Stage<'a> {
    node: &'a Node,
    images: &'a Images<'a>,
    target: &'a Target,
    program: Program,
    image: Form,
    level: Level,
}

impl Stage<'_> {
    /// Numbers of containers. The floor's tasks end at once, and a pod needs a sandbox; a rootfs in a pod would say no
    /// more than an artifact in one.
    fn numbers<'p>(&self, plan: &'p Plan) -> &'p [usize] {
        match (self.program, self.level, self.image) {
            (Program::Python, Level::Task, _) => plan.waiting_pythons,
            (Program::Rest, Level::Task, Form::Rootfs) => plan.waiting_rootfs,
            (Program::Rest, Level::Task, _) => plan.waiting,
            (Program::Rest, Level::Pod, Form::Native | Form::Artifact) if self.target.kind != Kind::Floor => {
                plan.waiting_pods
            }
            _ => &[],
        }
    }

    fn row(&self, plan: &Plan, containers: usize) -> Memory {
        let mut looks = Vec::new();
        let failure = self.looks(plan, containers, &mut looks).err().map(|error| error.to_string());
        Memory {
            target: self.target.name.clone(),
            program: self.program,
            image: self.image,
            level: self.level,
            containers,
            total: Summary::of(looks.iter().map(role::total).collect()),
            held: looks.pop(),
            failure,
        }
    }

    fn looks(&self, plan: &Plan, containers: usize, looks: &mut Vec<Held>) -> Result {
        // The first one compiles.
        drop(chance::measured(self.target, || self.task())?);
        let times = if containers > MANY { 1 } else { plan.looks };
        for _ in 0..times {
            looks.push(chance::measured(self.target, || match self.level {
                Level::Task => self.of_tasks(containers),
                Level::Pod => self.of_pods(containers),
            })?);
        }
        Ok(())
    }

    fn of_tasks(&self, containers: usize) -> Result<Held> {
        let waiting = (0..containers).map(|_| self.task()).collect::<Result<Vec<_>>>()?;
        let ids = waiting.iter().map(|waiting| waiting.container.id().to_owned()).collect();
        self.look(waiting, ids, Vec::new())
    }

    fn of_pods(&self, containers: usize) -> Result<Held> {
        let waiting = (0..containers).map(|number| self.pod(number)).collect::<Result<Vec<_>>>()?;
        let (ids, pods) = waiting.iter().map(|(one, pod)| (one.id().to_owned(), pod.id().to_owned())).unzip();
        self.look(waiting, ids, pods)
    }

    /// Looks at what the `waiting` containers hold, and ends them.
    #[expect(clippy::disallowed_methods, reason = "memory that is no longer needed is given back later")]
    fn look<W>(&self, waiting: Vec<W>, ids: Vec<String>, pods: Vec<String>) -> Result<Held> {
        let tasks = self.node.tasks()?;
        let pids_of = |wanted: &[String]| {
            // The floor's task has the id of its server.
            let tasks =
                tasks.iter().filter(|task| self.target.kind != Kind::Floor && wanted.contains(&task.id));
            tasks.map(|task| task.pid).collect()
        };
        let owners = Owners { guests: pids_of(&ids), pauses: pids_of(&pods) };
        thread::sleep(REST);
        let held = role::held(&self.node.processes()?, &owners, waiting.len())?;
        drop(waiting);
        turn::settle(self.node, &[ids, pods].concat())?;
        Ok(held)
    }

    /// A container that waits.
    fn task(&self) -> Result<Waiting> {
        let (_, spec) = self.images.container(self.target, self.program, self.image);
        let spec = if self.program == Program::Python { spec.stdin_open() } else { spec };
        let container = self.node.container(spec)?;
        let mut waiting = Waiting { task: container.create()?, container };
        waiting.task.start()?;
        if self.target.kind != Kind::Floor {
            waiting.task.wait_for(greeting(self.program), PATIENCE)?;
        }
        Ok(waiting)
    }

    /// A container that waits in a pod of its own. On the machine's network: a network of its own is not the shim's.
    fn pod(&self, number: usize) -> Result<(PodContainer, Pod)> {
        let spec = PodSpec::new(format!("rest-{number}"), &self.target.name).host_network();
        let pod = self.node.cri()?.pod(spec)?;
        let container = pod.container(self.images.of_pod(self.target, self.program, self.image))?;
        container.start()?;
        container.wait_for(greeting(self.program), PATIENCE)?;
        Ok((container, pod))
    }
}

/// Dropped in this order.
struct Waiting {
    task: Task,
    container: Container,
}

const PROGRAMS: [Program; 2] = [Program::Rest, Program::Python];
/// One look at so many is the mean of enough.
const MANY: usize = 10;
const PATIENCE: Duration = Duration::from_secs(300);
const REST: Duration = Duration::from_millis(500);
