//! What a setup says, in the words of a pod's manifest.

use serde_json::{Map, Value, json};

use super::cluster::Cluster;
use super::json::with;
use super::kind::Kind;
use super::namespace::LABEL;
use crate::setup::Setup;

/// Who a guest is where a case does not say: nobody in particular, as the restricted level wants it.
pub(crate) const USER: u32 = 1000;
/// How long a pod may take to end where a case does not say.
const GRACE: u32 = 5;

impl Cluster {
    /// A pod with these containers, of the restricted level.
    pub(crate) fn manifest(&self, name: &str, containers: Value) -> Value {
        self.object(Kind::Pod, name, json!({ "spec": self.pod_spec(containers) }))
    }

    /// An object of the run's.
    pub(crate) fn object(&self, kind: Kind, name: &str, body: Value) -> Value {
        let (version, kind) = kind.header();
        let labels = with(self.labels(), json!({ "shimmer-case": name }));
        let header = json!({
            "apiVersion": version,
            "kind": kind,
            "metadata": { "name": name, "labels": labels },
        });
        with(header, body)
    }

    /// The label of all that a run makes, and of what others make of its templates.
    pub(crate) fn labels(&self) -> Value {
        json!({ LABEL: self.label() })
    }

    /// What a pod is made of, in a manifest of its own or in a template.
    pub(crate) fn pod_spec(&self, containers: Value) -> Value {
        json!({
            "runtimeClassName": self.runtime_class,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": GRACE,
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "securityContext": {
                "runAsNonRoot": true,
                "runAsUser": USER,
                "runAsGroup": USER,
                "fsGroup": USER,
                "seccompProfile": { "type": "RuntimeDefault" },
            },
            "containers": containers,
            "volumes": [{ "name": "data", "emptyDir": {} }],
        })
    }

    /// A container; `/data` is a folder that the containers of the pod share.
    pub(crate) fn container(&self, name: &str, setup: &Setup) -> Value {
        let env: Vec<Value> =
            setup.env.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        let container = json!({
            "name": name,
            "image": self.image(setup),
            "imagePullPolicy": self.pull_policy(),
            "env": env,
            "resources": resources(setup),
            "volumeMounts": mounts(setup),
            "securityContext": security(setup),
        });
        with(container, command(setup))
    }
}

fn command(setup: &Setup) -> Value {
    match setup.left_to_the_image {
        true if setup.args.is_empty() => json!({}),
        true => json!({ "args": setup.args }),
        false => json!({ "command": setup.command(), "workingDir": setup.cwd }),
    }
}

fn resources(setup: &Setup) -> Value {
    let mut limits = Map::new();
    if let Some(bytes) = setup.memory {
        limits.insert("memory".into(), bytes.to_string().into());
    }
    if let Some((quota, period)) = setup.cpu {
        let thousandths = u64::try_from(quota).unwrap_or_default() * 1000 / period.max(1);
        limits.insert("cpu".into(), format!("{thousandths}m").into());
    }
    if limits.is_empty() {
        return json!({});
    }
    // Else as much would be asked for as is allowed, and few would find room at once.
    let few = |name: &String| if name == "memory" { json!("16Mi") } else { json!("10m") };
    let requests: Map<String, Value> = limits.keys().map(|name| (name.clone(), few(name))).collect();
    json!({ "limits": limits, "requests": requests })
}

fn mounts(setup: &Setup) -> Value {
    let data = json!({ "name": "data", "mountPath": "/data", "readOnly": setup.read_only });
    let others = setup.mounts.iter().map(|(file, target)| {
        let path = file.trim_end_matches('/');
        json!({ "name": "data", "mountPath": target, "subPath": path, "readOnly": setup.read_only })
    });
    Value::Array([data].into_iter().chain(others).collect())
}

fn security(setup: &Setup) -> Value {
    let all = json!({
        "allowPrivilegeEscalation": false,
        "capabilities": { "drop": ["ALL"] },
        "readOnlyRootFilesystem": setup.read_only_root,
    });
    match setup.user {
        Some((user, group)) => with(all, json!({ "runAsUser": user, "runAsGroup": group })),
        None => all,
    }
}

#[cfg(test)]
mod tests {
    use crate::level::Level;

    #[test]
    fn no_case_of_pods_has_a_guest_that_is_root() {
        for case in crate::all().iter().filter(|case| case.levels.contains(&Level::Kube)) {
            let is_root = case.setup.user.is_some_and(|(user, _)| user == 0);
            assert!(!is_root, "{} is not for the restricted level", case.id);
        }
    }
}
