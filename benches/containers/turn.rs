//! One container at a time, and nothing of it left when the next one's turn comes.

use std::thread;
use std::time::{Duration, Instant, SystemTime};

use shimmer_benches::results::containers::{Form, Program};
pub(crate) use shimmer_benches::turn::order;
use shimmer_node::{ContainerSpec, Node, Output};

use crate::Result;
use crate::images::Images;
use crate::program::is_answer;
use crate::target::{Kind, Target};

/// A container that has ended and is deleted.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) id: String,
    pub(crate) output: Output,
    /// When its start was asked for, and when its end was told, by the clock that guests see.
    pub(crate) asked: SystemTime,
    pub(crate) told: SystemTime,
}

/// Runs a container of a known image to its end, and checks that it did what it should.
pub(crate) fn run(
    node: &Node,
    images: &Images<'_>,
    target: &Target,
    program: Program,
    form: Form,
) -> Result<Ended> {
    let (id, spec) = images.container(target, program, form);
    run_as(node, id, spec, target, program)
}

/// The same, of a container that is described.
pub(crate) fn run_as(
    node: &Node,
    id: String,
    spec: ContainerSpec,
    target: &Target,
    program: Program,
) -> Result<Ended> {
    let container = node.container(spec)?;
    let mut task = container.create()?;
    let asked = SystemTime::now();
    task.start()?;
    task.wait(PATIENCE)?;
    let told = SystemTime::now();
    let output = task.delete()?;
    container.delete()?;
    if target.kind == Kind::Floor || (output.code == 0 && is_answer(program, &output.stdout)) {
        return Ok(Ended { id, output, asked, told });
    }
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    Err(format!("{id} ended with {}, {stdout:?} and {stderr:?}", output.code).into())
}

/// Waits until no process names any of these containers: shims end after their task is deleted, and containerd runs
/// their binaries once more, which is not the next container's affair.
#[expect(clippy::disallowed_methods, reason = "containerd does not say when it has done with a shim")]
pub(crate) fn settle(node: &Node, ids: &[String]) -> Result {
    let begin = Instant::now();
    let names_one = |arg: &String| ids.iter().any(|id| arg.contains(id.as_str()));
    loop {
        let left = node.processes()?.into_iter().find(|process| process.args.iter().any(names_one));
        match left {
            None => return Ok(()),
            Some(process) if begin.elapsed() > PATIENCE => {
                return Err(format!("{:?} is there {PATIENCE:?} after its container", process.args).into());
            }
            Some(_) => thread::sleep(PAUSE),
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(2);
