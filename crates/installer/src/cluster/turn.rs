//! Whose turn it is: only so many nodes are being changed at once, by a lease for each slot.
//!
//! A holder renews its lease while it works. When it is gone, the lease expires, by the clock of whoever waits for it, and
//! is taken over; the same node goes on at once. A node on which something failed keeps its turn, so that the same does not
//! happen to all others, until it works there, the node is removed from the cluster, or somebody deletes the lease.

mod chance;
mod queue;
mod renewal;

use std::process;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::PostParams;
use tokio::task::JoinHandle;

use crate::cluster::call::{Answer, Server, unless_absent};
use crate::cluster::{Cluster, say};
use crate::error::Result;

/// The slots that nodes take turns with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slots<'a> {
    /// The node that wants a turn.
    pub(crate) node: &'a str,
    /// What the leases' names begin with.
    pub(crate) lease: &'a str,
    /// How many nodes have their turn at once; one at least.
    pub(crate) count: u32,
    /// How long a lease lasts that nobody renews.
    pub(crate) duration: Duration,
}

/// How long the lease of a node lasts that has gone away in the middle.
pub(crate) const DURATION: Duration = Duration::from_secs(60);

impl Slots<'_> {
    fn name(&self, slot: u32) -> String {
        slot_name(self.lease, slot)
    }

    /// What this process is called as a holder; two of one node are told apart.
    fn identity(&self) -> String {
        format!("{}/{}", self.node, process::id())
    }
}

/// The lease of a slot.
pub(crate) fn slot_name(lease: &str, slot: u32) -> String {
    format!("{lease}-{slot}")
}

/// A turn of this node's, which is renewed until it is given back. Dropped, it expires.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    cluster: &'a Cluster,
    name: String,
    identity: String,
    renewal: JoinHandle<()>,
}

impl<'a> Turn<'a> {
    /// Waits for it.
    pub(crate) fn wait(cluster: &'a Cluster, slots: &Slots<'_>) -> Result<Self> {
        let (name, lease) = cluster.runtime.block_on(queue::wait(&cluster.server, slots))?;
        let renewing = renewal::renew(cluster.server.clone(), lease, slots.duration);
        let renewal = cluster.runtime.spawn(renewing);
        Ok(Self { cluster, name, identity: slots.identity(), renewal })
    }

    /// Gives it to the next node.
    pub(crate) fn release(self) {
        self.leave(chance::released);
    }

    /// Keeps it from all other nodes, since this one needs a hand.
    pub(crate) fn keep(self, why: &str) {
        self.leave(|lease| chance::kept(lease, why));
    }

    /// Writes the lease for the last time. Where that fails, it expires.
    fn leave(self, last: impl Fn(&Lease) -> Lease) {
        self.renewal.abort();
        let server = &self.cluster.server;
        let written = self.cluster.runtime.block_on(write(server, &self.name, &self.identity, last));
        if let Err(denied) = written {
            say(format!("{denied}; the turn is over when the lease expires"));
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

/// Changes a lease, if it is still the holder's.
async fn write(server: &Server, name: &str, identity: &str, change: impl Fn(&Lease) -> Lease) -> Answer<()> {
    let (leases, params) = (leases(server), PostParams::default());
    loop {
        let doing = format!("read the lease {name}");
        let found = unless_absent(server.ask(&doing, || leases.get(name)).await)?;
        let Some(lease) = found.filter(|lease| chance::holder(lease) == Some(identity)) else {
            return Ok(());
        };
        let changed = change(&lease);
        let doing = format!("write the lease {name}");
        match server.ask(&doing, || leases.replace(name, &params, &changed)).await {
            Err(denied) if denied.is_conflict() => {}
            Err(denied) if denied.is_absent() => return Ok(()),
            answer => return answer.map(drop),
        }
    }
}

fn leases(server: &Server) -> Api<Lease> {
    Api::namespaced(server.client.clone(), &server.namespace)
}
