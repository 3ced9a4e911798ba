//! The pod that does something on a node, made from the template of whoever retires.

use k8s_openapi::api::core::v1::{Pod, PodSpec};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// The pod that does `leave`.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pod: Pod,
    spec: PodSpec,
}

/// What a pod is to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Task {
    /// Only to ask.
    Check,
    Leave {
        force: bool,
    },
}

impl Template {
    /// A Pod as JSON. Its first container does `leave`, so that `--check` or `--force` can follow its arguments; the name,
    /// the node and that it is not started again are filled in here.
    pub(super) fn parse(json: &[u8]) -> Result<Self> {
        let invalid = |why: &str| Error::refused(format!("--pod-template is no Pod in JSON: {why}"));
        let mut pod: Pod = serde_json::from_slice(json).map_err(|error| invalid(&error.to_string()))?;
        let spec = pod.spec.take().ok_or_else(|| invalid("it has no spec"))?;
        if spec.containers.is_empty() {
            return Err(invalid("it has no container"));
        }
        Ok(Self { pod, spec })
    }

    /// The container whose end counts.
    pub(super) fn container(&self) -> &str {
        self.spec.containers.first().map_or("", |container| &container.name)
    }

    /// The pod for a task on a node. It always has the same name, so that it is made once however often it is asked for.
    pub(super) fn pod(&self, task: Task, node: &str) -> Pod {
        let (mut pod, mut spec) = (self.pod.clone(), self.spec.clone());
        spec.node_name = Some(node.to_owned());
        spec.restart_policy = Some("Never".to_owned());
        if let Some(container) = spec.containers.first_mut() {
            let arguments = container.args.get_or_insert_default();
            arguments.extend(task.argument().map(str::to_owned));
            container.termination_message_policy = Some("FallbackToLogsOnError".to_owned());
        }
        pod.metadata.name = Some(self.name(task, node));
        pod.metadata.generate_name = None;
        pod.metadata.namespace = None;
        pod.spec = Some(spec);
        pod
    }

    fn name(&self, task: Task, node: &str) -> String {
        let metadata = &self.pod.metadata;
        let stem = metadata.name.as_deref().or(metadata.generate_name.as_deref()).unwrap_or("shimmer-retire");
        let digest = Sha256::digest(node.as_bytes());
        let digest: String = digest.iter().take(DIGEST).map(|byte| format!("{byte:02x}")).collect();
        format!("{}-{}-{digest}", stem.trim_end_matches('-'), task.name())
    }
}

impl Task {
    fn name(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Leave { .. } => "leave",
        }
    }

    fn argument(self) -> Option<&'static str> {
        match self {
            Self::Check => Some("--check"),
            Self::Leave { force: true } => Some("--force"),
            Self::Leave { force: false } => None,
        }
    }
}

/// Enough of a digest that no two nodes of a cluster share it, in bytes.
const DIGEST: usize = 6;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn template() -> Template {
        let json = json!({
            "metadata": { "generateName": "shimmer-retire-", "namespace": "x", "labels": { "app": "shimmer" } },
            "spec": {
                "hostPID": true,
                "restartPolicy": "OnFailure",
                "containers": [{ "name": "leave", "image": "i", "args": ["leave", "--node", "$(NODE)"] }],
            },
        });
        Template::parse(json.to_string().as_bytes()).unwrap()
    }

    fn made(task: Task, node: &str) -> Value {
        serde_json::to_value(template().pod(task, node)).unwrap()
    }

    #[test]
    fn fills_in_the_node_the_name_and_the_task() {
        let pod = made(Task::Check, "node1");
        assert_eq!(pod["spec"]["nodeName"], "node1");
        assert_eq!(pod["spec"]["restartPolicy"], "Never");
        assert_eq!(pod["spec"]["hostPID"], true);
        assert_eq!(pod["spec"]["containers"][0]["args"], json!(["leave", "--node", "$(NODE)", "--check"]));
        assert_eq!(pod["metadata"]["labels"], json!({ "app": "shimmer" }));
        assert_eq!(pod["metadata"]["generateName"], Value::Null);
        let forced = made(Task::Leave { force: true }, "node1");
        assert_eq!(forced["spec"]["containers"][0]["args"][3], "--force");
        let asked = made(Task::Leave { force: false }, "node1");
        assert_eq!(asked["spec"]["containers"][0]["args"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn a_pod_is_called_the_same_each_time_and_like_no_other() {
        let name = |task, node| made(task, node)["metadata"]["name"].as_str().unwrap().to_owned();
        let leave = Task::Leave { force: false };
        assert_eq!(name(leave, "node1"), name(Task::Leave { force: true }, "node1"));
        assert_ne!(name(leave, "node1"), name(Task::Check, "node1"));
        assert_ne!(name(leave, "node1"), name(leave, "node2"));
        let long = name(leave, &"a.long.name".repeat(23));
        assert!(long.starts_with("shimmer-retire-leave-") && long.len() < 63, "{long}");
    }

    #[test]
    fn refuses_a_template_that_is_no_pod() {
        for text in ["", "[]", "{}", r#"{"spec":{"containers":[]}}"#] {
            let error = Template::parse(text.as_bytes()).expect_err(text);
            assert!(error.to_string().starts_with("--pod-template is no Pod in JSON: "), "{error}");
        }
    }
}
