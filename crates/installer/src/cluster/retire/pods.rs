//! The pods of the namespace: made and removed once, read, and watched.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::TryStreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams, LogParams, PostParams, WatchEvent, WatchParams};
use kube::{Api, ResourceExt};
use tokio::time::{Instant, sleep, timeout_at};

use super::affected::{is_of, node_of};
use crate::cluster::call::{Answer, Server, begun, unless_absent};
use crate::error::{Error, ErrorKind, Result};

/// The pods of the server's namespace.
pub(super) struct Pods<'a> {
    server: &'a Server,
    pods: Api<Pod>,
}

/// How long a pod may take to start or to go: an image may have to be fetched.
pub(super) const START: Duration = Duration::from_secs(180);
/// How long a watch is trusted that says nothing.
const LOOK: Duration = Duration::from_secs(60);
/// How long is waited when a watch cannot be had.
const PAUSE: Duration = Duration::from_secs(1);
/// A log that cannot be had soon is done without.
const HASTE: Duration = Duration::from_secs(10);
/// More lines than the installer says.
const LINES: i64 = 100;

/// Pods by name.
type Found = BTreeMap<String, Pod>;

impl<'a> Pods<'a> {
    pub(super) fn new(server: &'a Server) -> Self {
        Self { server, pods: Api::namespaced(server.client.clone(), &server.namespace) }
    }

    pub(super) async fn all(&self) -> Answer<Vec<Pod>> {
        let every = ListParams::default();
        Ok(self.server.ask("list the pods", || self.pods.list(&every)).await?.items)
    }

    pub(super) async fn look(&self, name: &str) -> Answer<Option<Pod>> {
        self.server.ask(&format!("read the pod {name}"), || self.pods.get_opt(name)).await
    }

    /// Makes a pod, if it is not there.
    pub(super) async fn create(&self, pod: &Pod) -> Answer<()> {
        let (doing, params) = (format!("make the pod {}", pod.name_any()), PostParams::default());
        match self.server.ask(&doing, || self.pods.create(&params, pod)).await {
            Err(denied) if denied.is_conflict() => Ok(()),
            answer => answer.map(drop),
        }
    }

    /// What it said, if that can be had: a kubelet may be busy with a containerd that was restarted.
    pub(super) async fn log(&self, name: &str, container: &str) -> Option<String> {
        let params = LogParams {
            container: Some(container.to_owned()),
            tail_lines: Some(LINES),
            ..LogParams::default()
        };
        let hasty = Server { patience: HASTE, ..self.server.clone() };
        hasty.ask(&format!("read the log of {name}"), || self.pods.logs(name, &params)).await.ok()
    }

    /// Deletes a pod, if it is there, and waits until it is gone.
    pub(super) async fn remove(&self, name: &str) -> Result<()> {
        let (doing, params) = (format!("delete the pod {name}"), DeleteParams::default());
        let deleted = self.server.ask(&doing, || self.pods.delete(name, &params)).await;
        if unless_absent(deleted)?.is_none() {
            return Ok(());
        }
        let gone = self.until(name, START, |pod| pod.is_none().then_some(())).await?;
        gone.ok_or_else(|| {
            Error::new(
                ErrorKind::Failed,
                format!("the pod {name} was deleted, but does not go within {START:?}"),
            )
        })
    }

    /// Waits until the pods of a DaemonSet are gone from those nodes where a pod can go.
    pub(super) async fn without(&self, daemonset: &str, reachable: impl Fn(&str) -> bool) -> Result<()> {
        let is_left = |pod: &Pod| is_of(pod, daemonset) && node_of(pod).is_some_and(&reachable);
        let mut judge = |pods: &Found| (!pods.values().any(is_left)).then_some(());
        self.watched(None, START, &mut judge).await?.ok_or_else(|| {
            let message = format!(
                "the pods of the DaemonSet {daemonset} do not go within {START:?}: run it again when they have"
            );
            Error::new(ErrorKind::Failed, message)
        })
    }

    /// Watches a pod until `judge` finds something; nothing where it does not in time.
    pub(super) async fn until<T>(
        &self,
        name: &str,
        patience: Duration,
        judge: impl Fn(Option<&Pod>) -> Option<T>,
    ) -> Answer<Option<T>> {
        self.watched(Some(name), patience, &mut |pods: &Found| judge(pods.get(name))).await
    }

    async fn watched<T>(
        &self,
        name: Option<&str>,
        patience: Duration,
        judge: &mut impl FnMut(&Found) -> Option<T>,
    ) -> Answer<Option<T>> {
        let deadline = Instant::now() + patience;
        loop {
            // A watch whose connection was lost without a word says nothing for ever.
            let look = deadline.min(Instant::now() + LOOK);
            match timeout_at(look, self.follow(name, judge)).await {
                Ok(Ok(None)) => sleep(PAUSE).await,
                Ok(answer) => return answer,
                Err(_elapsed) if look == deadline => return Ok(None),
                Err(_elapsed) => {}
            }
        }
    }

    /// Reads pods, and follows them until `judge` finds something, or the watch ends.
    async fn follow<T>(
        &self,
        name: Option<&str>,
        judge: &mut impl FnMut(&Found) -> Option<T>,
    ) -> Answer<Option<T>> {
        let (mut list, mut watch) = (ListParams::default(), WatchParams::default());
        if let Some(name) = name {
            let only = format!("metadata.name={name}");
            (list, watch) = (list.fields(&only), watch.fields(&only));
        }
        let listed = self.server.ask("list the pods", || self.pods.list(&list)).await?;
        let version = listed.metadata.resource_version.unwrap_or_default();
        let mut pods: Found = listed.items.into_iter().map(|pod| (pod.name_any(), pod)).collect();
        if let Some(found) = judge(&pods) {
            return Ok(Some(found));
        }
        let events = self.server.ask("watch the pods", || self.pods.watch(&watch, &version)).await;
        let Some(events) = begun(events)? else { return Ok(None) };
        let mut events = std::pin::pin!(events);
        while let Ok(Some(event)) = events.try_next().await {
            match event {
                WatchEvent::Added(pod) | WatchEvent::Modified(pod) => drop(pods.insert(pod.name_any(), pod)),
                WatchEvent::Deleted(pod) => drop(pods.remove(&pod.name_any())),
                WatchEvent::Bookmark(_) => continue,
                WatchEvent::Error(_) => break,
            }
            if let Some(found) = judge(&pods) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}
