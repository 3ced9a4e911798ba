//! What waiting containers hold: the proportional set size of every process below containerd, by its role.

use std::thread;
use std::time::Duration;

use serde::Serialize;
use shimmer_node::cri::{Pod, PodContainer, PodSpec};
use shimmer_node::{Container, Node, Task};

use crate::arguments::Plan;
use crate::program::{Form, Images, Program};
use crate::role::{Held, Owners};
use crate::summary::Summary;
use crate::target::{Kind, Target, Targets};
use crate::{Result, turn};

/// What one waiting container holds, when there are `containers` of them; in MiB.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Memory {
    pub(crate) target: String,
    pub(crate) program: Program,
    pub(crate) image: Form,
    pub(crate) level: Level,
    pub(crate) containers: usize,
    pub(crate) total: Summary,
    /// By role and by name of the process, from the last look.
    pub(crate) held: Option<Held>,
    /// Why there are no figures.
    pub(crate) failure: Option<String>,
}

/// Who asks for the containers.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Level {
    /// A client of containerd's task service.
    Task,
    /// CRI: each container in a pod of its own, with its pause container.
    Pod,
}

/// Measures one target on a node of its own: nobody else maps its files there.
pub(crate) fn measure(
    plan: &Plan,
    targets: &Targets,
    target: &Target,
    python: Option<&[u8]>,
    rows: &mut Vec<Memory>,
) -> Result {
    let folder = targets.linked(std::slice::from_ref(target))?;
    let node = Node::builder().shims(folder.path()).memory().start()?;
    let images = Images::import(&node, std::slice::from_ref(target), python)?;
    for program in [Program::Rest, Program::Python] {
        for image in images.forms(target, program) {
            let containers = if program == Program::Python { plan.pythons } else { plan.hellos };
            let levels = [Level::Task, Level::Pod].into_iter();
            for level in
                levels.filter(|level| *level == Level::Task || takes_pods(plan, target, program, image))
            {
                let stage = Stage { node: &node, images: &images, target, program, image };
                rows.push(stage.row(plan, level, containers));
            }
        }
    }
    Ok(node.stop()?)
}

/// The floor's tasks end at once, and a pod needs a sandbox; a rootfs in a pod would say no more than an artifact in one.
fn takes_pods(plan: &Plan, target: &Target, program: Program, image: Form) -> bool {
    plan.has_pods && target.kind != Kind::Floor && program == Program::Rest && image != Form::Rootfs
}

#[derive(Clone, Copy)]
struct Stage<'a> {
    node: &'a Node,
    images: &'a Images,
    target: &'a Target,
    program: Program,
    image: Form,
}

impl Stage<'_> {
    fn row(&self, plan: &Plan, level: Level, containers: usize) -> Memory {
        let mut looks = Vec::new();
        let failure = self.looks(plan, level, containers, &mut looks).err().map(|error| error.to_string());
        Memory {
            target: self.target.name.clone(),
            program: self.program,
            image: self.image,
            level,
            containers,
            total: Summary::of(looks.iter().map(Held::total).collect()),
            held: looks.pop(),
            failure,
        }
    }

    fn looks(&self, plan: &Plan, level: Level, containers: usize, looks: &mut Vec<Held>) -> Result {
        // The first one compiles.
        drop(self.task()?);
        for _ in 0..plan.looks {
            looks.push(match level {
                Level::Task => self.of_tasks(containers)?,
                Level::Pod => self.of_pods(containers)?,
            });
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
        let held = Held::of(&self.node.processes()?, &owners, waiting.len());
        drop(waiting);
        turn::settle(self.node, &[ids, pods].concat())?;
        held
    }

    /// A container that waits.
    fn task(&self) -> Result<Waiting> {
        let (_, spec) = self.images.container(self.target, self.program, self.image);
        let spec = if self.program == Program::Python { spec.stdin_open() } else { spec };
        let container = self.node.container(spec)?;
        let mut waiting = Waiting { task: container.create()?, container };
        waiting.task.start()?;
        if self.target.kind != Kind::Floor {
            waiting.task.wait_for(self.program.greeting(), PATIENCE)?;
        }
        Ok(waiting)
    }

    /// A container that waits in a pod of its own. On the machine's network: a network of its own is not the shim's.
    fn pod(&self, number: usize) -> Result<(PodContainer, Pod)> {
        let spec = PodSpec::new(format!("rest-{number}"), &self.target.name).host_network();
        let pod = self.node.cri()?.pod(spec)?;
        let container = pod.container(self.images.of_pod(self.target, self.program, self.image))?;
        container.start()?;
        container.wait_for(self.program.greeting(), PATIENCE)?;
        Ok((container, pod))
    }
}

/// Dropped in this order.
struct Waiting {
    task: Task,
    container: Container,
}

const PATIENCE: Duration = Duration::from_secs(300);
const REST: Duration = Duration::from_millis(500);
