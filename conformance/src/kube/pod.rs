use serde_json::Value;

use super::api::Answer;
use super::cluster::Cluster;
use super::json::{list, text};
use super::kind::Kind;
use super::logs::{Log, Stream};
use super::streams::{Exec, Ran};
use crate::failure::{Failure, Result, ensure};
use crate::patience::until;

/// The container of a pod that a case is about, where it has one.
pub(crate) const GUEST: &str = "guest";

/// A pod. Dropped, it is deleted.
#[derive(Debug)]
pub(crate) struct Pod<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) name: String,
}

/// Why a container of ours does not start that is not the shim's doing.
const NO_IMAGE: [&str; 4] = ["ErrImageNeverPull", "ErrImagePull", "ImagePullBackOff", "InvalidImageName"];
/// What the kubelet calls a container that the shim would not make.
const REFUSALS: [&str; 4] = ["StartError", "ContainerCannotRun", "RunContainerError", "CreateContainerError"];
/// How long a deleted pod may take.
const SOON: u32 = 1;

impl<'a> Pod<'a> {
    /// Makes a pod of a manifest.
    pub(crate) fn create(cluster: &'a Cluster, manifest: &Value) -> Answer<Self> {
        let made = cluster.api().create(&cluster.collection(Kind::Pod), manifest)?;
        Ok(Self { cluster, name: text(&made, "/metadata/name").to_owned() })
    }

    pub(crate) fn path(&self) -> String {
        self.cluster.path(Kind::Pod, &self.name)
    }

    pub(crate) fn object(&self) -> Result<Value> {
        Ok(self.cluster.api().read(&self.path())?)
    }

    /// Watches the pod until nothing is missing; fails at once where its images are.
    pub(crate) fn until(&self, mut missing: impl FnMut(&Value) -> Result<Option<String>>) -> Result<Value> {
        self.cluster.until(Kind::Pod, &self.name, |pod| {
            if let Some(why) = without_image(pod) {
                return Err(Failure(why));
            }
            let missing = missing(pod)?;
            Ok(missing.map(|missing| format!("{missing}, but the pod {}", described(pod))))
        })
    }

    /// Waits until a container runs.
    pub(crate) fn runs(&self, container: &str) -> Result<Value> {
        self.until(|pod| {
            let state = &status(pod, container)["state"];
            if state.get("terminated").is_some() {
                return Err(Failure(format!("{container} should run, but the pod {}", described(pod))));
            }
            Ok(state.get("running").is_none().then(|| format!("expected {container} to run")))
        })
    }

    /// Waits until the pod is ready.
    pub(crate) fn is_ready(&self) -> Result<Value> {
        self.until(|pod| Ok((!ready(pod)).then(|| "expected it to be ready".to_owned())))
    }

    /// Waits until a container has ended for good; gives its `terminated` state.
    pub(crate) fn ended(&self, container: &str) -> Result<Value> {
        let pod = self.until(|pod| {
            let over = status(pod, container).pointer("/state/terminated").is_some();
            Ok((!over).then(|| format!("expected {container} to end")))
        })?;
        Ok(status(&pod, container)["state"]["terminated"].clone())
    }

    /// As [`ended`](Self::ended), with this exit status.
    pub(crate) fn ended_with(&self, container: &str, code: u32) -> Result<Value> {
        let state = self.ended(container)?;
        ensure(state["exitCode"] == code, || {
            format!("expected {container} to end with {code}, but saw {state}")
        })?;
        Ok(state)
    }

    /// All that a container has written to a stream.
    pub(crate) fn bytes(&self, container: &str, stream: Stream) -> Result<Vec<u8>> {
        Ok(self.cluster.log(Log { pod: &self.name, container, stream, previous: false })?)
    }

    pub(crate) fn log(&self, container: &str, stream: Stream) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.bytes(container, stream)?).into_owned())
    }

    /// Reads what a container has written until nothing is missing: its end may be told before its log is whole.
    pub(crate) fn tells(
        &self,
        container: &str,
        stream: Stream,
        missing: impl Fn(&str) -> Option<String>,
    ) -> Result<String> {
        let mut log = String::new();
        until(self.cluster.patience, || {
            log = self.log(container, stream)?;
            Ok(missing(&log))
        })?;
        Ok(log)
    }

    /// Follows the log of a container until it has `text`.
    pub(crate) fn says(&self, container: &str, text: &str) -> Result<String> {
        self.follows(container, |log| log.contains(text)).and_then(|log| {
            ensure(log.contains(text), || {
                format!("expected {text:?} in the log of {container}, but it ended with {log:?}")
            })?;
            Ok(log)
        })
    }

    /// Follows the log of a container until it fits or ends.
    pub(crate) fn follows(&self, container: &str, fits: impl Fn(&str) -> bool) -> Result<String> {
        let log = Log { pod: &self.name, container, stream: Stream::Merged, previous: false };
        self.cluster.follow(log, self.cluster.patience, fits)
    }

    pub(crate) fn exec<const N: usize>(&self, container: &str, command: [&str; N]) -> Result<Ran> {
        self.runs_in(container, &Exec::new(command))
    }

    pub(crate) fn runs_in(&self, container: &str, exec: &Exec) -> Result<Ran> {
        Ok(self.cluster.exec(&self.name, container, exec)?)
    }

    /// The node that it is on.
    pub(crate) fn node(&self) -> Result<String> {
        let pod = self.object()?;
        Ok(text(&pod, "/spec/nodeName").to_owned())
    }

    pub(crate) fn delete(&self, grace: Option<u32>) -> Result {
        Ok(self.cluster.api().delete(&self.path(), Kind::Pod.propagation(), grace)?)
    }

    /// Waits until it is gone.
    pub(crate) fn gone(&self) -> Result {
        let gone = |pod: &Value| {
            Ok((!pod.is_null()).then(|| format!("expected the pod to go, but it {}", described(pod))))
        };
        self.cluster.until(Kind::Pod, &self.name, gone).map(drop)
    }
}

impl Drop for Pod<'_> {
    fn drop(&mut self) {
        // Whoever looks at the namespace afterwards sees what could not be deleted.
        let _gone = self.delete(Some(SOON));
    }
}

/// The status of a container of any kind; null while there is none.
pub(crate) fn status<'v>(pod: &'v Value, container: &str) -> &'v Value {
    let kinds =
        ["/status/containerStatuses", "/status/initContainerStatuses", "/status/ephemeralContainerStatuses"];
    let mut all = kinds.iter().flat_map(|kind| list(pod, kind));
    all.find(|status| status["name"] == container).unwrap_or(&Value::Null)
}

pub(crate) fn restarts(pod: &Value, container: &str) -> u64 {
    status(pod, container)["restartCount"].as_u64().unwrap_or_default()
}

/// The status of a condition: `True`, `False`, or nothing.
pub(crate) fn condition<'v>(pod: &'v Value, name: &str) -> &'v str {
    let found = list(pod, "/status/conditions").iter().find(|condition| condition["type"] == name);
    found.map_or("", |condition| text(condition, "/status"))
}

pub(crate) fn ready(pod: &Value) -> bool {
    condition(pod, "Ready") == "True"
}

/// The sentence with which the shim refused to make a container, as the kubelet tells it.
pub(crate) fn refusal(pod: &Value, container: &str) -> Option<String> {
    let status = status(pod, container);
    let states = ["/state/terminated", "/state/waiting", "/lastState/terminated"];
    let told = states.iter().filter_map(|state| status.pointer(state));
    let mut refused = told.filter(|state| REFUSALS.contains(&text(state, "/reason")));
    refused.find(|state| !text(state, "/message").is_empty()).map(|state| text(state, "/message").to_owned())
}

fn without_image(pod: &Value) -> Option<String> {
    let kinds = ["/status/containerStatuses", "/status/initContainerStatuses"];
    let mut all = kinds.iter().flat_map(|kind| list(pod, kind));
    let lacking = all.find(|status| NO_IMAGE.contains(&text(status, "/state/waiting/reason")))?;
    let (image, reason) = (text(lacking, "/image"), text(lacking, "/state/waiting/reason"));
    Some(format!("the image {image} is not there ({reason}): `shimmer-conformance images` writes it"))
}

/// A pod's state, for a person who reads what went wrong.
pub(crate) fn described(pod: &Value) -> String {
    if pod.is_null() {
        return "is not there".to_owned();
    }
    let kinds =
        ["/status/initContainerStatuses", "/status/containerStatuses", "/status/ephemeralContainerStatuses"];
    let all = kinds.iter().flat_map(|kind| list(pod, kind));
    let states: Vec<String> =
        all.map(|status| format!("{}: {}", text(status, "/name"), status["state"])).collect();
    format!("is {} ({})", text(pod, "/status/phase"), states.join("; "))
}
