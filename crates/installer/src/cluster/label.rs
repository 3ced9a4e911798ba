//! What a node says of its shims: a label for each handler that is ready, by which pods find it, and annotations for people.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Node;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Map, Value, json};

use crate::cluster::PREFIX;
use crate::cluster::call::{Answer, Server, unless_absent};
use crate::error::{Error, Result};

/// What all labels of ours say. Whatever else somebody writes below our prefix is not ours.
const READY: &str = "ready";
/// The release that is installed.
const RELEASE: &str = "shimmer.dev/release";
/// The sentence with which the last attempt failed.
const PROBLEM: &str = "shimmer.dev/problem";
/// The node's shims are to be taken away; so that a retirement that was interrupted finds all of its nodes again.
const RETIRING: &str = "shimmer.dev/retiring";
/// More than a sentence has.
const LONGEST: usize = 1000;

/// What of a node is ours.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Said {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

impl Said {
    pub(crate) fn by(node: &Node) -> Self {
        let labels = node.metadata.labels.iter().flatten();
        let annotations = node.metadata.annotations.iter().flatten();
        let owned = |(key, value): (&String, &String)| (key.clone(), value.clone());
        Self {
            labels: labels
                .filter(|(key, value)| key.starts_with(PREFIX) && *value == READY)
                .map(owned)
                .collect(),
            annotations: annotations
                .filter(|(key, _)| [RELEASE, PROBLEM, RETIRING].contains(&key.as_str()))
                .map(owned)
                .collect(),
        }
    }

    pub(crate) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// These handlers of this release are ready, and nothing else is.
    pub(crate) fn ready(handlers: &[String], release: &str) -> Self {
        let label = |handler: &String| (format!("{PREFIX}{handler}"), READY.to_owned());
        Self {
            labels: handlers.iter().map(label).collect(),
            annotations: [(RELEASE.to_owned(), release.to_owned())].into(),
        }
    }

    /// As it was, and what went wrong.
    pub(crate) fn with_problem(mut self, sentence: &str) -> Self {
        let sentence = sentence.chars().take(LONGEST).collect();
        self.annotations.insert(PROBLEM.to_owned(), sentence);
        self
    }

    /// As it was, but no pod finds it.
    pub(crate) fn without_labels(self) -> Self {
        Self { labels: BTreeMap::new(), ..self }
    }

    /// As it was, and its end has begun.
    pub(crate) fn retiring(mut self) -> Self {
        self.annotations.insert(RETIRING.to_owned(), "true".to_owned());
        self
    }

    /// What turns `self` into `new`; all else of the node stays as it is.
    fn patch(&self, new: &Self) -> Value {
        json!({ "metadata": {
            "labels": difference(&self.labels, &new.labels),
            "annotations": difference(&self.annotations, &new.annotations),
        } })
    }
}

/// A node, which has to be there.
pub(crate) async fn find(server: &Server, name: &str) -> Result<Node> {
    look(server, name).await?.ok_or_else(|| absent(name))
}

/// A node, if it is there.
pub(crate) async fn look(server: &Server, name: &str) -> Answer<Option<Node>> {
    let nodes = nodes(server);
    server.ask(&format!("read the node {name}"), || nodes.get_opt(name)).await
}

/// Makes a node say this; `old` is what it says. Gives the node, or nothing where it is not there any more.
pub(crate) async fn say(server: &Server, name: &str, old: &Said, new: &Said) -> Answer<Option<Node>> {
    let (nodes, params, patch) = (nodes(server), PatchParams::default(), Patch::Merge(old.patch(new)));
    let doing = format!("label the node {name}");
    unless_absent(server.ask(&doing, || nodes.patch(name, &params, &patch)).await)
}

/// There is no such node.
pub(crate) fn absent(name: &str) -> Error {
    Error::refused(format!("there is no node {name} in this cluster: `kubectl get nodes` shows their names"))
}

pub(crate) fn nodes(server: &Server) -> Api<Node> {
    Api::all(server.client.clone())
}

fn difference(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Map<String, Value> {
    let removed = old.keys().filter(|key| !new.contains_key(*key)).map(|key| (key.clone(), Value::Null));
    let set = new.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str())));
    removed.chain(set).collect()
}

#[cfg(test)]
mod tests {
    use kube::api::ObjectMeta;

    use super::*;

    fn node(labels: &[(&str, &str)], annotations: &[(&str, &str)]) -> Node {
        let owned = |pairs: &[(&str, &str)]| {
            Some(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
        };
        let metadata =
            ObjectMeta { labels: owned(labels), annotations: owned(annotations), ..ObjectMeta::default() };
        Node { metadata, ..Node::default() }
    }

    #[test]
    fn a_node_gets_a_label_for_each_handler_in_one_patch() {
        let new = Said::ready(&["wasmtime".into(), "wasmer".into()], "0.1.0");
        assert_eq!(
            Said::default().patch(&new),
            json!({ "metadata": {
                "labels": { "shimmer.dev/wasmtime": "ready", "shimmer.dev/wasmer": "ready" },
                "annotations": { "shimmer.dev/release": "0.1.0" },
            } })
        );
    }

    #[test]
    fn what_is_no_longer_installed_loses_its_label_and_a_problem_is_over() {
        let before = node(
            &[("shimmer.dev/wasmtime", "ready"), ("shimmer.dev/old", "ready"), ("disk", "ssd")],
            &[("shimmer.dev/problem", "it was full"), ("shimmer.dev/retiring", "true"), ("note", "mine")],
        );
        assert_eq!(
            Said::by(&before).patch(&Said::ready(&["wasmtime".into()], "0.2.0")),
            json!({ "metadata": {
                "labels": { "shimmer.dev/old": null, "shimmer.dev/wasmtime": "ready" },
                "annotations": {
                    "shimmer.dev/problem": null,
                    "shimmer.dev/release": "0.2.0",
                    "shimmer.dev/retiring": null,
                },
            } })
        );
    }

    #[test]
    fn what_somebody_else_wrote_is_not_ours() {
        let theirs =
            node(&[("shimmer.dev/pool", "yes"), ("other.dev/wasmtime", "ready")], &[("shimmer.dev/x", "y")]);
        assert!(Said::by(&theirs).is_nothing());
        assert!(Said::by(&Node::default()).is_nothing());
    }

    #[test]
    fn labels_go_and_come_back_as_they_were() {
        let before = node(&[("shimmer.dev/wasmtime", "ready")], &[("shimmer.dev/release", "0.1.0")]);
        let said = Said::by(&before);
        let without = said.clone().without_labels();
        assert_eq!(said.patch(&without)["metadata"]["labels"], json!({ "shimmer.dev/wasmtime": null }));
        assert_eq!(without.patch(&said)["metadata"]["labels"], json!({ "shimmer.dev/wasmtime": "ready" }));
        assert!(!without.is_nothing(), "the release is still said");
    }

    #[test]
    fn a_problem_is_told_in_so_many_words_at_most() {
        let said = Said::default().with_problem(&"é".repeat(2 * LONGEST));
        assert_eq!(said.annotations[PROBLEM].chars().count(), LONGEST);
    }
}
