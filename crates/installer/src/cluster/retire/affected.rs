//! On which nodes there is something to undo. Pure.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Node, Pod};
use kube::ResourceExt;

use crate::cluster::label::Said;

/// A node with something of ours.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Affected {
    pub(super) name: String,
    pub(super) said: Said,
    /// Whether a pod can do something there.
    pub(super) ready: bool,
}

/// Nodes that say something of ours, or have a pod of the DaemonSet. A node that is not in the cluster any more has
/// nothing that could be undone from here.
pub(super) fn find(nodes: &[Node], pods: &[Pod], daemonset: &str) -> Vec<Affected> {
    let with_pod: BTreeSet<&str> =
        pods.iter().filter(|pod| is_of(pod, daemonset)).filter_map(node_of).collect();
    let affected = nodes.iter().map(|node| Affected {
        name: node.name_any(),
        said: Said::by(node),
        ready: is_ready(node),
    });
    affected.filter(|node| !node.said.is_nothing() || with_pod.contains(&*node.name)).collect()
}

/// Whether a pod belongs to a DaemonSet.
pub(super) fn is_of(pod: &Pod, daemonset: &str) -> bool {
    pod.owner_references().iter().any(|owner| owner.kind == "DaemonSet" && owner.name == daemonset)
}

/// The node that a pod is on.
pub(super) fn node_of(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref()
}

fn is_ready(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|it| it.type_ == "Ready" && it.status == "True")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn node(name: &str, metadata: Value, ready: &str) -> Node {
        let mut node = json!({
            "metadata": metadata,
            "status": { "conditions": [{ "type": "Ready", "status": ready }] },
        });
        node["metadata"]["name"] = name.into();
        serde_json::from_value(node).unwrap()
    }

    fn pod(node: Option<&str>, kind: &str, owner: &str) -> Pod {
        serde_json::from_value(json!({
            "metadata": { "ownerReferences": [{ "apiVersion": "apps/v1", "kind": kind, "name": owner, "uid": "1" }] },
            "spec": { "nodeName": node, "containers": [] },
        }))
        .unwrap()
    }

    #[test]
    fn finds_nodes_by_what_they_say_and_by_pods_of_the_daemonset() {
        let nodes = [
            node("labelled", json!({ "labels": { "shimmer.dev/wasmtime": "ready" } }), "True"),
            node("marked", json!({ "annotations": { "shimmer.dev/retiring": "true" } }), "Unknown"),
            node("installing", json!({}), "True"),
            node("other", json!({ "labels": { "shimmer.dev/pool": "yes" } }), "True"),
        ];
        let pods = [
            pod(Some("installing"), "DaemonSet", "shimmer"),
            pod(Some("other"), "DaemonSet", "another"),
            pod(Some("other"), "ReplicaSet", "shimmer"),
            pod(Some("removed"), "DaemonSet", "shimmer"),
            pod(None, "DaemonSet", "shimmer"),
        ];
        let found: Vec<_> =
            find(&nodes, &pods, "shimmer").into_iter().map(|node| (node.name, node.ready)).collect();
        assert_eq!(found, [("labelled".into(), true), ("marked".into(), false), ("installing".into(), true)]);
    }
}
