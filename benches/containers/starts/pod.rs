//! A container in a pod of its own, as kubelet asks for one.

use std::thread;
use std::time::{Duration, Instant, SystemTime};

use shimmer_benches::results::containers::Program;
use shimmer_node::cri::{CriContainerSpec, PodSpec};
use shimmer_node::{Events, Node};

use crate::program::greeting;
use crate::starts::sample::{Sample, between, milliseconds};
use crate::target::Target;
use crate::{Result, turn};

/// Runs one to its end and removes it. The pod has the machine's network: one of its own is not the shim's affair. What
/// the client asks besides, how the sandbox is and whether CRI knows the image, takes less than a millisecond.
pub(super) fn sample(
    node: &Node,
    target: &Target,
    program: Program,
    spec: CriContainerSpec,
) -> Result<Sample> {
    // CRI itself looks after containers in steps; containerd's event says when one has ended. Each has a subscription of
    // its own, so that nobody has to read what was told of others first.
    let (cri, events) = (node.cri()?, node.events()?);
    let begin = Instant::now();
    let pod = cri.pod(PodSpec::new(program.to_string(), &target.name).host_network())?;
    let sandbox = begin.elapsed();
    let begin = Instant::now();
    let container = pod.container(spec)?;
    let create = begin.elapsed();
    let asked = SystemTime::now();
    let exit = thread::scope(|scope| {
        let end = scope.spawn(|| end_of(&events, container.id()));
        let begin = Instant::now();
        container.start()?;
        let told = end.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Result::Ok(told.saturating_duration_since(begin))
    })?;
    let ended = container.wait(PATIENCE)?;
    let log = container.log()?;
    if ended.code != 0 || !log.contains(greeting(program)) {
        return Err(format!("the container ended with {} and {log}", ended.code).into());
    }
    let begin = Instant::now();
    container.delete()?;
    pod.delete()?;
    let delete = begin.elapsed();
    turn::settle(node, &[container.id().to_owned(), pod.id().to_owned()])?;
    Ok(Sample {
        sandbox: Some(milliseconds(sandbox)),
        create: milliseconds(create),
        // containerd's own note in the log, by the same clock.
        output: log.first.map(|first| between(asked, first)),
        exit: milliseconds(exit),
        delete: milliseconds(delete),
        ..Sample::default()
    })
}

/// When the end of a container was told.
fn end_of(events: &Events, container: &str) -> Result<Instant> {
    events.wait_for(|event| event.topic == "/tasks/exit" && event.container_id == container, PATIENCE)?;
    Ok(Instant::now())
}

/// Where a start is refused, the end is awaited in vain so long.
const PATIENCE: Duration = Duration::from_secs(30);
