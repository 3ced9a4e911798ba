use serde_json::{Value, json};

use super::services::{Served, patient_wget, until_reached};
use super::{guest, kubernetes};
use crate::case::Case;
use crate::failure::{Failure, Result, ensure};
use crate::kube::{Answer, GUEST, Kind, KubeStage, Made, Pod, Stream, list, ready, text};
use crate::patience::{patience, until};
use crate::setup::busybox;

/// How an eviction is answered that a budget does not allow, and from where on nothing has been decided: others may change
/// the budget at the same time.
const NOT_YET: u16 = 429;
const UNDECIDED: u16 = 500;

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

/// Endpoints go in their own time and tell nobody, so a server that is to lose nothing waits before it ends: longer than a
/// controller that finds its cache stale twice, and kube-proxy's pause after that, on a busy machine.
fn waits() -> Value {
    json!({ "lifecycle": { "preStop": { "sleep": { "seconds": (patience() / 4).as_secs().max(1) } } } })
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
    let asked = load.log(GUEST, Stream::Merged)?.matches("ok\n").count();
    load.follows(GUEST, |log| log.matches("ok\n").count() >= asked + 20 || log.contains("failed"))?;
    // Nobody is left without an answer. Its own end may break the connection.
    let _ended = load.exec(GUEST, ["/bin/busybox", "touch", "/data/enough"]);
    load.ended_with(GUEST, 0)?;
    let log = load.says(GUEST, "over\n")?;
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
    allows_one(&budget)?;
    let pods = pods(stage, &served, 2)?;
    evicted(stage, &pods[0])?;
    let is_refused = match decided(stage, &pods[1], |code| code >= UNDECIDED)? {
        Err(refused) if refused.message.contains("disruption budget") => true,
        Err(other) => return Err(other.into()),
        // On a busy machine this may have been asked so late that there were two again.
        Ok(()) if is_replaced(stage, &served, &pods)? => false,
        Ok(()) => return Err(Failure("both pods of a budget of one were evicted at once".into())),
    };
    // The controller makes another, and then the second may go as well.
    gone(stage, &pods[0])?;
    served.is_rolled_out()?;
    allows_one(&budget)?;
    if is_refused {
        evicted(stage, &pods[1])?;
    }
    gone(stage, &pods[1])?;
    served.is_rolled_out().map(drop)
}

fn allows_one(budget: &Made<'_>) -> Result {
    budget.until(|object| {
        let status = &object["status"];
        let allows = status["observedGeneration"] == object["metadata"]["generation"]
            && status["disruptionsAllowed"] == 1;
        Ok((!allows).then(|| format!("expected one disruption to be allowed, but saw {status}")))
    })?;
    Ok(())
}

/// Whether a pod that is none of these is ready.
fn is_replaced(stage: &KubeStage<'_>, served: &Served<'_>, old: &[String]) -> Result<bool> {
    let label = ("app", served.deployment.name.as_str());
    let now = stage.cluster.until_all(Kind::Pod, label, |_| Ok(None))?;
    Ok(now.iter().any(|(name, pod)| !old.contains(name) && ready(pod)))
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

/// Evicts a pod as soon as its budget allows it.
fn evicted(stage: &KubeStage<'_>, pod: &str) -> Result {
    Ok(decided(stage, pod, |code| code == NOT_YET || code >= UNDECIDED)??)
}

/// Asks for an eviction, and asks again while the answer has one of these codes.
fn decided(stage: &KubeStage<'_>, pod: &str, again: impl Fn(u16) -> bool) -> Result<Answer<()>> {
    let eviction = json!({ "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": pod } });
    let path = format!("{}/eviction", stage.cluster.path(Kind::Pod, pod));
    let mut answer = Ok(());
    until(patience(), || {
        answer = stage.cluster.api().create(&path, &eviction).map(drop);
        Ok(answer.as_ref().err().filter(|refused| again(refused.code)).map(ToString::to_string))
    })?;
    Ok(answer)
}

fn gone(stage: &KubeStage<'_>, pod: &str) -> Result {
    let missing = |pod: &Value| Ok((!pod.is_null()).then(|| "expected it to go".to_owned()));
    stage.cluster.until(Kind::Pod, pod, missing).map(drop)
}

/// A pod that asks until it is told that it is enough, four at a time, and tells what came of it.
fn load<'a>(stage: &KubeStage<'a>, address: &str) -> Result<Pod<'a>> {
    let ask = format!(
        "ask() {{ while [ ! -e /data/enough ]; do \
         if {} -O /dev/null http://{address}/; then echo ok; else echo failed; fi; \
         /bin/busybox usleep 20000; done; }}; trap 'exit 0' TERM; {}; ask & ask & ask & ask & wait; echo over",
        patient_wget(),
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
