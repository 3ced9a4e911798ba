use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::cluster::Cluster;
use super::json::text;
use super::kind::Kind;
use super::pod::{GUEST, Pod};
use crate::case::Case;
use crate::failure::Result;
use crate::report::Fact;
use crate::setup::{Setup, busybox};

/// Where one case is played on a cluster, and what was observed of it.
#[derive(Debug)]
pub(crate) struct KubeStage<'a> {
    pub(crate) cluster: &'a Cluster,
    id: String,
    setup: Setup,
    facts: Mutex<Vec<Fact>>,
    made: AtomicUsize,
}

/// An object of a case. Dropped, it is deleted.
#[derive(Debug)]
pub(crate) struct Made<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) kind: Kind,
    pub(crate) name: String,
}

/// Names of pods become names of hosts, and are cut there.
const LONGEST: usize = 50;

impl<'a> KubeStage<'a> {
    pub(crate) fn new(cluster: &'a Cluster, case: &Case) -> Self {
        let setup = if cluster.is_native() { case.setup.clone().native() } else { case.setup.clone() };
        let name = case.id.trim_start_matches("kubernetes/").replace('/', "-");
        let id = name.chars().take(LONGEST).collect::<String>().trim_end_matches('-').to_owned();
        Self { cluster, id, setup, facts: Mutex::default(), made: AtomicUsize::new(0) }
    }

    /// What the case runs; its native twin under the reference.
    pub(crate) fn setup(&self) -> Setup {
        self.setup.clone()
    }

    /// The same told something else.
    pub(crate) fn probe<const N: usize>(&self, args: [&str; N]) -> Setup {
        self.setup().args(args)
    }

    pub(crate) fn note(&self, name: &str, value: impl Into<String>) {
        self.note_all(vec![Fact::new(name, value)]);
    }

    pub(crate) fn note_all(&self, facts: Vec<Fact>) {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner).extend(facts);
    }

    pub(crate) fn facts(self) -> Vec<Fact> {
        self.facts.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// A name for the next object of this case.
    pub(crate) fn next_name(&self) -> String {
        let number = self.made.fetch_add(1, Ordering::SeqCst);
        format!("{}-{number}", self.id)
    }

    /// The container that the case is about.
    pub(crate) fn guest(&self, setup: &Setup) -> Value {
        self.cluster.container(GUEST, setup)
    }

    /// A native container that stays until it is deleted.
    pub(crate) fn companion(&self, name: &str) -> Value {
        self.cluster.container(name, &busybox(["sh", "-c", STAYS]))
    }

    /// A pod's manifest under a new name.
    pub(crate) fn manifest<const N: usize>(&self, containers: [Value; N]) -> Value {
        self.cluster.manifest(&self.next_name(), Value::Array(containers.into()))
    }

    /// Makes a pod.
    pub(crate) fn create(&self, manifest: &Value) -> Result<Pod<'a>> {
        Ok(Pod::create(self.cluster, manifest)?)
    }

    /// A pod of one guest, which runs.
    pub(crate) fn start(&self, setup: &Setup) -> Result<Pod<'a>> {
        let pod = self.create(&self.manifest([self.guest(setup)]))?;
        pod.runs(GUEST)?;
        Ok(pod)
    }

    /// Makes an object that is no pod.
    pub(crate) fn make(&self, kind: Kind, body: Value) -> Result<Made<'a>> {
        let name = self.next_name();
        self.make_named(kind, &name, body)
    }

    pub(crate) fn make_named(&self, kind: Kind, name: &str, body: Value) -> Result<Made<'a>> {
        let object = self.cluster.object(kind, name, body);
        let made = self.cluster.api().create(&self.cluster.collection(kind), &object)?;
        Ok(Made { cluster: self.cluster, kind, name: text(&made, "/metadata/name").to_owned() })
    }
}

/// As PID 1 a shell has to handle what ends it.
pub(crate) const STAYS: &str = "trap 'exit 0' TERM; while :; do /bin/busybox sleep 1000000 & wait; done";

impl Made<'_> {
    pub(crate) fn path(&self) -> String {
        self.cluster.path(self.kind, &self.name)
    }

    pub(crate) fn object(&self) -> Result<Value> {
        Ok(self.cluster.api().read(&self.path())?)
    }

    pub(crate) fn merge(&self, change: &Value) -> Result<Value> {
        Ok(self.cluster.api().merge(&self.path(), change)?)
    }

    pub(crate) fn until(&self, missing: impl FnMut(&Value) -> Result<Option<String>>) -> Result<Value> {
        self.cluster.until(self.kind, &self.name, missing)
    }
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        // Whoever looks at the namespace afterwards sees what could not be deleted.
        let _gone = self.cluster.api().delete(&self.path(), self.kind.propagation(), None);
    }
}
