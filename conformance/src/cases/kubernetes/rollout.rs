use serde_json::{Value, json};

use super::services::{Served, until_reached, wget};
use super::{guest, kubernetes};
use crate::case::Case;
use crate::failure::{Failure, Result, ensure};
use crate::kube::{GUEST, Kind, KubeStage, Pod, list, ready, text};
use crate::setup::busybox;

pub(super) fn cases() -> Vec<Case> {
    kubernetes(
        "rollout",
        [
            Case::cluster("kubernetes/rolling-update-loses-no-request", guest(["sleep"]), rolling_update),
            Case::cluster("kubernetes/rollback", guest(["sleep"]), rollback),
            Case::cluster("kubernetes/drain-keeps-what-a-budget-asks-for", guest(["sleep"]), drain),
        ],
    )
}

/// Endpoints go in their own time, so a server that is to lose nothing waits before it ends: longer than a controller that
/// finds its cache stale twice, and kube-proxy's pause after that.
fn waits() -> Value {
    json!({ "lifecycle": { "preStop": { "sleep": { "seconds": 8 } } } })
}

fn rolling_update(stage: &KubeStage<'_>) -> Result {
    // The deployment of every case has the second; without the first, any server would lose some.
    stage.note("given", "a preStop sleep, maxUnavailable 0");
    let served = Served::start(stage, 2, waits())?;
    let load = load(stage, &served.address)?;
    load.follows(GUEST, |log| log.matches("ok\n").count() >= 20)?;
    served.deployment.merge(&changed("2"))?;
    served.is_rolled_out()?;
    // It is asked until the last of the old pods is gone: those that are ending count no more in a rollout.
    pods(stage, &served, 2)?;
    let asked = load.log(GUEST, crate::kube::Stream::Merged)?.matches("ok\n").count();
    let log =
        load.follows(GUEST, |log| log.matches("ok\n").count() >= asked + 20 || log.contains("failed"))?;
    let failed = log.matches("failed").count();
    stage.note("failed", failed.to_string());
    ensure(failed == 0, || format!("{failed} requests of {} failed", log.lines().count()))
}

/// A template that does not become ready stops the rollout, and the old one goes on.
fn rollback(stage: &KubeStage<'_>) -> Result {
    let served = Served::start(stage, 2, waits())?;
    let broken = json!({ "spec": { "template": { "spec": { "containers": [
        { "name": GUEST, "command": ["/no-such.wasm"] }
    ] } } } });
    stage.cluster.api().merge_lists(&served.deployment.path(), &broken)?;
    served.deployment.until(|object| {
        let status = &object["status"];
        let stuck = status["observedGeneration"] == object["metadata"]["generation"]
            && status["updatedReplicas"] == 1
            && status["unavailableReplicas"] == 1;
        Ok((!stuck).then(|| format!("expected one replica that does not start, but saw {status}")))
    })?;
    let status = &served.deployment.object()?["status"];
    ensure(status["availableReplicas"] == 2, || format!("the old replicas did not go on: {status}"))?;
    let back = json!({ "spec": { "template": { "spec": { "containers": [
        { "name": GUEST, "command": command(stage) }
    ] } } } });
    stage.cluster.api().merge_lists(&served.deployment.path(), &back)?;
    served.is_rolled_out().map(drop)
}

/// What `kubectl drain` asks for: a pod is evicted where its budget allows it, and else refused.
fn drain(stage: &KubeStage<'_>) -> Result {
    let served = Served::start(stage, 2, json!({}))?;
    let labels = json!({ "matchLabels": { "app": served.deployment.name } });
    let budget = stage
        .make(Kind::PodDisruptionBudget, json!({ "spec": { "minAvailable": 1, "selector": labels } }))?;
    budget.until(|object| {
        let allowed = &object["status"]["disruptionsAllowed"];
        Ok((*allowed != 1).then(|| format!("expected one disruption to be allowed, but saw {allowed}")))
    })?;
    let pods = pods(stage, &served, 2)?;
    evict(stage, &pods[0])?;
    match evict(stage, &pods[1]) {
        Err(Failure(why)) if why.contains("disruption budget") => {}
        Err(other) => return Err(other),
        Ok(()) => return Err(Failure("both pods of a budget of one were evicted at once".into())),
    }
    // The controller makes another, and then the second may go as well.
    stage
        .cluster
        .until(Kind::Pod, &pods[0], |pod| Ok((!pod.is_null()).then(|| "expected it to go".to_owned())))?;
    served.is_rolled_out()?;
    budget.until(|object| {
        let allowed = &object["status"]["disruptionsAllowed"];
        Ok((*allowed != 1).then(|| format!("expected one disruption to be allowed again, but saw {allowed}")))
    })?;
    evict(stage, &pods[1])?;
    stage
        .cluster
        .until(Kind::Pod, &pods[1], |pod| Ok((!pod.is_null()).then(|| "expected it to go".to_owned())))?;
    served.is_rolled_out().map(drop)
}

fn pods(stage: &KubeStage<'_>, served: &Served<'_>, count: usize) -> Result<Vec<String>> {
    let label = ("app", served.deployment.name.as_str());
    let found = stage.cluster.until_all(Kind::Pod, label, |pods| {
        let ready = pods.values().filter(|pod| ready(pod)).count();
        Ok((ready != count || pods.len() != count)
            .then(|| format!("expected {count} pods, but {ready} of {} are ready", pods.len())))
    })?;
    Ok(found.into_keys().collect())
}

fn evict(stage: &KubeStage<'_>, pod: &str) -> Result {
    let eviction = json!({ "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": pod } });
    stage.cluster.api().create(&format!("{}/eviction", stage.cluster.path(Kind::Pod, pod)), &eviction)?;
    Ok(())
}

/// A pod that asks without end, four at a time, and tells what came of it.
fn load<'a>(stage: &KubeStage<'a>, address: &str) -> Result<Pod<'a>> {
    let ask = format!(
        "ask() {{ while :; do if {} -O /dev/null http://{address}/; then echo ok; else echo failed; fi; \
         /bin/busybox usleep 20000; done; }}; trap 'exit 0' TERM; {}; ask & ask & ask & ask & wait",
        wget(),
        until_reached(address)
    );
    stage.start(&busybox(["sh", "-c", &ask]))
}

fn changed(version: &str) -> Value {
    json!({ "spec": { "template": { "metadata": { "annotations": { "version": version } } } } })
}

fn command(stage: &KubeStage<'_>) -> Vec<String> {
    let container = stage.guest(&super::servers::server(stage));
    list(&container, "/command").iter().map(|word| text(word, "").to_owned()).collect()
}
