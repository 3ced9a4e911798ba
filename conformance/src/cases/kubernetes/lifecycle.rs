use std::time::{Duration, Instant};

use serde_json::json;

use super::{guest, kubernetes, program};
use crate::case::Case;
use crate::failure::{Failure, Result, ensure};
use crate::kube::{GUEST, Kind, KubeStage, Pod, status, with};
use crate::setup::busybox;

const SIGTERM_STATUS: u64 = 143;
const SIGKILL_STATUS: u64 = 137;
/// Much longer than anything is waited for: who has ended within the suite's patience has not been killed.
const GRACE: u32 = 3600;

pub(super) fn cases() -> Vec<Case> {
    kubernetes(
        "lifecycle",
        [
            Case::cluster("kubernetes/a-deleted-guest-ends-at-once", guest(["sleep"]), ends_at_once),
            Case::cluster("kubernetes/what-outlives-its-grace-is-killed", guest(["sleep"]), killed),
            Case::cluster("kubernetes/a-hook-runs-before-the-end", guest(["sleep"]), pre_stop),
            Case::cluster("kubernetes/a-hook-runs-after-the-start", guest(["sleep"]), post_start),
            Case::cluster("kubernetes/an-active-deadline-ends-the-pod", guest(["sleep"]), deadline),
        ],
    )
}

/// SIGTERM arrives, is obeyed, and is the status.
fn ends_at_once(stage: &KubeStage<'_>) -> Result {
    let pod = stage.start(&stage.setup())?;
    pod.says(GUEST, "ready\n")?;
    let (code, _) = deleted(&pod, GRACE, || Ok(()))?;
    ensure(code == Some(SIGTERM_STATUS), || format!("expected status {SIGTERM_STATUS}, but saw {code:?}"))
}

/// A native program that does not listen, since a guest always does.
fn killed(stage: &KubeStage<'_>) -> Result {
    let deaf =
        busybox(["sh", "-c", "trap '' TERM; echo ready; while :; do /bin/busybox usleep 100000; done"]);
    let pod = stage.start(&deaf)?;
    pod.says(GUEST, "ready\n")?;
    let (code, took) = deleted(&pod, 2, || Ok(()))?;
    ensure(code == Some(SIGKILL_STATUS), || format!("expected status {SIGKILL_STATUS}, but saw {code:?}"))?;
    ensure(took >= Duration::from_secs(2), || format!("it had no more than {took:?} of its 2 s"))
}

/// The hook is a wasm program; the guest is told to end after it.
fn pre_stop(stage: &KubeStage<'_>) -> Result {
    let hook =
        json!({ "preStop": { "exec": { "command": [program(stage), "write", "/data/hook", "ran"] } } });
    let guest = with(stage.guest(&stage.setup()), json!({ "lifecycle": hook }));
    let waits = "trap '' TERM; while [ ! -s /data/hook ]; do /bin/busybox usleep 50000; done; \
                 echo \"the hook $(/bin/busybox cat /data/hook)\"; \
                 while [ ! -e /data/seen ]; do /bin/busybox usleep 50000; done";
    let watcher = stage.cluster.container("watcher", &busybox(["sh", "-c", waits]));
    let pod = stage.create(&stage.manifest([guest, watcher]))?;
    pod.runs(GUEST)?;
    pod.runs("watcher")?;
    let (code, _) = deleted(&pod, GRACE, || {
        pod.says("watcher", "the hook ran\n")?;
        // The watcher's own end may break the connection.
        let _ended = pod.exec("watcher", ["/bin/busybox", "touch", "/data/seen"]);
        Ok(())
    })?;
    ensure(code == Some(SIGTERM_STATUS), || format!("expected status {SIGTERM_STATUS}, but saw {code:?}"))
}

fn post_start(stage: &KubeStage<'_>) -> Result {
    let hook =
        json!({ "postStart": { "exec": { "command": [program(stage), "write", "/data/hook", "ran"] } } });
    let pod =
        stage.create(&stage.manifest([with(stage.guest(&stage.setup()), json!({ "lifecycle": hook }))]))?;
    pod.is_ready()?;
    let ran = pod.exec(GUEST, ["/bin/busybox", "cat", "/data/hook"])?;
    ensure(ran.stdout == b"ran", || format!("the hook did not run: {ran:?}"))
}

fn deadline(stage: &KubeStage<'_>) -> Result {
    let manifest = stage.manifest([stage.guest(&stage.setup())]);
    let pod = stage.create(&with(manifest, json!({ "spec": { "activeDeadlineSeconds": 3 } })))?;
    pod.until(|pod| {
        let over = pod["status"]["reason"] == "DeadlineExceeded" && pod["status"]["phase"] == "Failed";
        Ok((!over).then(|| format!("expected the deadline to end it, but saw {}", pod["status"]["phase"])))
    })?;
    Ok(())
}

/// Deletes a pod, and does something while it ends; gives the status that it tells of its guest before it goes, and how
/// long it took.
fn deleted(pod: &Pod<'_>, grace: u32, meanwhile: impl FnOnce() -> Result) -> Result<(Option<u64>, Duration)> {
    let (mut begin, mut code) = (Instant::now(), None);
    let end = || {
        begin = Instant::now();
        pod.delete(Some(grace))?;
        meanwhile()
    };
    pod.cluster.until_after(end, Kind::Pod, &pod.name, |object| {
        let state = status(object, GUEST)["state"]["terminated"]["exitCode"].as_u64();
        code = state.or(code);
        Ok((!object.is_null()).then(|| "expected the pod to go".to_owned()))
    })?;
    if code.is_none() {
        return Err(Failure("the pod went without telling how its guest ended".into()));
    }
    Ok((code, begin.elapsed()))
}
