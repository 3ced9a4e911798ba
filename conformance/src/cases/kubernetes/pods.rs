use serde_json::json;

use super::servers::{ANSWER, PORT, server};
use super::services::wget;
use super::{guest, kubernetes, program};
use crate::case::Case;
use crate::failure::{Result, ensure};
use crate::kube::{Exec, GUEST, KubeStage, STAYS, Stream, status, text, with};
use crate::setup::busybox;

pub(super) fn cases() -> Vec<Case> {
    kubernetes(
        "pods",
        [
            Case::cluster("kubernetes/init-containers-run-in-order", guest(["cwd-read", "/data/note"]), init),
            Case::cluster(
                "kubernetes/a-failed-init-container-ends-the-pod",
                guest(["exit", "3"]),
                failed_init,
            ),
            Case::cluster("kubernetes/restartable-sidecar", guest(["cwd-read", "/data/sidecar"]), sidecar),
            Case::cluster("kubernetes/wasm-and-native-share-a-folder", guest(["sleep"]), share_a_folder),
            Case::cluster("kubernetes/wasm-and-native-share-localhost", guest(["sleep"]), share_localhost),
        ],
    )
}

/// A wasm one, then a native one, then the guest.
fn init(stage: &KubeStage<'_>) -> Result {
    let cluster = stage.cluster;
    let first = cluster.container("first", &stage.probe(["write", "/data/note", "wasm "]));
    let second = cluster.container("second", &busybox(["sh", "-c", "echo native >>/data/note"]));
    let manifest = stage.manifest([stage.guest(&stage.setup())]);
    let pod = stage.create(&with(manifest, json!({ "spec": { "initContainers": [first, second] } })))?;
    pod.ended_with(GUEST, 0)?;
    let both =
        |log: &str| (log != "wasm native\n").then(|| format!("expected both, in order, but saw {log:?}"));
    pod.tells(GUEST, Stream::Merged, both).map(drop)
}

fn failed_init(stage: &KubeStage<'_>) -> Result {
    let init = stage.cluster.container("init", &stage.setup());
    let manifest = stage.manifest([stage.guest(&stage.probe(["return"]))]);
    let pod = stage.create(&with(manifest, json!({ "spec": { "initContainers": [init] } })))?;
    pod.ended_with("init", 3)?;
    let object = pod.until(|pod| {
        let phase = text(pod, "/status/phase");
        Ok((phase != "Failed").then(|| "expected the pod to have failed".to_owned()))
    })?;
    let state = &status(&object, GUEST)["state"];
    ensure(state.get("waiting").is_some() || state["terminated"]["containerID"].is_null(), || {
        format!("the guest has run: {state}")
    })
}

/// It has started when the guest starts, and ends when the guest has ended.
fn sidecar(stage: &KubeStage<'_>) -> Result {
    let starts = format!("echo there >/data/sidecar; {STAYS}");
    let started = json!({
        "exec": { "command": ["/bin/busybox", "test", "-e", "/data/sidecar"] },
        "periodSeconds": 1, "failureThreshold": 1000, "timeoutSeconds": 10,
    });
    let container = stage.cluster.container("sidecar", &busybox(["sh", "-c", &starts]));
    let container = with(container, json!({ "restartPolicy": "Always", "startupProbe": started }));
    let manifest = stage.manifest([stage.guest(&stage.setup())]);
    let pod = stage.create(&with(manifest, json!({ "spec": { "initContainers": [container] } })))?;
    pod.ended_with(GUEST, 0)?;
    pod.tells(GUEST, Stream::Merged, |log| {
        (log != "there\n").then(|| format!("the sidecar had not started: {log:?}"))
    })?;
    pod.until(|pod| {
        let phase = text(pod, "/status/phase");
        Ok((phase != "Succeeded").then(|| "expected the pod to succeed, with its sidecar ended".to_owned()))
    })?;
    pod.ended("sidecar").map(drop)
}

fn share_a_folder(stage: &KubeStage<'_>) -> Result {
    let pod = stage.create(&stage.manifest([stage.guest(&stage.setup()), stage.companion("native")]))?;
    pod.runs(GUEST)?;
    pod.runs("native")?;
    pod.exec("native", ["/bin/busybox", "sh", "-c", "echo from native >/data/one"])?;
    let read = pod.runs_in(GUEST, &Exec::new([program(stage), "cwd-read".into(), "/data/one".into()]))?;
    ensure(read.stdout == b"from native\n", || format!("the guest reads {read:?}"))?;
    let write = [program(stage), "write".into(), "/data/two".into(), "from wasm".into()];
    pod.runs_in(GUEST, &Exec::new(write))?;
    let read = pod.exec("native", ["/bin/busybox", "cat", "/data/two"])?;
    ensure(read.stdout == b"from wasm", || format!("the native container reads {read:?}"))
}

fn share_localhost(stage: &KubeStage<'_>) -> Result {
    let pod = stage.create(&stage.manifest([stage.guest(&server(stage)), stage.companion("native")]))?;
    pod.runs(GUEST)?;
    pod.runs("native")?;
    // Running is not listening yet; who waits in vain is given up by the exec.
    let ask = format!("until {} -O - http://127.0.0.1:{PORT}/; do /bin/busybox usleep 100000; done", wget());
    let ran = pod.exec("native", ["/bin/busybox", "sh", "-c", &ask])?;
    ensure(String::from_utf8_lossy(&ran.stdout).contains(ANSWER), || format!("nobody answered: {ran:?}"))
}
