//! Where a run puts what it makes, and how all of it goes away again.

use std::time::{SystemTime, UNIX_EPOCH};

use http::Method;
use kube::Client;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use super::api::{Api, Refused, request};
use super::kind::{Kind, NAMESPACES, RUNTIME_CLASSES};
use super::watch::Watched;
use crate::failure::Result;

/// The label of everything that a run makes; its value is the run's own.
pub(crate) const LABEL: &str = "shimmer-conformance";
/// What a program ends with that was interrupted.
const INTERRUPTED: i32 = 130;

/// What a run has made, to be removed at its end.
#[derive(Clone, Debug)]
pub(super) struct Footprint {
    pub(super) namespace: String,
    /// Whether the namespace is the run's own.
    pub(super) owned: bool,
    /// The value of [`LABEL`].
    pub(super) run: String,
}

impl Footprint {
    /// A namespace for this run, or the given one.
    pub(super) fn make(api: &Api, given: Option<&str>) -> Result<Self> {
        let run = run();
        let Some(namespace) = given else {
            let namespace = format!("{LABEL}-{run}");
            let body = json!({
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": { "name": namespace, "labels": { LABEL: run } },
            });
            api.create(NAMESPACES, &body)?;
            let footprint = Self { namespace, owned: true, run };
            footprint.await_account(api)?;
            return Ok(footprint);
        };
        Ok(Self { namespace: given.map(|_| namespace.to_owned()).unwrap_or_default(), owned: false, run })
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
            footprint.remove(&client).await;
            end();
        });
    }

    /// Asks for the removal of everything; what cannot be removed is the server's to say, to whoever looks.
    pub(super) async fn remove(&self, client: &Client) {
        for path in self.paths() {
            let options = json!({ "propagationPolicy": "Background", "gracePeriodSeconds": 0 });
            if let Ok(request) = request(Method::DELETE, &path, "application/json", &options) {
                let _answer: std::result::Result<Value, kube::Error> = client.request(request).await;
            }
        }
    }

    /// Waits until a namespace of the run's own is gone.
    pub(super) fn await_end(&self, api: &Api) -> Result {
        if !self.owned {
            return Ok(());
        }
        let watched = Watched::named(NAMESPACES.to_owned(), &self.namespace);
        api.until(&watched, api.patience, |found| {
            Ok((!found.is_empty()).then(|| format!("the namespace {} is still there", self.namespace)))
        })?;
        Ok(())
    }

    fn paths(&self) -> Vec<String> {
        let label = format!("labelSelector={LABEL}%3D{}", self.run);
        if self.owned {
            let classes = format!("{RUNTIME_CLASSES}?{label}");
            return vec![format!("{NAMESPACES}/{}", self.namespace), classes];
        }
        KINDS.iter().map(|kind| format!("{}?{label}", kind.collection(&self.namespace))).collect()
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
