//! A node loses its shims: first its labels, so that no new pod comes.

use crate::cluster::label::{self, Said};
use crate::cluster::{Cluster, say};
use crate::error::{ErrorKind, Result};

/// Takes the node's labels away and does `work` on it. Where that leaves the node as it was, refused or failed, its labels
/// come back; a broken node has none, and says why.
pub(crate) fn leave(cluster: &Cluster, node: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let (server, runtime) = (&cluster.server, &cluster.runtime);
    let before = Said::by(&runtime.block_on(label::find(server, node))?);
    cluster.begin_undisturbed()?;
    let without = before.clone().without_labels();
    runtime.block_on(label::say(server, node, &before, &without))?;
    let outcome = work();
    let after = match &outcome {
        Ok(()) => Said::default(),
        Err(error) if error.kind() == ErrorKind::Broken => without.clone().with_problem(&error.to_string()),
        Err(error) if error.kind() == ErrorKind::Absent => Said::default(),
        Err(_) => before,
    };
    // A node that was removed meanwhile says nothing any more, which is what was wanted.
    let told = runtime.block_on(label::say(server, node, &without, &after)).map(drop);
    match (outcome, told) {
        (Err(error), Err(unsaid)) => {
            say(unsaid);
            Err(error)
        }
        (Ok(()), told) => Ok(told?),
        (failed, Ok(())) => failed,
    }
}
