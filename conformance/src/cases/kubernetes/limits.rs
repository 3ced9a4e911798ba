use serde_json::{Value, json};

use super::{guest, kubernetes};
use crate::case::Case;
use crate::cgroup::{Cgroup, Setting};
use crate::failure::{Failure, Result, ensure};
use crate::images::Form;
use crate::kube::{GUEST, KubeStage, Pod, restarts, status, text, with};
use crate::patience::{patience, until};
use crate::setup::{TOLD, eater};

const MIB: u64 = 1 << 20;
const LITTLE: u64 = 128 * MIB;
const ENOUGH: u64 = 256 * MIB;
const KILLED: u32 = 137;

const MEMORY_LIMIT: Setting = Setting { controller: "memory", v1: "memory.limit_in_bytes", v2: "memory.max" };
const QUOTA: Setting = Setting { controller: "cpu", v1: "cpu.cfs_quota_us", v2: "cpu.max" };

pub(super) fn cases() -> Vec<Case> {
    let spin = guest(["spin"]).cpu(10_000, 100_000);
    let hold = guest(["hold", "32"]).memory(ENOUGH).cpu(50_000, 100_000);
    kubernetes(
        "limits",
        [
            Case::cluster(
                "kubernetes/out-of-memory-is-the-reason",
                eater().form(Form::Userland).memory(LITTLE),
                oom,
            ),
            Case::cluster("kubernetes/processor-limit-holds-back", spin, processor).private(),
            Case::cluster("kubernetes/resize-of-a-running-pod", hold.clone(), resize),
            Case::cluster("kubernetes/resize-reaches-the-cgroup", hold, resize_below).private(),
        ],
    )
}

fn oom(stage: &KubeStage<'_>) -> Result {
    let pod = stage.create(&stage.manifest([stage.guest(&stage.setup())]))?;
    if stage.cluster.is_native() {
        pod.runs(GUEST)?;
        // The guest's own end may break the connection.
        let _ended = pod.exec(GUEST, ["/bin/busybox", "touch", &format!("/data/{TOLD}")]);
    }
    let state = pod.ended_with(GUEST, KILLED)?;
    ensure(text(&state, "/reason") == "OOMKilled", || {
        format!("expected the reason OOMKilled, but saw {state}")
    })
}

fn processor(stage: &KubeStage<'_>) -> Result {
    let pod = stage.start(&stage.setup())?;
    pod.says(GUEST, "ready\n")?;
    let cgroup = container_cgroup(&pod, GUEST)?;
    quota(&cgroup, "10000")?;
    until(patience(), || {
        let periods = cgroup.throttled_periods()?;
        Ok((periods == 0).then(|| "a guest that computes for ever was never held back".to_owned()))
    })
}

fn resize(stage: &KubeStage<'_>) -> Result {
    resized(stage).map(drop)
}

fn resize_below(stage: &KubeStage<'_>) -> Result {
    let pod = resized(stage)?;
    let cgroup = container_cgroup(&pod, GUEST)?;
    says(&cgroup, &MEMORY_LIMIT, &(2 * ENOUGH).to_string())?;
    quota(&cgroup, "100000")
}

/// How many microseconds of each 100000 there are for the container.
fn quota(cgroup: &Cgroup, expected: &str) -> Result {
    let (quota, unified) = cgroup.read(&QUOTA)?;
    let expected = if unified { format!("{expected} 100000") } else { expected.to_owned() };
    ensure(quota == expected, || format!("expected the quota {expected}, but saw {quota}"))
}

/// More memory and more of a processor for a guest that runs, and goes on.
fn resized<'a>(stage: &KubeStage<'a>) -> Result<Pod<'a>> {
    let stays = |resource| json!({ "resourceName": resource, "restartPolicy": "NotRequired" });
    let policy = json!({ "resizePolicy": [stays("memory"), stays("cpu")] });
    let pod = stage.create(&stage.manifest([with(stage.guest(&stage.setup()), policy)]))?;
    let before = text(status(&pod.runs(GUEST)?, GUEST), "/containerID").to_owned();
    pod.says(GUEST, "ready\n")?;
    let limits = json!({ "memory": "512Mi", "cpu": "1" });
    let change = json!({ "spec": { "containers": [{ "name": GUEST, "resources": { "limits": limits } }] } });
    stage.cluster.api().merge_lists(&format!("{}/resize", pod.path()), &change)?;
    let object = pod.until(|pod| {
        let seen = &status(pod, GUEST)["resources"]["limits"];
        let conditions = &pod["status"]["conditions"];
        Ok((*seen != limits)
            .then(|| format!("expected the limits {limits}, but saw {seen} and {conditions}")))
    })?;
    let after = text(status(&object, GUEST), "/containerID");
    ensure(restarts(&object, GUEST) == 0 && after == before, || "the guest was started again".to_owned())?;
    Ok(pod)
}

/// The cgroup of a pod, on the node of this machine.
pub(super) fn pod_cgroup(pod: &Pod<'_>) -> Result<Cgroup> {
    let path = pod_path(&pod.object()?, &pod.cluster.nodes()?.cgroup_root(&pod.node()?)?)?;
    Cgroup::at(&path)
}

/// The cgroup of one of its containers.
pub(super) fn container_cgroup(pod: &Pod<'_>, container: &str) -> Result<Cgroup> {
    let object = pod.object()?;
    let id =
        text(status(&object, container), "/containerID").rsplit('/').next().unwrap_or_default().to_owned();
    let path = pod_path(&object, &pod.cluster.nodes()?.cgroup_root(&pod.node()?)?)?;
    Cgroup::at(&format!("{path}/{id}"))
}

/// Where the kubelet puts a pod, with its cgroups named by the driver `cgroupfs`.
fn pod_path(pod: &Value, root: &std::path::Path) -> Result<String> {
    let uid = text(pod, "/metadata/uid");
    let class = match text(pod, "/status/qosClass") {
        "Guaranteed" => "",
        "Burstable" => "burstable/",
        "BestEffort" => "besteffort/",
        other => return Err(Failure(format!("the pod has the class {other:?}"))),
    };
    Ok(format!("{}/kubepods/{class}pod{uid}", root.display().to_string().trim_end_matches('/')))
}

pub(super) fn says(cgroup: &Cgroup, setting: &Setting, expected: &str) -> Result {
    let (seen, _) = cgroup.read(setting)?;
    ensure(seen == expected, || format!("expected {} to say {expected}, but saw {seen}", setting.v1))
}
