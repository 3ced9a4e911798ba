//! Waiting for a slot: read, tried, watched.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::stream::{self, BoxStream, StreamExt, select_all};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::jiff::Timestamp;
use kube::api::{PostParams, WatchEvent, WatchParams};
use kube::{Api, ResourceExt};
use tokio::time::{Instant, sleep, timeout_at};

use crate::cluster::call::{Answer, Server, begun, unless_absent};
use crate::cluster::say;
use crate::cluster::turn::chance::{Chance, broken, chance, holder, node_of, taken};
use crate::cluster::turn::{Slots, leases};
use crate::error::Result;

/// Waits until a slot is this node's; gives its name and its lease.
pub(super) async fn wait(server: &Server, slots: &Slots<'_>) -> Result<(String, Lease)> {
    let mut queue =
        Queue { server, slots, leases: leases(server), seen: BTreeMap::new(), said: String::new() };
    loop {
        if let Some(lease) = queue.attempt().await? {
            return Ok((lease.name_any(), lease));
        }
        queue.change().await?;
    }
}

struct Queue<'a> {
    server: &'a Server,
    slots: &'a Slots<'a>,
    leases: Api<Lease>,
    /// By the name of a lease: how it looked last.
    seen: BTreeMap<String, Seen>,
    /// Whom it waits for, as it was said last.
    said: String,
}

/// A lease, and since when it has looked like this.
struct Seen {
    lease: Lease,
    since: Instant,
}

/// What a watch says; nothing where it is over.
type Change = Option<kube::Result<WatchEvent<Lease>>>;

impl Queue<'_> {
    /// Looks at all slots and takes one, if that is possible.
    async fn attempt(&mut self) -> Answer<Option<Lease>> {
        let mut candidates = Vec::new();
        for slot in 0..self.slots.count.max(1) {
            let name = self.slots.name(slot);
            let doing = format!("read the lease {name}");
            let found = unless_absent(self.server.ask(&doing, || self.leases.get(&name)).await)?;
            match found {
                Some(lease) => self.observe(lease),
                None => drop(self.seen.remove(&name)),
            }
            match self.chance(&name) {
                Chance::Ours => candidates.insert(0, name),
                Chance::Free => candidates.push(name),
                Chance::Kept if self.holder_is_gone(&name).await? => candidates.push(name),
                Chance::Kept | Chance::Taken(_) => {}
            }
        }
        for name in candidates {
            if let Some(lease) = self.take(&name).await? {
                return Ok(Some(lease));
            }
        }
        self.tell();
        Ok(None)
    }

    /// Writes this node's name into a lease; nothing where another one was faster.
    async fn take(&self, name: &str) -> Answer<Option<Lease>> {
        let old = self.seen.get(name).map(|seen| &seen.lease);
        let (lease, params) = (taken(old, name, self.slots, Timestamp::now()), PostParams::default());
        let doing = format!("take the lease {name}");
        let taken = match old {
            Some(_) => self.server.ask(&doing, || self.leases.replace(name, &params, &lease)).await,
            None => self.server.ask(&doing, || self.leases.create(&params, &lease)).await,
        };
        match taken {
            Ok(lease) => Ok(Some(lease)),
            Err(denied) if denied.is_conflict() || (old.is_some() && denied.is_absent()) => Ok(None),
            Err(denied) => Err(denied),
        }
    }

    /// Waits until a slot may have become free.
    async fn change(&mut self) -> Answer<()> {
        let Some(mut changes) = self.watches().await? else { return pause().await };
        loop {
            let names: Vec<&String> = self.seen.keys().collect();
            let chances: Vec<Chance> = names.into_iter().map(|name| self.chance(name)).collect();
            if chances.iter().any(|chance| matches!(chance, Chance::Free | Chance::Ours)) {
                return Ok(());
            }
            match timeout_at(next_look(&chances), changes.next()).await {
                Ok(Some(Some(Ok(WatchEvent::Added(lease) | WatchEvent::Modified(lease))))) => {
                    self.observe(lease)
                }
                Ok(Some(Some(Ok(WatchEvent::Bookmark(_))))) => {}
                // One has expired, or was deleted, or a watch has ended as all of them do.
                Err(_) | Ok(Some(None | Some(Ok(WatchEvent::Deleted(_))))) => return Ok(()),
                Ok(None | Some(Some(Err(_) | Ok(WatchEvent::Error(_))))) => return pause().await,
            }
        }
    }

    /// Follows all leases from where they were read; nothing where that is not possible now.
    async fn watches(&self) -> Answer<Option<impl StreamExt<Item = Change> + Unpin + use<>>> {
        let mut watches: Vec<BoxStream<'static, Change>> = Vec::new();
        for (name, seen) in &self.seen {
            let only = WatchParams::default().fields(&format!("metadata.name={name}"));
            let version = seen.lease.resource_version().unwrap_or_default();
            let doing = format!("watch the lease {name}");
            let events = self.server.ask(&doing, || self.leases.watch(&only, &version)).await;
            let Some(events) = begun(events)? else { return Ok(None) };
            watches.push(events.map(Some).chain(stream::once(async { None })).boxed());
        }
        Ok((!watches.is_empty()).then(|| select_all(watches)))
    }

    fn observe(&mut self, lease: Lease) {
        let name = lease.name_any();
        let says = |lease: &Lease| -> LeaseSpec { lease.spec.clone().unwrap_or_default() };
        let same = self.seen.get(&name).filter(|seen| says(&seen.lease) == says(&lease));
        let since = same.map_or_else(Instant::now, |seen| seen.since);
        self.seen.insert(name, Seen { lease, since });
    }

    fn chance(&self, name: &str) -> Chance {
        let Some(seen) = self.seen.get(name) else { return Chance::Free };
        chance(&seen.lease, self.slots, seen.since.elapsed())
    }

    /// Whether the holder of a lease is no node of the cluster any more.
    async fn holder_is_gone(&self, name: &str) -> Answer<bool> {
        let Some(holder) = self.seen.get(name).and_then(|seen| holder(&seen.lease)) else { return Ok(true) };
        let (nodes, node) = (Api::<Node>::all(self.server.client.clone()), node_of(holder));
        let doing = format!("read the node {node}");
        Ok(self.server.ask(&doing, || nodes.get_metadata_opt(node)).await?.is_none())
    }

    /// Says whom it waits for, when that has changed.
    fn tell(&mut self) {
        let whom = self.seen.values().filter_map(|seen| {
            let node = node_of(holder(&seen.lease)?);
            let name = seen.lease.name_any();
            Some(match broken(&seen.lease) {
                None => format!("{node} has its turn ({name})"),
                Some(why) => format!(
                    "{node} needs a hand, and keeps its turn until it has one, or until the lease {name} is deleted: {why}"
                ),
            })
        });
        let sentence = whom.collect::<Vec<_>>().join("; ");
        if !sentence.is_empty() && self.said != sentence {
            say(format!("{} waits: {sentence}", self.slots.node));
            self.said = sentence;
        }
    }
}

/// How long is waited when a watch cannot be had.
const PAUSE: Duration = Duration::from_secs(1);
/// Where nothing expires, that a node was removed is seen after this time.
const LOOK: Duration = Duration::from_secs(60);

async fn pause() -> Answer<()> {
    sleep(PAUSE).await;
    Ok(())
}

/// When to look again, though nothing changes.
fn next_look(chances: &[Chance]) -> Instant {
    let left = chances.iter().filter_map(|chance| match chance {
        Chance::Taken(left) => Some(*left),
        _ => None,
    });
    Instant::now() + left.min().unwrap_or(LOOK).min(LOOK)
}
