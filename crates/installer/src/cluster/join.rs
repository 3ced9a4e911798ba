//! A node gets its shims: when it is its turn, and labelled last of all.

use std::time::Duration;

use crate::cluster::call::Server;
use crate::cluster::label::{self, Said};
use crate::cluster::turn::{Slots, Turn};
use crate::cluster::{Cluster, say};
use crate::error::{Error, ErrorKind, Result};

/// Which node, when, and as what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Join<'a> {
    pub(crate) slots: Slots<'a>,
    /// The version of the release.
    pub(crate) release: &'a str,
}

/// Waits for the node's turn, does `work` on it, which gives the handlers that are ready, and says so of the node.
///
/// Where the work fails, the node says why, and keeps its labels unless it is broken: a node that is as it was has the
/// shims that it had. It keeps its turn as well, so that what failed here is not tried on all other nodes; unless nothing was
/// touched, as where it was refused, or where it waits for somebody to start containerd again.
pub(crate) fn join(
    cluster: &Cluster,
    join: &Join<'_>,
    work: impl FnOnce() -> Result<Vec<String>>,
) -> Result<()> {
    let (node, server) = (join.slots.node, &cluster.server);
    cluster.runtime.block_on(label::find(server, node))?;
    let turn = Turn::wait(cluster, &join.slots)?;
    cluster.begin_undisturbed()?;
    match work() {
        Ok(handlers) => {
            let new = |_: Said| Said::ready(&handlers, join.release);
            let told = cluster.runtime.block_on(tell(server, node, new));
            turn.release();
            told.map_err(|error| {
                let message = format!("the node has its shims, but no pod will find them: {error}");
                Error::new(ErrorKind::Failed, message)
            })
        }
        Err(error) => {
            let is_broken = error.kind() == ErrorKind::Broken;
            let sentence = error.to_string();
            let new = |old: Said| {
                let old = if is_broken { old.without_labels() } else { old };
                old.with_problem(&sentence)
            };
            // What went wrong first is what has to be told, and soon.
            let hasty = Server { patience: HASTE, ..server.clone() };
            if let Err(unsaid) = cluster.runtime.block_on(tell(&hasty, node, new)) {
                say(unsaid);
            }
            match error.kind() {
                ErrorKind::Failed | ErrorKind::Broken => turn.keep(&sentence),
                ErrorKind::Refused | ErrorKind::Absent => turn.release(),
            }
            Err(error)
        }
    }
}

/// Changes what the node says.
async fn tell(server: &Server, node: &str, new: impl FnOnce(Said) -> Said) -> Result<()> {
    let old = Said::by(&label::find(server, node).await?);
    let new = new(old.clone());
    label::say(server, node, &old, &new).await?.map(drop).ok_or_else(|| label::absent(node))
}

const HASTE: Duration = Duration::from_secs(30);
