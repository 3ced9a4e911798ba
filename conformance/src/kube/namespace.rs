//! Where a run puts what it makes, and how all of it goes away again.

use std::time::{SystemTime, UNIX_EPOCH};

use http::Method;
use kube::Client;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use super::api::{Api, CONFLICT, NOT_FOUND, Refused, repeated, request};
use super::kind::{BACKGROUND, Kind, NAMESPACES, RUNTIME_CLASSES};
use super::watch::Watched;
use crate::failure::{Result, ensure};

/// The label of everything that a run makes; its value is the run's own.
pub(crate) const LABEL: &str = "shimmer-conformance";
/// How many times as long as anything else all of a run may take to go: it may be many pods, each with its own grace.
const CROWD: u32 = 5;
/// What a program ends with that was interrupted.
const INTERRUPTED: i32 = 130;

/// What a run makes, to be removed at its end.
#[derive(Clone, Debug)]
pub(super) struct Footprint {
    pub(super) namespace: String,
    /// Whether the namespace is the run's own.
    pub(super) owned: bool,
    /// Whether a RuntimeClass is made as well, for which a namespace's rights are not enough.
    pub(super) classes: bool,
    /// The value of [`LABEL`].
    pub(super) run: String,
}

impl Footprint {
    /// Names what will be made, and makes nothing: a namespace for this run, or the given one.
    pub(super) fn plan(given: Option<&str>, classes: bool) -> Self {
        let run = run();
        let namespace = given.map_or_else(|| format!("{LABEL}-{run}"), str::to_owned);
        Self { namespace, owned: given.is_none(), classes, run }
    }

    /// Makes the namespace where it is the run's own.
    pub(super) fn make(&self, api: &Api) -> Result {
        if !self.owned {
            return Ok(());
        }
        let body = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": { "name": self.namespace, "labels": { LABEL: self.run } },
        });
        api.create(NAMESPACES, &body)?;
        self.await_account(api)
    }

    /// Pods are refused until the namespace has its service account.
    fn await_account(&self, api: &Api) -> Result {
        let accounts = format!("{NAMESPACES}/{}/serviceaccounts", self.namespace);
        api.until(&Watched::named(accounts, "default"), api.patience, |found| {
            Ok(found.is_empty().then(|| "the new namespace has no service account".to_owned()))
        })?;
        Ok(())
    }

    /// Removes everything when the program is interrupted, and ends it.
    pub(super) fn remove_on_interrupt(&self, api: &Api) {
        let (footprint, client) = (self.clone(), api.client.clone());
        api.runtime.spawn(async move {
            let (Ok(mut interrupt), Ok(mut terminate)) =
                (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
            else {
                return;
            };
            futures_util::future::select(Box::pin(interrupt.recv()), Box::pin(terminate.recv())).await;
            // Nobody is left to be told.
            let _refused = footprint.remove(&client).await;
            end();
        });
    }

    /// Asks for the removal of everything; fails with what the server refused.
    pub(super) async fn remove(&self, client: &Client) -> Result {
        let mut refused = Vec::new();
        for (path, propagation) in self.paths() {
            let options = json!({ "propagationPolicy": propagation, "gracePeriodSeconds": 0 });
            let request = request(Method::DELETE, &path, "application/json", &options)?;
            let answer = repeated(|| client.request::<Value>(request.clone())).await;
            match answer.map_err(Refused::from) {
                // What is gone or on its way need not be removed.
                Ok(_) | Err(Refused { code: NOT_FOUND | CONFLICT, .. }) => {}
                Err(why) => refused.push(format!("{path} cannot be removed: {why}")),
            }
        }
        ensure(refused.is_empty(), || refused.join("; "))
    }

    /// Waits until all of it is gone.
    pub(super) fn await_end(&self, api: &Api) -> Result {
        self.watched().into_iter().try_for_each(|watched| {
            api.until(&watched, CROWD * api.patience, |found| {
                let names: Vec<&str> = found.keys().map(String::as_str).collect();
                Ok((!found.is_empty()).then(|| format!("still there are {}", names.join(", "))))
            })
            .map(drop)
        })
    }

    /// A namespace of the run's own, and else all that it has put into the given one.
    fn watched(&self) -> Vec<Watched> {
        let mut all = match self.owned {
            true => vec![Watched::named(NAMESPACES.to_owned(), &self.namespace)],
            false => KINDS.map(|kind| self.labelled(kind.collection(&self.namespace))).into(),
        };
        all.extend(self.classes.then(|| self.labelled(RUNTIME_CLASSES.to_owned())));
        all
    }

    fn labelled(&self, collection: String) -> Watched {
        Watched::labelled(collection, LABEL, &self.run)
    }

    /// What is to be deleted, and when it goes as against what it has made.
    fn paths(&self) -> Vec<(String, &'static str)> {
        let labelled = |collection: &str| format!("{collection}?labelSelector={LABEL}%3D{}", self.run);
        let of_kind = |kind: Kind| (labelled(&kind.collection(&self.namespace)), kind.propagation());
        let mut all = match self.owned {
            true => vec![(format!("{NAMESPACES}/{}", self.namespace), BACKGROUND)],
            false => KINDS.map(of_kind).into(),
        };
        all.extend(self.classes.then(|| (labelled(RUNTIME_CLASSES), BACKGROUND)));
        all
    }
}

/// What a run makes, in the order in which it goes: first what would make the others anew.
const KINDS: [Kind; 8] = [
    Kind::CronJob,
    Kind::Job,
    Kind::Deployment,
    Kind::Pod,
    Kind::Service,
    Kind::PodDisruptionBudget,
    Kind::ConfigMap,
    Kind::Secret,
];

/// A name that no other run has.
fn run() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{:x}-{:x}", now.as_secs(), std::process::id())
}

#[expect(clippy::exit, reason = "what an interrupt does by itself, after what was made has been removed")]
fn end() -> ! {
    std::process::exit(INTERRUPTED)
}

impl From<Refused> for kube::Error {
    fn from(refused: Refused) -> Self {
        Self::Service(refused.to_string().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_of_the_runs_own_goes_as_a_whole() {
        let own = Footprint::plan(None, false);
        assert!(own.owned, "nobody has given one");
        let namespace = format!("/api/v1/namespaces/shimmer-conformance-{}", own.run);
        assert_eq!(own.paths(), [(namespace, BACKGROUND)]);
    }

    #[test]
    fn from_a_given_namespace_goes_what_has_the_runs_label() {
        let given = Footprint::plan(Some("theirs"), true);
        let label = format!("?labelSelector=shimmer-conformance%3D{}", given.run);
        assert_eq!(given.paths().len(), KINDS.len() + 1);
        assert!(given.paths().iter().all(|(path, _)| path.ends_with(&label)), "{:?}", given.paths());
        let jobs = given.paths().into_iter().find(|(path, _)| path.contains("/jobs?"));
        assert!(jobs.is_some_and(|(_, goes)| goes == "Foreground"), "no pod outlives what has made it");
        assert_eq!(given.watched().len(), given.paths().len(), "what is removed is waited for");
    }
}
