//! Waiting for what a cluster does in its own time: an object is read and then watched, never polled.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::TryStreamExt;
use http::Method;
use kube::core::WatchEvent;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::api::{Api, request};
use super::cluster::Cluster;
use super::json::{list, text};
use super::kind::Kind;
use crate::failure::{Failure, Result};

/// What is watched: all objects of a collection that fit.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    collection: String,
    /// Field or label selectors, as a query.
    query: String,
}

/// The objects by name.
pub(crate) type Objects = BTreeMap<String, Value>;

impl Watched {
    /// One object.
    pub(crate) fn named(collection: String, name: &str) -> Self {
        Self { collection, query: format!("fieldSelector=metadata.name%3D{name}") }
    }

    /// All of them.
    pub(crate) fn all(collection: String) -> Self {
        Self { collection, query: String::new() }
    }

    /// All that have a label.
    pub(crate) fn labelled(collection: String, label: &str, value: &str) -> Self {
        Self { collection, query: format!("labelSelector={label}%3D{value}") }
    }

    /// The events of an object.
    pub(crate) fn events_of(collection: String, name: &str) -> Self {
        Self { collection, query: format!("fieldSelector=involvedObject.name%3D{name}") }
    }
}

impl Api {
    /// Watches until `missing` says that nothing is missing any more; fails with what it said last.
    pub(crate) fn until(
        &self,
        watched: &Watched,
        patience: Duration,
        missing: impl FnMut(&Objects) -> Result<Option<String>>,
    ) -> Result<Objects> {
        self.until_since(None, watched, patience, missing)
    }

    /// As [`until`](Self::until), and sees all that has happened since it was listed.
    fn until_since(
        &self,
        mut since: Option<(Objects, String)>,
        watched: &Watched,
        patience: Duration,
        mut missing: impl FnMut(&Objects) -> Result<Option<String>>,
    ) -> Result<Objects> {
        let deadline = Instant::now() + patience;
        let mut last = "no answer".to_owned();
        let watching = async {
            loop {
                let (mut objects, version) = match since.take() {
                    Some(since) => since,
                    None => self.listed(watched).await?,
                };
                let mut judge = |objects: &Objects| {
                    missing(objects).map(|missing| missing.map(|missing| last = missing).is_none())
                };
                if judge(&objects)? || self.followed(watched, &version, &mut objects, &mut judge).await? {
                    return Ok(objects);
                }
            }
        };
        match self.runtime.block_on(async { timeout_at(deadline, watching).await }) {
            Ok(answer) => answer,
            Err(_) => Err(Failure(format!("{last} (after {patience:?})"))),
        }
    }

    /// The objects, and the point in time that they are of.
    async fn listed(&self, watched: &Watched) -> std::result::Result<(Objects, String), kube::Error> {
        let path = format!("{}?{}", watched.collection, watched.query);
        let answer = self.get(&path).await?;
        let objects = list(&answer, "/items").iter().map(|item| (name(item), item.clone())).collect();
        Ok((objects, text(&answer, "/metadata/resourceVersion").to_owned()))
    }

    /// Follows what happens to them; false where the server has ended the watch.
    async fn followed(
        &self,
        watched: &Watched,
        version: &str,
        objects: &mut Objects,
        judge: &mut impl FnMut(&Objects) -> Result<bool>,
    ) -> Result<bool> {
        let Watched { collection, query } = watched;
        let path = format!("{collection}?watch=true&{query}&resourceVersion={version}");
        let events = self.client.request_events::<Value>(request(Method::GET, &path, "", &Value::Null)?);
        let mut events = std::pin::pin!(events.await?);
        while let Some(event) = events.try_next().await? {
            match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                    objects.insert(name(&object), object);
                }
                WatchEvent::Deleted(object) => {
                    objects.remove(&name(&object));
                }
                WatchEvent::Bookmark(_) => continue,
                // What was read last is too old: it is read anew.
                WatchEvent::Error(_) => return Ok(false),
            }
            if judge(objects)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Cluster {
    /// As [`until`](Self::until), after something that is done: all that comes of it is seen, however soon it comes.
    pub(crate) fn until_after(
        &self,
        action: impl FnOnce() -> Result,
        kind: Kind,
        name: &str,
        mut missing: impl FnMut(&Value) -> Result<Option<String>>,
    ) -> Result {
        let watched = Watched::named(self.collection(kind), name);
        let before = self.api.wait(self.api.listed(&watched))?;
        action()?;
        self.api.until_since(Some(before), &watched, self.patience, |objects| {
            missing(objects.get(name).unwrap_or(&Value::Null))
        })?;
        Ok(())
    }
}

fn name(object: &Value) -> String {
    text(object, "/metadata/name").to_owned()
}
