use std::fs;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{guest, kubernetes, program};
use crate::case::Case;
use crate::failure::{Failure, Result, ensure};
use crate::kube::{Exec, GUEST, KubeStage, Pod, restarts, status, text, with};
use crate::patience::{patience, until};

pub(super) fn cases() -> Vec<Case> {
    kubernetes(
        "resilience",
        [
            Case::cluster("kubernetes/pods-outlive-the-kubelet", guest(["tick"]), |stage| {
                outlives(stage, |node| Ok(stage.cluster.nodes()?.restart_kubelet(node)?))
            })
            .private()
            .alone(),
            Case::cluster("kubernetes/pods-outlive-containerd", guest(["tick"]), |stage| {
                outlives(stage, |node| Ok(stage.cluster.nodes()?.restart_containerd(node)?))
            })
            .private()
            .alone(),
            Case::cluster("kubernetes/a-killed-shim-is-replaced", guest(["tick"]), killed_shim)
                .private()
                .alone(),
        ],
    )
}

/// The guest goes on with the same container, is logged, and takes an exec.
fn outlives(stage: &KubeStage<'_>, restart: impl Fn(&str) -> Result) -> Result {
    let pod = stage.start(&stage.setup())?;
    pod.says(GUEST, "\n5\n")?;
    let before = pod.object()?;
    restart(&pod.node()?)?;
    // A pod that is made now shows that the node works again.
    let there = json!({ "spec": { "nodeName": pod.node()? } });
    stage.create(&with(stage.manifest([stage.guest(&stage.probe(["sleep"]))]), there))?.runs(GUEST)?;
    let after = pod.object()?;
    let id = |pod: &Value| text(status(pod, GUEST), "/containerID").to_owned();
    ensure(restarts(&after, GUEST) == 0 && id(&after) == id(&before), || {
        "the guest was started again".to_owned()
    })?;
    let seen = pod.log(GUEST, crate::kube::Stream::Merged)?.lines().count();
    pod.follows(GUEST, |log| log.lines().count() > seen + 5).and_then(|log| {
        ensure(log.lines().count() > seen + 5, || format!("the log ended with {seen} lines"))
    })?;
    let ran = pod.runs_in(GUEST, &Exec::new([program(stage), "exit".into(), "4".into()]))?;
    ensure(ran.code == Some(4), || format!("expected an exec to end with 4, but saw {ran:?}"))?;
    pod.delete(None)?;
    pod.gone()
}

/// Whatever the shim ran is ended with it, and the kubelet starts the guest again.
fn killed_shim(stage: &KubeStage<'_>) -> Result {
    let mut manifest = stage.manifest([stage.guest(&stage.setup())]);
    manifest["spec"]["restartPolicy"] = json!("Always");
    let pod = stage.create(&manifest)?;
    pod.runs(GUEST)?;
    pod.says(GUEST, "\n5\n")?;
    let object = pod.object()?;
    let old = text(status(&object, GUEST), "/containerID").to_owned();
    let shim = shim(&pod)?;
    let pid = Pid::from_raw(i32::try_from(shim)?).ok_or("no such process")?;
    kill_process(pid, Signal::KILL)?;
    pod.until(|pod| {
        let now = status(pod, GUEST);
        let again = restarts(pod, GUEST) > 0 && now["state"].get("running").is_some();
        Ok((!again || text(now, "/containerID") == old)
            .then(|| "expected the guest to be started again".to_owned()))
    })?;
    pod.says(GUEST, "\n5\n")?;
    let id = old.rsplit('/').next().unwrap_or_default().to_owned();
    // They are ended at once, and are gone when the kernel has got to it.
    until(patience(), || {
        let left: Vec<u32> = processes(&pod)?.into_iter().filter(|process| is_in(*process, &id)).collect();
        let is_there = || format!("of the old container there are still the processes {left:?}");
        Ok((!left.is_empty()).then(is_there))
    })
}

/// The shim of a pod: the process whose command line names the pod's sandbox, a neighbour of its containers.
fn shim(pod: &Pod<'_>) -> Result<u32> {
    let object = pod.object()?;
    let uid = text(&object, "/metadata/uid");
    let all = processes(pod)?;
    let sandboxes: Vec<String> = all.iter().filter_map(|process| sandbox(*process, uid)).collect();
    let is_shim = |process: &&u32| {
        let line = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        let mut words = line.split(|byte| *byte == 0).map(String::from_utf8_lossy);
        let first = words.next().unwrap_or_default().into_owned();
        first.contains("containerd-shim-")
            && words.any(|word| sandboxes.iter().any(|sandbox| *sandbox == word))
    };
    let found = all.iter().find(is_shim).copied();
    found.ok_or_else(|| Failure(format!("no shim is there for the sandboxes {sandboxes:?} of the pod {uid}")))
}

/// The container of a process that is in a pod's cgroup.
fn sandbox(process: u32, uid: &str) -> Option<String> {
    let groups = fs::read_to_string(format!("/proc/{process}/cgroup")).ok()?;
    let line = groups.lines().find(|line| line.contains(&format!("pod{uid}/")))?;
    line.rsplit('/').next().map(str::to_owned)
}

fn is_in(process: u32, container: &str) -> bool {
    fs::read_to_string(format!("/proc/{process}/cgroup")).is_ok_and(|groups| groups.contains(container))
}

fn processes(pod: &Pod<'_>) -> Result<Vec<u32>> {
    Ok(pod.cluster.nodes()?.processes(&pod.node()?)?)
}
