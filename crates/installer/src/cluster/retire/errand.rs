//! One pod on one node: made, waited for, heard, and removed.

use std::time::Duration;

use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod};
use kube::ResourceExt;

use super::pods::{Pods, START};
use super::template::{Task, Template};
use crate::cluster::call::Server;
use crate::cluster::label;
use crate::error::{ErrorKind, Result};

/// How it went on a node.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Ending {
    Done(String),
    Failed {
        kind: ErrorKind,
        message: String,
    },
    /// The node was removed from the cluster, and nothing has to be done there.
    NodeIsGone,
}

/// Does a task on a node. A pod that is doing it already is waited for.
pub(super) async fn run(server: &Server, template: &Template, task: Task, node: &str) -> Result<Ending> {
    let pods = Pods::new(server);
    let pod = template.pod(task, node);
    let (name, container) = (pod.name_any(), template.container());
    if label::look(server, node).await?.is_none() {
        return Ok(Ending::NodeIsGone);
    }
    if pods.look(&name).await?.is_some_and(|old| !may_go_on(&old, task)) {
        pods.remove(&name).await?;
    }
    pods.create(&pod).await?;
    let ending = match wait(&pods, &name, container).await? {
        Over::Ended(ended) => judged(&ended, pods.log(&name, container).await),
        _ if label::look(server, node).await?.is_none() => return Ok(Ending::NodeIsGone),
        Over::Rejected(why) => failed(format!("its pod {name} was not run: {why}")),
        Over::Deleted => return Ok(failed(format!("its pod {name} was deleted by somebody else"))),
        Over::Endless => {
            let advice = format!("look what it does by `kubectl logs {name}`, and run this again");
            return Ok(failed(format!("its pod {name} did not end within {WORK:?}: {advice}")));
        }
    };
    pods.remove(&name).await?;
    Ok(ending)
}

/// How it went with a pod.
#[derive(Debug)]
enum Over {
    Ended(ContainerStateTerminated),
    /// It never came to it.
    Rejected(String),
    Deleted,
    /// It is at work still, for all that is known.
    Endless,
}

/// Waits until a pod is over.
async fn wait(pods: &Pods<'_>, name: &str, container: &str) -> Result<Over> {
    let judge = |pod: Option<&Pod>| pod.is_none_or(|pod| has_started(pod, container)).then_some(());
    if pods.until(name, START, judge).await?.is_none() {
        let pod = pods.look(name).await?;
        let why = pod.and_then(|pod| obstacle(&pod, container));
        let why = why.unwrap_or_else(|| "nobody says why".to_owned());
        return Ok(Over::Rejected(format!("after {START:?} it had not started: {why}")));
    }
    let judge = |pod: Option<&Pod>| pod.map_or(Some(Over::Deleted), |pod| over(pod, container));
    Ok(pods.until(name, WORK, judge).await?.unwrap_or(Over::Endless))
}

/// How long a pod's work may take.
const WORK: Duration = Duration::from_secs(900);

/// Whether a pod of an earlier attempt does what is wanted.
fn may_go_on(old: &Pod, task: Task) -> bool {
    let undoes = matches!(task, Task::Leave { .. });
    undoes && !has_failed(old) && old.metadata.deletion_timestamp.is_none()
}

fn status<'p>(pod: &'p Pod, container: &str) -> Option<&'p ContainerStatus> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    statuses.iter().find(|status| status.name == container)
}

fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default()
}

fn has_failed(pod: &Pod) -> bool {
    phase(pod) == "Failed"
}

fn over(pod: &Pod, container: &str) -> Option<Over> {
    let state = status(pod, container).and_then(|status| status.state.as_ref());
    if let Some(ended) = state.and_then(|state| state.terminated.clone()) {
        return Some(Over::Ended(ended));
    }
    let status = pod.status.as_ref().filter(|_| has_failed(pod))?;
    let words = [&status.reason, &status.message].into_iter().flatten();
    Some(Over::Rejected(words.map(String::as_str).collect::<Vec<_>>().join(": ")))
}

fn has_started(pod: &Pod, container: &str) -> bool {
    let state = status(pod, container).and_then(|status| status.state.as_ref());
    over(pod, container).is_some() || state.is_some_and(|state| state.running.is_some())
}

/// What a pod that does not start waits for.
fn obstacle(pod: &Pod, container: &str) -> Option<String> {
    let waiting = status(pod, container)?.state.as_ref()?.waiting.as_ref()?;
    let words = [&waiting.reason, &waiting.message].into_iter().flatten();
    Some(words.map(String::as_str).collect::<Vec<_>>().join(": "))
}

fn judged(ended: &ContainerStateTerminated, log: Option<String>) -> Ending {
    let said = log.filter(|log| !log.trim().is_empty()).or_else(|| ended.message.clone()).unwrap_or_default();
    let message = said.trim().to_owned();
    let kind = match ended.exit_code {
        DONE | ABSENT => return Ending::Done(message),
        REFUSED => ErrorKind::Refused,
        BROKEN => ErrorKind::Broken,
        _ => ErrorKind::Failed,
    };
    let message =
        if message.is_empty() { format!("its pod ended with status {}", ended.exit_code) } else { message };
    Ending::Failed { kind, message }
}

fn failed(message: String) -> Ending {
    Ending::Failed { kind: ErrorKind::Failed, message }
}

/// Exit statuses of this program.
const DONE: i32 = 0;
const REFUSED: i32 = 3;
const BROKEN: i32 = 4;
const ABSENT: i32 = 5;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::error::Error;

    fn pod(status: &Value) -> Pod {
        serde_json::from_value(json!({ "metadata": {}, "status": status })).unwrap()
    }

    fn in_state(state: &Value) -> Pod {
        let status = json!({ "name": "leave", "state": state, "image": "", "imageID": "", "ready": false, "restartCount": 0 });
        pod(&json!({ "phase": "Running", "containerStatuses": [status] }))
    }

    fn ended(code: i32) -> ContainerStateTerminated {
        let message = Some("from the status\n".to_owned());
        ContainerStateTerminated { exit_code: code, message, ..ContainerStateTerminated::default() }
    }

    #[test]
    fn a_pod_is_over_when_its_container_has_ended_or_nobody_will_run_it() {
        assert!(over(&pod(&json!({ "phase": "Pending" })), "leave").is_none());
        assert!(over(&in_state(&json!({ "running": {} })), "leave").is_none());
        let ended = in_state(&json!({ "terminated": { "exitCode": 3 } }));
        assert!(matches!(over(&ended, "leave"), Some(Over::Ended(ended)) if ended.exit_code == 3));
        assert!(over(&ended, "another").is_none(), "what runs beside it does not count");
        let rejected = pod(&json!({ "phase": "Failed", "reason": "OutOfpods", "message": "too many" }));
        assert!(
            matches!(over(&rejected, "leave"), Some(Over::Rejected(why)) if why == "OutOfpods: too many")
        );
    }

    #[test]
    fn a_pod_has_started_when_it_runs_or_is_over() {
        let waiting =
            in_state(&json!({ "waiting": { "reason": "ErrImagePull", "message": "no such image" } }));
        assert!(!has_started(&waiting, "leave"));
        assert_eq!(obstacle(&waiting, "leave").as_deref(), Some("ErrImagePull: no such image"));
        assert!(has_started(&in_state(&json!({ "running": {} })), "leave"));
        assert!(has_started(&in_state(&json!({ "terminated": { "exitCode": 0 } })), "leave"));
    }

    #[test]
    fn an_exit_status_means_what_it_means_by_hand() {
        let kind = |code| match judged(&ended(code), None) {
            Ending::Failed { kind, .. } => Some(kind),
            _ => None,
        };
        let expected = [
            (0, None),
            (1, Some(ErrorKind::Failed)),
            (2, Some(ErrorKind::Failed)),
            (3, Some(ErrorKind::Refused)),
            (4, Some(ErrorKind::Broken)),
            (5, None),
            (137, Some(ErrorKind::Failed)),
        ];
        assert_eq!(expected.map(|(code, _)| (code, kind(code))), expected);
        for (status, kind) in
            [(REFUSED, ErrorKind::Refused), (BROKEN, ErrorKind::Broken), (ABSENT, ErrorKind::Absent)]
        {
            assert_eq!(i32::from(Error::new(kind, "").status()), status);
        }
    }

    #[test]
    fn a_log_says_more_than_a_status_if_there_is_one() {
        let message = |log: Option<&str>| match judged(&ended(1), log.map(str::to_owned)) {
            Ending::Failed { message, .. } => message,
            other => panic!("{other:?}"),
        };
        assert_eq!(message(Some("from the log\n")), "from the log");
        assert_eq!(message(Some("\n")), "from the status");
        assert_eq!(message(None), "from the status");
    }
}
