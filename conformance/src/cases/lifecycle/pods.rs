//! Containers in pods, as the kubelet sees them.

use std::time::{Duration, SystemTime};

use shimmer_node::cri::{ContainerStatus, Ended};

use super::super::row;
use super::{SIGTERM, ready};
use crate::case::Case;
use crate::failure::{Failure, Result, ensure};
use crate::patience::patience;
use crate::profile::Profile;
use crate::setup::probe;
use crate::stage::Stage;

/// Longer than any guest takes that ends by itself.
const GRACE: Duration = Duration::from_secs(30);

pub(super) fn cases() -> Vec<Case> {
    row(
        "pod-containers",
        Profile::Core,
        [
            Case::cri("lifecycle/pod-completed", probe(["return"]), |stage| reason(stage, 0, "Completed"))
                .twin(),
            Case::cri("lifecycle/pod-error", probe(["proc-exit", "7"]), |stage| reason(stage, 7, "Error"))
                .twin(),
            Case::cri("lifecycle/pod-status", probe(["sleep"]), status).twin(),
            Case::cri("lifecycle/pod-times", probe(["sleep"]), times).twin(),
            Case::cri("lifecycle/pod-stop-sends-sigterm", probe(["spin"]), stop_sends_sigterm).twin(),
            Case::cri("lifecycle/pod-container-again", probe(["proc-exit", "3"]), container_again).twin(),
            Case::cri("lifecycle/pod-ends-with-its-containers", probe(["sleep"]), ends_with_its_containers)
                .twin(),
        ],
    )
}

fn reason(stage: &Stage<'_>, code: u32, reason: &str) -> Result {
    let ended = stage.run(&stage.setup())?;
    ensure((ended.code, ended.reason.as_deref()) == (code, Some(reason)), || {
        format!("expected status {code} and {reason}, but saw {:?} and {}", ended.reason, ended.describe())
    })
}

fn status(stage: &Stage<'_>) -> Result {
    let mut running = stage.create(&stage.setup())?;
    let created = running.in_pod()?.0.status()?;
    ensure(created == ContainerStatus::Created, || format!("expected Created, but saw {created:?}"))?;
    running.start()?;
    running.wait_for("ready\n")?;
    let runs = running.in_pod()?.0.status()?;
    ensure(matches!(runs, ContainerStatus::Running { .. }), || format!("expected Running, but saw {runs:?}"))
}

fn times(stage: &Stage<'_>) -> Result {
    let mut running = stage.create(&stage.setup())?;
    let created = SystemTime::now();
    running.start()?;
    // CRI notes the start when it has been told of it: a guest may end before.
    running.kill(SIGTERM)?;
    let ended = running.in_pod()?.0.wait(patience())?;
    ensure(created <= ended.started_at && ended.started_at <= ended.finished_at, || {
        format!("expected times in order and after {created:?}, but saw {ended:?}")
    })
}

/// It would be 137 if the grace period had to pass first.
fn stop_sends_sigterm(stage: &Stage<'_>) -> Result {
    let mut running = ready(stage)?;
    let (container, _) = running.in_pod()?;
    container.stop(GRACE)?;
    expect(&container.wait(patience())?, 128 + SIGTERM)
}

/// As the kubelet restarts a container: a new one of the same name beside the old one's sandbox.
fn container_again(stage: &Stage<'_>) -> Result {
    let setup = stage.setup();
    let mut running = stage.start(&setup)?;
    let first = running.in_pod()?.0;
    expect(&first.wait(patience())?, 3)?;
    first.delete()?;
    let second = running.beside("guest", &setup)?;
    expect(&second.wait(patience())?, 3)
}

fn ends_with_its_containers(stage: &Stage<'_>) -> Result {
    let mut running = ready(stage)?;
    let (container, pod) = running.in_pod()?;
    pod.stop()?;
    match container.status()? {
        ContainerStatus::Exited(ended) => expect(&ended, 137),
        other => Err(Failure(format!("expected an end, but saw {other:?}"))),
    }
}

fn expect(ended: &Ended, code: u32) -> Result {
    ensure(ended.code == code, || format!("expected status {code}, but saw {ended:?}"))
}
