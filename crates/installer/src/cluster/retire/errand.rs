//! One pod on one node: made, waited for, heard, and removed.

use std::time::Duration;

use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod};
use kube::ResourceExt;

use super::pods::{Pods, START};
use super::template::{Task, Template};
use crate::cluster::call::Server;
use crate::cluster::label;
use crate::error::{Error, ErrorKind, Result};

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
    let name = pod.name_any();
    if label::look(server, node).await?.is_none() {
        return Ok(Ending::NodeIsGone);
    }
    if pods.look(&name).await?.is_some_and(|old| !may_go_on(&old, task)) {
        pods.remove(&name).await?;
    }
    pods.create(&pod).await?;
    let ending = match wait(&pods, &name, template.container()).await? {
        Some(Over::Ended(ended)) => {
            let log = pods.log(&name, template.container()).await;
            judged(&ended, log)
        }
        Some(Over::Rejected(why)) => failed(format!("its pod {name} was not run: {why}")),
        None if label::look(server, node).await?.is_none() => return Ok(Ending::NodeIsGone),
        None => {
            return Ok(failed(format!("its pod {name} was deleted by somebody else before it had ended")));
        }
    };
    pods.remove(&name).await?;
    Ok(ending)
}

/// A pod that does nothing any more.
#[derive(Debug)]
enum Over {
    Ended(ContainerStateTerminated),
    /// It never came to it.
    Rejected(String),
}

/// Waits until a pod is over; nothing where it was deleted. One that does not start is removed, too.
async fn wait(pods: &Pods<'_>, name: &str, container: &str) -> Result<Option<Over>> {
    let judge = |pod: Option<&Pod>| pod.is_none_or(|pod| has_started(pod, container)).then_some(());
    if pods.until(name, START, judge).await?.is_none() {
        let pod = pods.look(name).await?;
        let why =
            pod.and_then(|pod| obstacle(&pod, container)).unwrap_or_else(|| "nobody says why".to_owned());
        return Ok(Some(Over::Rejected(format!("after {START:?} it had not started: {why}"))));
    }
    let judge = |pod: Option<&Pod>| pod.map_or(Some(None), |pod| over(pod, container).map(Some));
    pods.until(name, WORK, judge).await?.ok_or_else(|| {
        let message =
            format!("the pod {name} did not end within {WORK:?}: look what it does by `kubectl logs {name}`");
        Error::new(ErrorKind::Failed, message)
    })
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
