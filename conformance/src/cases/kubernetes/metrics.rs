use super::limits::container_cgroup;
use super::{guest, kubernetes};
use crate::case::Case;
use crate::cgroup::{Cgroup, Setting};
use crate::failure::{Failure, Result};
use crate::kube::{GUEST, KubeStage, NODES, Pod};
use crate::patience::{patience, until};

const MIB: f64 = 1048576.0;
const USAGE: Setting = Setting { controller: "memory", v1: "memory.usage_in_bytes", v2: "memory.current" };
const STATISTICS: Setting = Setting { controller: "memory", v1: "memory.stat", v2: "memory.stat" };
/// Seconds of processor time that may pass between the kubelet's look at a cgroup and what it tells of it.
const SLACK: f64 = 0.5;
const CPU_USAGE: Setting = Setting { controller: "cpuacct", v1: "cpuacct.usage", v2: "cpu.stat" };

pub(super) fn cases() -> Vec<Case> {
    kubernetes(
        "metrics",
        [
            Case::cluster("kubernetes/memory-metrics-are-the-cgroups", guest(["hold", "64"]), memory)
                .private(),
            Case::cluster(
                "kubernetes/processor-metrics-are-the-cgroups",
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
    until(patience(), || {
        let told = metric(&pod, "container_memory_working_set_bytes")?;
        let actual = working_set(&cgroup)?;
        let near =
            told.is_some_and(|told| told > 64.0 * MIB && (told - actual).abs() < actual / 10.0 + 4.0 * MIB);
        Ok((!near).then(|| format!("the kubelet tells {told:?} bytes, and the cgroup has {actual}")))
    })
}

/// The kubelet looks every ten seconds or so, and tells the same until it has looked again: what it tells anew, it has
/// seen after it last told the old, and before now.
fn processor(stage: &KubeStage<'_>) -> Result {
    let pod = stage.start(&stage.setup())?;
    pod.says(GUEST, "ready\n")?;
    let cgroup = container_cgroup(&pod, GUEST)?;
    let mut last: Option<(f64, f64)> = None;
    until(patience(), || {
        let before = cpu_seconds(&cgroup)?;
        let Some(told) = metric(&pod, "container_cpu_usage_seconds_total")? else {
            return Ok(Some("the kubelet tells nothing of the guest's processor time".to_owned()));
        };
        let after = cpu_seconds(&cgroup)?;
        let anew = last.filter(|(old, _)| *old != told).map(|(_, since)| since);
        last = Some((told, before));
        let Some(since) = anew else {
            return Ok(Some(format!("the kubelet stays at {told} seconds, and the cgroup has {after}")));
        };
        // As little as this says nothing yet.
        if after < 4.0 * SLACK {
            return Ok(Some(format!("the guest has had no more than {after} seconds")));
        }
        let fits = since - SLACK <= told && told <= after;
        // On a busy machine the kubelet may tell late what it has seen, and with the next look it is right again.
        let wrong = || format!("the kubelet tells {told} seconds, and the cgroup had {since} to {after}");
        Ok((!fits).then(wrong))
    })
}

/// What the cgroup itself counts.
fn cpu_seconds(cgroup: &Cgroup) -> Result<f64> {
    let (text, unified) = cgroup.read(&CPU_USAGE)?;
    if !unified {
        return Ok(text.parse::<f64>()? / 1e9);
    }
    let usage = text.lines().find_map(|line| line.strip_prefix("usage_usec "));
    Ok(usage.ok_or("cpu.stat does not count what is used")?.parse::<f64>()? / 1e6)
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
    // They are read one after the other, and the one may have changed before the other is read.
    Ok((usage - inactive).max(0.0))
}
