use std::time::Duration;

use serde_json::{Value, json};

use super::servers::{ANSWER, PORT, http_probe, server};
use super::{guest, kubernetes};
use crate::case::Case;
use crate::failure::Result;
use crate::kube::{GUEST, Kind, KubeStage, Made, Stream, text, with};
use crate::patience::patience;
use crate::setup::busybox;

pub(super) fn cases() -> Vec<Case> {
    kubernetes(
        "services",
        [
            Case::cluster("kubernetes/deployment-behind-a-service", guest(["sleep"]), deployment),
            Case::cluster("kubernetes/service-follows-its-pods", guest(["sleep"]), follows),
        ],
    )
}

/// A Deployment of servers that is ready, and the address of its Service.
pub(super) struct Served<'a> {
    pub(super) deployment: Made<'a>,
    _service: Made<'a>,
    pub(super) address: String,
}

impl<'a> Served<'a> {
    /// `change` is put into each container.
    pub(super) fn start(stage: &'a KubeStage<'a>, replicas: u32, change: Value) -> Result<Self> {
        let name = stage.next_name();
        let container = with(stage.guest(&server(stage)), json!({ "readinessProbe": http_probe() }));
        let mut template = stage.cluster.pod_spec(json!([with(container, change)]));
        template["restartPolicy"] = json!("Always");
        template["terminationGracePeriodSeconds"] = json!(patience().as_secs());
        let labels = json!({ "app": name });
        let metadata = json!({ "labels": with(stage.cluster.labels(), labels.clone()) });
        let deployment = stage.make_named(
            Kind::Deployment,
            &name,
            json!({ "spec": {
                "replicas": replicas,
                "selector": { "matchLabels": labels },
                "strategy": { "rollingUpdate": { "maxUnavailable": 0, "maxSurge": 1 } },
                "template": { "metadata": metadata, "spec": template },
            }}),
        )?;
        let service = stage.make_named(
            Kind::Service,
            &name,
            json!({ "spec": { "selector": labels, "ports": [{ "port": 80, "targetPort": PORT }] } }),
        )?;
        let address = text(&service.object()?, "/spec/clusterIP").to_owned();
        let served = Self { deployment, _service: service, address };
        served.is_rolled_out()?;
        Ok(served)
    }

    /// Waits until every replica is of the newest template, and available.
    pub(super) fn is_rolled_out(&self) -> Result<Value> {
        self.deployment.until(|object| {
            let wanted = &object["spec"]["replicas"];
            let status = &object["status"];
            let counts = ["replicas", "updatedReplicas", "availableReplicas"];
            let done = status["observedGeneration"] == object["metadata"]["generation"]
                && counts.iter().all(|count| status[count] == *wanted);
            Ok((!done)
                .then(|| format!("expected {wanted} replicas of the newest template, but saw {status}")))
        })
    }
}

fn deployment(stage: &KubeStage<'_>) -> Result {
    let served = Served::start(stage, 2, json!({}))?;
    let ask = format!(
        "{}; i=0; while [ $i -lt 20 ]; do {} -O - http://{}/ || exit 1; i=$((i+1)); done",
        until_reached(&served.address),
        patient_wget(),
        served.address
    );
    let client = busybox(["sh", "-c", &ask]);
    let pod = stage.create(&stage.manifest([stage.guest(&client)]))?;
    pod.ended_with(GUEST, 0)?;
    let missing = |log: &str| {
        let answers = log.matches(ANSWER).count();
        (answers != 20).then(|| format!("expected 20 answers, but saw {answers}: {log}"))
    };
    pod.tells(GUEST, Stream::Merged, missing).map(drop)
}

/// A shell's words that ask once, and give up soon: whoever uses them asks again.
pub(super) fn wget() -> String {
    wget_within(patience() / 6)
}

/// A shell's words that ask once, for whom no answer is a failure: a busy machine may take its time.
pub(super) fn patient_wget() -> String {
    wget_within(patience() / 2)
}

fn wget_within(time: Duration) -> String {
    format!("/bin/busybox timeout {} /bin/busybox wget -q", time.as_secs().max(1))
}

/// A shell's words that wait for a new Service: kube-proxy learns of it in its own time, and tells nobody.
pub(super) fn until_reached(address: &str) -> String {
    format!("until {} -O /dev/null http://{address}/; do /bin/busybox usleep 100000; done", wget())
}

/// The endpoints of a Service are its ready pods, and go with them: two of three that are gone would not let so many
/// requests in a row through.
fn follows(stage: &KubeStage<'_>) -> Result {
    let served = Served::start(stage, 2, json!({}))?;
    served.deployment.merge(&json!({ "spec": { "replicas": 3 } }))?;
    served.is_rolled_out()?;
    served.deployment.merge(&json!({ "spec": { "replicas": 1 } }))?;
    served.is_rolled_out()?;
    // Not the shell's own process: the first of a container ignores the signal by which `timeout` ends a program.
    let ask = format!(
        "n=0; while [ $n -lt 20 ]; do \
         if {} -O - http://{}/; then n=$((n+1)); else n=0; fi; done",
        wget(),
        served.address
    );
    let pod = stage.create(&stage.manifest([stage.guest(&busybox(["sh", "-c", &ask]))]))?;
    pod.ended_with(GUEST, 0)?;
    pod.says(GUEST, ANSWER).map(drop)
}
