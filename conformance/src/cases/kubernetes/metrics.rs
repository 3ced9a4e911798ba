use std::time::Duration;

use super::limits::container_cgroup;
use super::{guest, kubernetes};
use crate::case::Case;
use crate::cgroup::{Cgroup, Setting};
use crate::failure::{Failure, Result, ensure};
use crate::kube::{GUEST, KubeStage, NODES, Pod};
use crate::patience::until;

const MIB: f64 = 1048576.0;
const USAGE: Setting = Setting { controller: "memory", v1: "memory.usage_in_bytes", v2: "memory.current" };
const STATISTICS: Setting = Setting { controller: "memory", v1: "memory.stat", v2: "memory.stat" };
/// The kubelet reads the cgroups every ten seconds or so.
const HOUSEKEEPING: Duration = Duration::from_secs(60);

pub(super) fn cases() -> Vec<Case> {
    kubernetes(
        "metrics",
        [
            Case::cluster("kubernetes/memory-metrics-are-the-cgroups", guest(["hold", "64"]), memory)
                .private(),
            Case::cluster(
                "kubernetes/processor-metrics-grow",
                guest(["spin"]).cpu(20_000, 100_000),
                processor,
            )
            .private(),
        ],
    )
}

fn memory(stage: &KubeStage<'_>) -> Result {
    let pod = stage.start(&stage.setup())?;
    pod.says(GUEST, "ready\n")?;
    let cgroup = container_cgroup(&pod, GUEST)?;
    until(HOUSEKEEPING, || {
        let told = metric(&pod, "container_memory_working_set_bytes")?;
        let actual = working_set(&cgroup)?;
        let near =
            told.is_some_and(|told| told > 64.0 * MIB && (told - actual).abs() < actual / 10.0 + 4.0 * MIB);
        Ok((!near).then(|| format!("the kubelet tells {told:?} bytes, and the cgroup has {actual}")))
    })
}

fn processor(stage: &KubeStage<'_>) -> Result {
    let pod = stage.start(&stage.setup())?;
    pod.says(GUEST, "ready\n")?;
    let name = "container_cpu_usage_seconds_total";
    let mut first = None;
    until(HOUSEKEEPING, || {
        let told = metric(&pod, name)?;
        let (Some(told), Some(before)) = (told, first) else {
            first = told;
            return Ok(Some(format!("the kubelet tells no {name}")));
        };
        Ok((told <= before).then(|| format!("a guest that computes for ever stays at {told} seconds")))
    })
}

/// What the node's `/metrics/resource` says of the guest.
fn metric(pod: &Pod<'_>, name: &str) -> Result<Option<f64>> {
    let path = format!("{NODES}/{}/proxy/metrics/resource", pod.node()?);
    let text = String::from_utf8_lossy(&pod.cluster.api().bytes(&path)?).into_owned();
    let of_guest = |line: &&str| {
        line.starts_with(name)
            && line.contains(&format!("pod=\"{}\"", pod.name))
            && line.contains(&format!("container=\"{GUEST}\""))
    };
    let Some(line) = text.lines().find(of_guest) else { return Ok(None) };
    let value = line.split_whitespace().nth(1).and_then(|value| value.parse().ok());
    value.map(Some).ok_or_else(|| Failure(format!("the metric has no value: {line}")))
}

/// What is charged to the cgroup, without what could be given back at once.
fn working_set(cgroup: &Cgroup) -> Result<f64> {
    let (usage, unified) = cgroup.read(&USAGE)?;
    let (statistics, _) = cgroup.read(&STATISTICS)?;
    let name = if unified { "inactive_file " } else { "total_inactive_file " };
    let inactive = statistics.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("0");
    let (usage, inactive): (f64, f64) = (usage.parse()?, inactive.parse()?);
    ensure(usage >= inactive, || format!("{usage} bytes, of which {inactive} are inactive"))?;
    Ok(usage - inactive)
}
