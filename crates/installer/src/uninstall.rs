//! Uninstalling: the node's files become byte for byte what they were, and nothing of ours stays.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::config;
use crate::disk::New;
use crate::error::{Error, ErrorKind, Result};
use crate::host::Host;
use crate::journal::{self, Change, Leavings, Restarting};
use crate::machine::Machine;
use crate::record::Record;
use crate::settling::{Settling, reread};
use crate::store::{self, Lock, Store};
use crate::usage::{self, Pod, User};

/// What an uninstall did.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Uninstalled {
    /// Whether there was anything to be taken away.
    pub(crate) changed: bool,
    /// Who started containerd again, if that was necessary.
    pub(crate) restarted: Option<String>,
    /// What stays, and why.
    pub(crate) warnings: Vec<String>,
}

/// The pods that would lose their shim.
///
/// # Errors
/// [`Failed`](crate::error::ErrorKind::Failed) where processes cannot be seen.
pub(crate) fn pods(host: &Host, store: &Store, machine: &dyn Machine) -> Result<Vec<Pod>> {
    let users = machine.users(host, store)?;
    let mut pods: Vec<_> = users.into_iter().filter_map(|user| user.pod).collect();
    if pods.is_empty() {
        return Ok(pods);
    }
    if let Some(record) = Record::read(host, store)? {
        // A containerd that does not serve knows no names, and the ids do.
        let known = machine.pods(&record.restart.socket).unwrap_or_default();
        for pod in &mut pods {
            if let Some(named) = known.get(&pod.name) {
                pod.clone_from(named);
            }
        }
    }
    pods.sort();
    pods.dedup();
    Ok(pods)
}

/// Refuses where pods use a shim.
pub(crate) fn check(host: &Host, store: &Store, machine: &dyn Machine) -> Result<()> {
    if let Some(record) = Record::read(host, store)? {
        // A containerd that does not serve has nothing swept; what is left is told as a pod then.
        let _unswept = machine.sweep(&record.restart.socket);
        await_leaving(host, store, machine, &record.restart.socket)?;
    }
    let pods = pods(host, store, machine)?;
    if pods.is_empty() {
        return Ok(());
    }
    let (count, names) = usage::told(&pods);
    let message =
        format!("{count} of this node still run on the shims: {names}. Delete them first, or say --force");
    Err(Error::refused(message))
}

/// Waits for the ends of shims whose pods are gone or stopped: containerd says so before its shim has ended, and sweeps up
/// after that by another process of the same file. A pod that Kubernetes has deleted is known for a while as one that is stopped.
fn await_leaving(host: &Host, store: &Store, machine: &dyn Machine, socket: &Path) -> Result<()> {
    let deadline = Instant::now() + LEAVING;
    // Of a containerd that does not serve nothing can be known.
    while let Ok(known) = machine.pods(socket) {
        let users = machine.users(host, store)?;
        let runs = |pod: &Pod| known.get(&pod.name).is_some_and(|named| named.handler.is_some());
        let is_leaving = |user: &&User| user.pod.as_ref().is_some_and(|pod| !runs(pod));
        let left = deadline.saturating_duration_since(Instant::now());
        match users.iter().find(is_leaving) {
            Some(user) if user.ends_within(left)? => {}
            _ => break,
        }
    }
    Ok(())
}

/// Longer than any shim takes; what runs then is a container of somebody's who does not use CRI.
const LEAVING: Duration = Duration::from_secs(10);

/// Takes everything away. With `force`, also under the pods that use it.
pub(crate) fn uninstall(
    host: &Host,
    store: &Store,
    machine: &dyn Machine,
    force: bool,
) -> Result<Uninstalled> {
    if !host.has(store.prefix())? {
        return Ok(Uninstalled::default());
    }
    let lock = store.lock(host)?;
    journal::recover(host, store, |restart| reread(machine, restart, &|_any| true))?;
    if !force {
        check(host, store, machine)?;
    }
    let (kept, idle): (Vec<_>, Vec<_>) =
        machine.users(host, store)?.into_iter().partition(|user| user.pod.is_some());
    usage::end_idle(&idle, &kept)?;
    let record = Record::read(host, store)?;
    let mut uninstalled = match &record {
        Some(record) => change(host, store, machine, record, kept.is_empty())?,
        None => Uninstalled { changed: true, ..Uninstalled::default() },
    };
    if !kept.is_empty() {
        uninstalled.warnings.push(format!(
            "{} still run on the shims, whose files stay below {} for them: uninstall once more when they are gone",
            usage::counted(kept.len()),
            store.prefix().display()
        ));
        // containerd gives up a pod when it starts and finds no program at the path by which the pod's shim was started.
        let current = host.resolved(&store.current())?;
        let current = current.file_name().unwrap_or_default().to_string_lossy();
        remove_versions(host, store, &kept, &current)?;
        return Ok(uninstalled);
    }
    clear(host, store, &lock)?;
    Ok(uninstalled)
}

/// Removes all that is ours; what has no trace in a record as well.
pub(crate) fn clear(host: &Host, store: &Store, lock: &Lock) -> Result<()> {
    // What is written there is trusted as far as anything of it can be ours.
    let data = lock.own.data.iter().filter(|folder| store::is_of_the_shims(folder));
    data.into_iter().try_for_each(|folder| host.remove_tree(folder))?;
    remove_versions(host, store, &[], "")?;
    host.remove(&store.current())?;
    host.remove_tree(&store.state())?;
    host.remove_folder(&store.versions())?;
    store.unlock_for_good(host, lock)?;
    host.remove_folder(store.prefix())?;
    host.remove_folders(&lock.own.folders)
}

fn remove_versions(host: &Host, store: &Store, kept: &[User], current: &str) -> Result<()> {
    usage::unused(host, store, kept, current)?.iter().try_for_each(|version| host.remove_tree(version))
}

fn change(
    host: &Host,
    store: &Store,
    machine: &dyn Machine,
    record: &Record,
    is_idle: bool,
) -> Result<Uninstalled> {
    let file = &record.written.file;
    let now = host.read(file)?;
    let restored = config::restore(now.as_deref(), &record.written, record.original())?;
    let restarts = now != restored.content;
    let restart = restarts.then(|| Restarting {
        has_config: record.restart.config != *file || restored.content.is_some(),
        supervisor: machine.supervisor_now(&record.restart.supervisor),
        ..record.restart.clone()
    });
    let mut paths: Vec<(PathBuf, New<'_>)> = Vec::new();
    if restarts {
        paths.push((host.resolved(file)?, restored.content.as_deref().map_or(New::Absent, New::File)));
    }
    if is_idle {
        paths.push((store.current(), New::Absent));
        paths.push((store.record(), New::Absent));
    }
    let mut settling = Settling {
        machine,
        socket: &record.restart.socket,
        there: Vec::new(),
        gone: if restored.left.is_empty() { record.written_handlers() } else { Vec::new() },
        before: record.handlers(),
    };
    let restarted = restart.as_ref().map(|restart| restart.supervisor.to_string());
    let mut trees = if is_idle { record.own.data.clone() } else { Vec::new() };
    trees.retain(|folder| store::is_of_the_shims(folder));
    let leavings = Leavings { trees, folders: record.own.folders.clone() };
    if let Some(left) = (Change { paths, leavings, restart }).carry_out(host, store, &mut settling)? {
        let message = format!("containerd has nothing of ours any more, but {left}: uninstall once more");
        return Err(Error::new(ErrorKind::Failed, message));
    }
    Ok(Uninstalled { changed: true, restarted, warnings: restored.left })
}
