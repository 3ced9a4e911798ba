//! One container at a time, and nothing of it left when the next one's turn comes.

use std::thread;
use std::time::{Duration, Instant};

use shimmer_node::{Node, Output};

use crate::Result;
use crate::program::{Form, Images, Program};
use crate::target::{Kind, Target};

/// Runs a container to its end, and checks that it did what it should.
pub(crate) fn run(
    node: &Node,
    images: &Images,
    target: &Target,
    program: Program,
    form: Form,
) -> Result<(String, Output)> {
    let (id, spec) = images.container(target, program, form);
    let output = node.run(spec)?;
    let is_right = output.code == 0 && output.stdout == program.greeting().as_bytes();
    if is_right || target.kind == Kind::Floor {
        return Ok((id, output));
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

/// The targets in another order each round, so that none always follows the same one.
pub(crate) fn order(count: usize, round: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).map(|place| (place + round) % count.max(1)).collect();
    if round % 2 == 1 {
        order.reverse();
    }
    order
}

const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_one_turn_in_each_round() {
        assert_eq!(order(3, 0), [0, 1, 2]);
        assert_eq!(order(3, 1), [0, 2, 1]);
        assert_eq!(order(3, 2), [2, 0, 1]);
        assert_eq!(order(0, 5), [0; 0]);
    }
}
