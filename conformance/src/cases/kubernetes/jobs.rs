use serde_json::{Value, json};

use super::{guest, kubernetes};
use crate::case::Case;
use crate::failure::{Failure, Result, ensure};
use crate::kube::{GUEST, Kind, KubeStage, Made, list, text};

pub(super) fn cases() -> Vec<Case> {
    let message = "the guest says so";
    kubernetes(
        "jobs",
        [
            Case::cluster(
                "kubernetes/termination-message-is-the-file",
                guest(["write", "/dev/termination-log", message]),
                termination_file,
            ),
            Case::cluster(
                "kubernetes/termination-message-falls-back-to-the-log",
                guest(["cwd-read", "/no-such-file"]),
                termination_log,
            ),
            Case::cluster("kubernetes/a-job-completes", guest(["return"]), completes),
            Case::cluster("kubernetes/a-job-fails-by-exit-code", guest(["exit", "3"]), fails),
            Case::cluster("kubernetes/a-job-tries-again", guest(["exit", "1"]), tries_again),
            Case::cluster("kubernetes/pod-failure-policy-on-an-exit-code", guest(["exit", "42"]), policy),
            Case::cluster("kubernetes/a-cron-job-completes", guest(["return"]), cron),
        ],
    )
}

fn termination_file(stage: &KubeStage<'_>) -> Result {
    let pod = stage.create(&stage.manifest([stage.guest(&stage.setup())]))?;
    let state = pod.ended_with(GUEST, 0)?;
    ensure(text(&state, "/message") == "the guest says so", || {
        format!("the message is not the file's: {state}")
    })
}

fn termination_log(stage: &KubeStage<'_>) -> Result {
    let mut container = stage.guest(&stage.setup());
    container["terminationMessagePolicy"] = json!("FallbackToLogsOnError");
    let pod = stage.create(&stage.manifest([container]))?;
    let state = pod.ended_with(GUEST, 5)?;
    ensure(text(&state, "/message").contains("NotFound"), || format!("the message is not the log's: {state}"))
}

fn job<'a>(stage: &KubeStage<'a>, change: Value) -> Result<Made<'a>> {
    stage.make(Kind::Job, json!({ "spec": crate::kube::with(spec(stage), change) }))
}

fn spec(stage: &KubeStage<'_>) -> Value {
    let template = stage.cluster.pod_spec(json!([stage.guest(&stage.setup())]));
    json!({ "backoffLimit": 0, "template": { "metadata": labelled(stage), "spec": template } })
}

/// So that what is made of a template is known for the run's.
fn labelled(stage: &KubeStage<'_>) -> Value {
    json!({ "labels": stage.cluster.labels() })
}

/// Waits until a Job has ended; gives the condition that says how.
fn outcome(job: &Made<'_>) -> Result<Value> {
    let over = |object: &Value| {
        let mut conditions = list(object, "/status/conditions").iter();
        let over = conditions
            .find(|one| ["Complete", "Failed"].contains(&text(one, "/type")) && one["status"] == "True");
        over.cloned()
    };
    let object = job.until(|object| {
        Ok(over(object).is_none().then(|| format!("expected the Job to end, but saw {}", object["status"])))
    })?;
    over(&object).ok_or_else(|| Failure("the Job has no outcome".into()))
}

fn completes(stage: &KubeStage<'_>) -> Result {
    let job = job(stage, json!({ "completions": 3, "parallelism": 2 }))?;
    let outcome = outcome(&job)?;
    let succeeded = &job.object()?["status"]["succeeded"];
    ensure(outcome["type"] == "Complete" && *succeeded == 3, || {
        format!("{succeeded} of 3 succeeded: {outcome}")
    })
}

fn fails(stage: &KubeStage<'_>) -> Result {
    let outcome = outcome(&job(stage, json!({}))?)?;
    ensure(outcome["type"] == "Failed" && outcome["reason"] == "BackoffLimitExceeded", || {
        format!("expected a failure, but saw {outcome}")
    })
}

fn tries_again(stage: &KubeStage<'_>) -> Result {
    let job = job(stage, json!({ "backoffLimit": 1 }))?;
    let outcome = outcome(&job)?;
    let failed = &job.object()?["status"]["failed"];
    ensure(outcome["type"] == "Failed" && *failed == 2, || format!("expected two failures, but saw {failed}"))
}

/// The status of a guest decides at once, although it might be tried six times more.
fn policy(stage: &KubeStage<'_>) -> Result {
    let codes = json!({ "containerName": GUEST, "operator": "In", "values": [42] });
    let rules = json!([{ "action": "FailJob", "onExitCodes": codes }]);
    let job = job(stage, json!({ "backoffLimit": 6, "podFailurePolicy": { "rules": rules } }))?;
    let outcome = outcome(&job)?;
    let failed = &job.object()?["status"]["failed"];
    ensure(outcome["reason"] == "PodFailurePolicy" && *failed == 1, || {
        format!("expected one failure and the policy, but saw {failed} and {outcome}")
    })
}

/// It is due within a minute.
fn cron(stage: &KubeStage<'_>) -> Result {
    let template = json!({ "metadata": labelled(stage), "spec": spec(stage) });
    let cron =
        stage.make(Kind::CronJob, json!({ "spec": { "schedule": "* * * * *", "jobTemplate": template } }))?;
    let succeeded = |object: &Value| {
        let done = object["status"].get("lastSuccessfulTime").is_some();
        Ok((!done).then(|| format!("expected a run that succeeds, but saw {}", object["status"])))
    };
    // The first wait may pass before the minute does.
    match cron.until(succeeded) {
        Ok(_) => Ok(()),
        Err(_) => cron.until(succeeded).map(drop),
    }
}
