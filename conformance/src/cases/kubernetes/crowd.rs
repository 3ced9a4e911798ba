use std::collections::BTreeSet;
use std::fs;
use std::time::Instant;

use serde_json::Value;

use super::{guest, kubernetes};
use crate::case::Case;
use crate::failure::{Failure, Result, ensure};
use crate::kube::{Kind, KubeStage, NODES, Pod, list, ready, text, with};

pub(super) fn cases() -> Vec<Case> {
    let crowd = Case::cluster("kubernetes/a-node-full-of-pods", guest(["sleep"]), full);
    kubernetes("crowd", [crowd.private().alone().long()])
}

/// As many pods as the kubelet takes, which are 110 where nobody has said otherwise, all ready, and all gone again.
fn full(stage: &KubeStage<'_>) -> Result {
    // The pods of earlier cases may still be on their way out.
    stage.cluster.has_no_pods()?;
    let (node, room) = room(stage)?;
    let nodes = stage.cluster.nodes()?;
    let before = memory(&nodes.processes(&node)?);
    let begin = Instant::now();
    let setup = stage.setup();
    let pods = (0..room).map(|_| {
        let manifest = stage.manifest([stage.guest(&setup)]);
        let labels =
            serde_json::json!({ "metadata": { "labels": { "crowd": "yes" } }, "spec": { "nodeName": node } });
        stage.create(&with(manifest, labels))
    });
    let pods: Vec<Pod<'_>> = pods.collect::<Result<_>>()?;
    all(stage, &pods, |pods| {
        let ready = pods.values().filter(|pod| ready(pod)).count();
        (ready < room).then(|| format!("{ready} of {room} pods are ready"))
    })?;
    let started = begin.elapsed();
    let full = memory(&nodes.processes(&node)?);
    let per_pod = full.saturating_sub(before) / 1024 / room.max(1) as u64;
    stage.note("pods", room.to_string());
    stage.note("seconds-until-ready", format!("{:.1}", started.as_secs_f64()));
    stage.note("kib-of-memory-per-pod", per_pod.to_string());
    let begin = Instant::now();
    pods.iter().try_for_each(|pod| pod.delete(None))?;
    all(stage, &pods, |pods| (!pods.is_empty()).then(|| format!("{} pods are still there", pods.len())))?;
    stage.note("seconds-until-gone", format!("{:.1}", begin.elapsed().as_secs_f64()));
    ensure(room > 1, || format!("the node had room for {room} pods only"))
}

/// A minute is for one pod, and here are many: as long as the number changes, there is hope.
fn all(
    stage: &KubeStage<'_>,
    pods: &[Pod<'_>],
    missing: impl Fn(&std::collections::BTreeMap<String, Value>) -> Option<String>,
) -> Result {
    let mut last = String::new();
    for _ in pods {
        let waited = stage.cluster.until_all(Kind::Pod, ("crowd", "yes"), |pods| Ok(missing(pods)));
        match waited {
            Ok(_) => return Ok(()),
            Err(Failure(why)) if why == last => return Err(Failure(why)),
            Err(Failure(why)) => last = why,
        }
    }
    Err(Failure(last))
}

/// The node with the most room, and how many pods it still takes.
fn room(stage: &KubeStage<'_>) -> Result<(String, usize)> {
    let nodes = stage.cluster.node_objects()?;
    let all = stage.cluster.api().read("/api/v1/pods")?;
    let free = nodes.iter().map(|node| {
        let name = text(node, "/metadata/name").to_owned();
        let most: usize = text(node, "/status/allocatable/pods").parse().unwrap_or_default();
        let over = |pod: &&Value| ["Succeeded", "Failed"].contains(&text(pod, "/status/phase"));
        let taken =
            list(&all, "/items").iter().filter(|pod| !over(pod) && text(pod, "/spec/nodeName") == name);
        let taken = taken.count();
        (name, most.saturating_sub(taken))
    });
    free.max_by_key(|(_, room)| *room).ok_or_else(|| Failure(format!("{NODES} has none")))
}

/// The memory of processes, each page shared out among those that have it, in bytes.
fn memory(processes: &[u32]) -> u64 {
    let distinct: BTreeSet<&u32> = processes.iter().collect();
    let one = |process: &&u32| {
        let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?.trim().to_owned();
        line.strip_suffix(" kB")?.parse::<u64>().ok()
    };
    // A process that has ended meanwhile takes nothing.
    distinct.iter().filter_map(one).sum::<u64>() * 1024
}
