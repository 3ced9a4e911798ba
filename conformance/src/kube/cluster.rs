use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::api::Api;
use super::json::{list, text};
use super::kind::{Kind, NODES};
use super::namespace::{Footprint, LABEL};
use super::nodes::Nodes;
use super::watch::{Objects, Watched};
use crate::claims::Claims;
use crate::failure::{Failure, Result};
use crate::images;
use crate::report::Machine;
use crate::setup::{Setup, busybox};
use crate::shim;

/// A cluster to be tested, and what of it may be used.
#[derive(Clone, Debug)]
pub struct ClusterTarget {
    /// How to reach it.
    pub kubeconfig: PathBuf,
    /// The RuntimeClass of the pods.
    pub runtime_class: String,
    /// Where the suite's images were pushed to; without it they are on the nodes, under their own names.
    pub image_prefix: Option<String>,
    /// A namespace that exists; without it one is made, and removed.
    pub namespace: Option<String>,
    /// Its nodes, where they run on this machine.
    pub nodes: Option<Arc<dyn Nodes>>,
}

/// A cluster under test. Dropped, everything that was made in it is removed.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(super) api: Api,
    footprint: Footprint,
    pub(crate) namespace: String,
    /// The RuntimeClass, whose name is the shim's for the lists of known failures.
    pub(crate) runtime_class: String,
    image_prefix: Option<String>,
    pub(crate) claims: Claims,
    pub(crate) patience: Duration,
    pub(crate) nodes: Option<Arc<dyn Nodes>>,
    /// Whether the server tells the streams of a log apart.
    pub(crate) splits_logs: bool,
    /// The version of the API server.
    pub(crate) version: String,
}

impl Cluster {
    /// Connects; `announce` is told what the run is going to make before anything is made.
    pub(crate) fn connect(
        target: &ClusterTarget,
        claims: Claims,
        patience: Duration,
        announce: &dyn Fn(&str),
    ) -> Result<Self> {
        let api = Api::connect(&target.kubeconfig, patience)?;
        let version = text(&api.read("/version")?, "/gitVersion").to_owned();
        let footprint = Footprint::plan(target.namespace.as_deref(), target.nodes.is_some());
        announce(&preface(target, &footprint));
        footprint.remove_on_interrupt(&api);
        // From here on its end removes what was made.
        let mut cluster = Self {
            api,
            namespace: footprint.namespace.clone(),
            footprint,
            runtime_class: target.runtime_class.clone(),
            image_prefix: target.image_prefix.clone(),
            claims,
            patience,
            nodes: target.nodes.clone(),
            splits_logs: false,
            version,
        };
        cluster.footprint.make(&cluster.api)?;
        cluster.splits_logs = Self::asks_for_streams(&cluster.api, &cluster.namespace);
        cluster.takes_pods()?;
        Ok(cluster)
    }

    /// Whether the guests are the native twins, on the runtime that is the reference.
    pub(crate) fn is_native(&self) -> bool {
        shim::is_natives_name(&self.runtime_class)
    }

    /// Whether the cluster is on this machine, so that a case may look below its API server.
    pub(crate) fn is_private(&self) -> bool {
        self.nodes.is_some()
    }

    pub(crate) fn nodes(&self) -> Result<&dyn Nodes> {
        let nodes = self.nodes.as_deref();
        nodes.ok_or_else(|| Failure("it takes a cluster of this machine".into()))
    }

    /// The nodes' objects by name.
    pub(crate) fn node_objects(&self) -> Result<Vec<Value>> {
        Ok(list(&self.api.read(NODES)?, "/items").to_vec())
    }

    /// Where the pods run, as far as one may know: the nodes are nobody's who has a namespace only.
    pub(crate) fn machine(&self, here: Machine) -> Machine {
        let nodes = self.node_objects().unwrap_or_default();
        let info = nodes.first().map(|node| node["status"]["nodeInfo"].clone()).unwrap_or_default();
        let said = |pointer: &str, other: &str| match text(&info, pointer) {
            "" => other.to_owned(),
            said => said.to_owned(),
        };
        let containerd =
            text(&info, "/containerRuntimeVersion").strip_prefix("containerd://").map(str::to_owned);
        Machine {
            containerd,
            kubernetes: Some(self.version.clone()),
            kernel: said("/kernelVersion", &here.kernel),
            ..here
        }
    }

    pub(crate) fn api(&self) -> &Api {
        &self.api
    }

    pub(crate) fn collection(&self, kind: Kind) -> String {
        kind.collection(&self.namespace)
    }

    pub(crate) fn path(&self, kind: Kind, name: &str) -> String {
        format!("{}/{name}", self.collection(kind))
    }

    /// The label by which a run knows what it has made.
    pub(crate) fn label(&self) -> &str {
        &self.footprint.run
    }

    /// The name of the image of a setup's program.
    pub(crate) fn image(&self, setup: &Setup) -> String {
        let own = images::reference(setup.form, &setup.name, &setup.program);
        match &self.image_prefix {
            Some(prefix) => images::moved(&own, prefix),
            None => own,
        }
    }

    /// What the kubelet does where an image is not on the node.
    pub(super) fn pull_policy(&self) -> &'static str {
        if self.image_prefix.is_some() { "IfNotPresent" } else { "Never" }
    }

    /// Watches one object until nothing is missing; it is null while there is none.
    pub(crate) fn until(
        &self,
        kind: Kind,
        name: &str,
        mut missing: impl FnMut(&Value) -> Result<Option<String>>,
    ) -> Result<Value> {
        let watched = Watched::named(self.collection(kind), name);
        let mut found = self
            .api
            .until(&watched, self.patience, |objects| missing(objects.get(name).unwrap_or(&Value::Null)))?;
        Ok(found.remove(name).unwrap_or_default())
    }

    /// Watches all objects with a label until nothing is missing.
    pub(crate) fn until_all(
        &self,
        kind: Kind,
        (label, value): (&str, &str),
        missing: impl FnMut(&Objects) -> Result<Option<String>>,
    ) -> Result<Objects> {
        self.api.until(&Watched::labelled(self.collection(kind), label, value), self.patience, missing)
    }

    /// Waits until the namespace has no pod, whoever has made them.
    pub(crate) fn has_no_pods(&self) -> Result {
        self.api.until(&Watched::all(self.collection(Kind::Pod)), self.patience, |pods| {
            Ok((!pods.is_empty()).then(|| format!("{} pods of earlier cases are still there", pods.len())))
        })?;
        Ok(())
    }

    /// Watches the events of an object until one fits; gives its message.
    pub(crate) fn event(&self, name: &str, fits: impl Fn(&Value) -> bool) -> Result<String> {
        let watched = Watched::events_of(self.collection(Kind::Event), name);
        let found = self.api.until(&watched, self.patience, |events| {
            let seen = || events.values().map(|event| text(event, "/message")).collect::<Vec<_>>().join("; ");
            Ok((!events.values().any(&fits))
                .then(|| format!("no event of {name} fits, but there are: {}", seen())))
        })?;
        Ok(found
            .values()
            .find(|event| fits(event))
            .map(|event| text(event, "/message").to_owned())
            .unwrap_or_default())
    }

    /// Ends everything that was made, and fails where it does not go.
    pub(crate) fn close(self) -> Result {
        self.api.runtime.block_on(self.footprint.remove(&self.api.client))?;
        self.footprint.await_end(&self.api)
    }

    /// Fails where no pod would be taken, before each case does: of this RuntimeClass, in this namespace.
    fn takes_pods(&self) -> Result {
        let pod = self.manifest("none", json!([self.container("none", &busybox([]))]));
        let answer = self.api.create(&format!("{}?dryRun=All", self.collection(Kind::Pod)), &pod);
        answer.map(drop).map_err(|refused| Failure(format!("a pod cannot be made: {refused}")))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Who wants to know what was refused has closed it.
        let _refused = self.api.runtime.block_on(self.footprint.remove(&self.api.client));
    }
}

/// What a run is going to make, for whoever has to allow it.
fn preface(target: &ClusterTarget, footprint: &Footprint) -> String {
    let ClusterTarget { runtime_class, image_prefix, .. } = target;
    let Footprint { namespace, owned, classes, run } = footprint;
    let images = image_prefix.as_deref().unwrap_or("the nodes, where they must have been loaded");
    let kept = if *owned { "made for it and removed at its end" } else { "which stays" };
    let class = if *classes { " A case makes a RuntimeClass as well, which is in no namespace." } else { "" };
    format!(
        "This run makes pods of the RuntimeClass {runtime_class}, all of the restricted level, and Deployments, Jobs, \
         CronJobs, Services, ConfigMaps, Secrets and PodDisruptionBudgets, in the namespace {namespace}, {kept}.{class} \
         All have the label {LABEL}={run}. The images come from {images}."
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::Script;

    fn said(namespace: Option<&str>, nodes: Option<Arc<dyn Nodes>>) -> String {
        let target = ClusterTarget {
            kubeconfig: "none".into(),
            runtime_class: "fast".into(),
            image_prefix: None,
            namespace: namespace.map(str::to_owned),
            nodes,
        };
        preface(&target, &Footprint::plan(target.namespace.as_deref(), target.nodes.is_some()))
    }

    #[test]
    fn whoever_has_to_allow_a_run_learns_what_it_makes_and_where() {
        let given = said(Some("theirs"), None);
        assert!(given.contains("RuntimeClass fast"), "{given}");
        assert!(given.contains("in the namespace theirs, which stays."), "{given}");
        assert!(!given.contains("makes a RuntimeClass"), "{given}");
        let nodes = said(None, Some(Arc::new(Script("control".into()))));
        assert!(nodes.contains("made for it and removed at its end. A case makes a RuntimeClass"), "{nodes}");
    }
}
