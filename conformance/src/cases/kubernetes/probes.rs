use serde_json::{Value, json};

use super::servers::{PORT, http_probe, server};
use super::{guest, kubernetes, program};
use crate::case::Case;
use crate::failure::{Failure, Result, ensure};
use crate::kube::{GUEST, KubeStage, Pod, ready, restarts, status, text, with};
use crate::setup::Setup;

const SIGTERM_STATUS: u32 = 143;
/// Much longer than anything is waited for: who has ended within the suite's patience has not been killed.
const GRACE: u32 = 3600;

pub(super) fn cases() -> Vec<Case> {
    kubernetes(
        "probes",
        [
            Case::cluster("kubernetes/readiness-by-http", guest(["sleep"]), |stage| {
                by_server(stage, http_probe())
            }),
            Case::cluster("kubernetes/readiness-by-tcp", guest(["sleep"]), |stage| {
                by_server(stage, json!({ "tcpSocket": { "port": PORT }, "periodSeconds": 1 }))
            }),
            Case::cluster("kubernetes/readiness-by-exec-of-wasm", guest(["sleep"]), by_exec),
            Case::cluster("kubernetes/liveness-restarts-a-guest", guest(["sleep"]), liveness),
            Case::cluster("kubernetes/startup-probe-holds-back-the-others", guest(["sleep"]), startup),
        ],
    )
}

/// A server becomes ready, and a guest that does not serve never does.
fn by_server(stage: &KubeStage<'_>, probe: Value) -> Result {
    let probe = json!({ "readinessProbe": probe });
    let serving = stage.create(&stage.manifest([with(stage.guest(&server(stage)), probe.clone())]))?;
    let other = stage.create(&stage.manifest([with(stage.guest(&stage.setup()), probe)]))?;
    serving.is_ready()?;
    unhealthy(&other, &["Readiness probe failed"])?;
    let object = other.object()?;
    ensure(!ready(&object), || "a guest that serves nothing is ready".to_owned())
}

/// The probe is a wasm program in the wasm container.
fn by_exec(stage: &KubeStage<'_>) -> Result {
    let ask = json!({ "exec": { "command": [program(stage), "cwd-read", "/data/ready"] }, "periodSeconds": 1, "timeoutSeconds": 10 });
    let pod = stage
        .create(&stage.manifest([with(stage.guest(&stage.setup()), json!({ "readinessProbe": ask }))]))?;
    // The event tells what the probe said; one that took too long has said nothing, and another one follows.
    unhealthy(&pod, &["Readiness probe failed", "NotFound"])?;
    native(&pod, ["touch", "/data/ready"])?;
    pod.is_ready()?;
    native(&pod, ["rm", "/data/ready"])?;
    pod.until(|pod| Ok(ready(pod).then(|| "expected it to be unready again".to_owned())))?;
    Ok(())
}

/// By a program that is run beside the guest, and by the guest's own answer.
fn liveness(stage: &KubeStage<'_>) -> Result {
    liveness_by_exec(stage)?;
    liveness_by_http(stage)
}

fn liveness_by_exec(stage: &KubeStage<'_>) -> Result {
    let ask = json!({
        "exec": { "command": ["/bin/busybox", "test", "!", "-e", "/data/broken"] },
        "periodSeconds": 1, "failureThreshold": 2, "timeoutSeconds": 10,
    });
    let pod = always(stage, &stage.setup(), json!({ "livenessProbe": ask }))?;
    pod.runs(GUEST)?;
    pod.says(GUEST, "ready\n")?;
    native(&pod, ["touch", "/data/broken"])?;
    let object = pod.until(|pod| {
        Ok((restarts(pod, GUEST) == 0).then(|| "expected the guest to be started again".to_owned()))
    })?;
    let last = &status(&object, GUEST)["lastState"]["terminated"];
    ensure(last["exitCode"] == SIGTERM_STATUS, || format!("expected the end by SIGTERM, but saw {last}"))
}

/// A server stays once it has answered, and a guest that does not serve is started again.
fn liveness_by_http(stage: &KubeStage<'_>) -> Result {
    let alive = with(http_probe(), json!({ "failureThreshold": 5 }));
    let started = with(http_probe(), json!({ "failureThreshold": 1000 }));
    let probes = json!({ "startupProbe": started, "livenessProbe": alive.clone() });
    let serving = always(stage, &server(stage), probes)?;
    serving.is_ready()?;
    let silent = always(stage, &stage.setup(), json!({ "livenessProbe": alive }))?;
    silent.until(|pod| {
        let missing = "expected the guest that does not serve to be started again";
        Ok((restarts(pod, GUEST) == 0).then(|| missing.to_owned()))
    })?;
    let times = restarts(&serving.object()?, GUEST);
    ensure(times == 0, || format!("the guest that serves was started {times} times again"))
}

/// A liveness probe that always fails does nothing until the guest has started.
fn startup(stage: &KubeStage<'_>) -> Result {
    let started = json!({
        "exec": { "command": ["/bin/busybox", "test", "-e", "/data/started"] },
        "periodSeconds": 1, "failureThreshold": 1000, "timeoutSeconds": 10,
    });
    let alive = json!({
        "exec": { "command": ["/bin/busybox", "false"] },
        "periodSeconds": 1, "failureThreshold": 1, "timeoutSeconds": 10,
    });
    let pod = always(stage, &stage.setup(), json!({ "startupProbe": started, "livenessProbe": alive }))?;
    stage.cluster.event(&pod.name, |event| {
        text(event, "/message").contains("Startup probe failed") && event["count"].as_u64() > Some(2)
    })?;
    let object = pod.object()?;
    let before = restarts(&object, GUEST);
    ensure(before == 0 && status(&object, GUEST)["started"] == false, || {
        format!("it was started {before} times again before its startup probe passed")
    })?;
    native(&pod, ["touch", "/data/started"])?;
    pod.until(|pod| {
        Ok((restarts(pod, GUEST) == 0).then(|| "expected the liveness probe to fail then".to_owned()))
    })?;
    Ok(())
}

/// A pod whose guest is started again whenever it ends.
fn always<'a>(stage: &KubeStage<'a>, setup: &Setup, change: Value) -> Result<Pod<'a>> {
    let mut manifest = stage.manifest([with(stage.guest(setup), change)]);
    manifest["spec"]["restartPolicy"] = json!("Always");
    manifest["spec"]["terminationGracePeriodSeconds"] = json!(GRACE);
    let pod = stage.create(&manifest)?;
    pod.runs(GUEST)?;
    Ok(pod)
}

/// Waits for an event that says all of this.
fn unhealthy(pod: &Pod<'_>, says: &[&str]) -> Result {
    let fits = |event: &Value| {
        let message = text(event, "/message");
        text(event, "/reason") == "Unhealthy" && says.iter().all(|part| message.contains(part))
    };
    pod.cluster.event(&pod.name, fits).map(drop)
}

/// Runs an applet of busybox in the guest's container.
fn native<const N: usize>(pod: &Pod<'_>, applet: [&str; N]) -> Result {
    let command = ["/bin/busybox"].into_iter().chain(applet);
    let ran = pod.runs_in(GUEST, &crate::kube::Exec::new(command))?;
    let failed = || Failure(format!("{applet:?} ended with {:?}: {}", ran.code, ran.message));
    if ran.code == Some(0) { Ok(()) } else { Err(failed()) }
}
