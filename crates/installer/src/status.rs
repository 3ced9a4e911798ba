//! What is installed, and whether it is as it was put there.

use std::path::PathBuf;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::error::{Error, ErrorKind, Result};
use crate::host::Host;
use crate::machine::Machine;
use crate::record::{Record, Shim};
use crate::release;
use crate::settling::Settling;
use crate::store::Store;
use crate::uninstall;
use crate::usage::Pod;

/// A node, as far as it is ours.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Status {
    pub(crate) release: String,
    pub(crate) version: String,
    pub(crate) shims: Vec<Shim>,
    /// The file of containerd's configuration that has them.
    pub(crate) file: PathBuf,
    /// Releases whose files are on the node.
    pub(crate) versions: Vec<String>,
    /// The pods that use a shim now.
    pub(crate) pods: Vec<Pod>,
    /// What is not as it was installed.
    pub(crate) faults: Vec<String>,
}

impl Status {
    /// Fails where something is not as it was installed.
    pub(crate) fn judge(&self) -> Result<()> {
        if self.faults.is_empty() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Failed, self.faults.join("; ")))
    }
}

/// Looks, and changes nothing.
///
/// # Errors
/// [`Absent`](ErrorKind::Absent) where nothing is installed.
pub(crate) fn status(host: &Host, store: &Store, machine: &dyn Machine) -> Result<Status> {
    let record = installed(host, store)?;
    let versions = host.names(&store.versions())?;
    Ok(Status {
        faults: faults(host, store, machine, &record)?,
        pods: uninstall::pods(host, store, machine)?,
        versions: versions.iter().map(|name| name.to_string_lossy().into_owned()).collect(),
        file: record.written.file,
        release: record.release,
        version: record.version,
        shims: record.shims,
    })
}

/// Makes sure of all that [`status`] looks at, and lets every handler make a pod.
///
/// # Errors
/// [`Absent`](ErrorKind::Absent) where nothing is installed, [`Failed`](ErrorKind::Failed) with what is not right.
pub(crate) fn verify(host: &Host, store: &Store, machine: &dyn Machine) -> Result<Status> {
    let status = status(host, store, machine)?;
    status.judge()?;
    let record = installed(host, store)?;
    let systemd = |shim: &Shim| {
        let runtimes = &record.written.wanted.runtimes;
        let runtime = runtimes.iter().find(|runtime| runtime.handler == shim.handler);
        runtime.and_then(|runtime| runtime.systemd_cgroup).unwrap_or_default()
    };
    let there = record.shims.iter().map(|shim| (shim.handler.clone(), systemd(shim))).collect();
    let socket = &record.restart.socket;
    Settling { machine, socket, there, gone: Vec::new(), before: Vec::new() }.verify()?;
    Ok(status)
}

fn installed(host: &Host, store: &Store) -> Result<Record> {
    Record::read(host, store)?.ok_or_else(|| {
        let message = format!("nothing of Shimmer is installed below {}", store.prefix().display());
        Error::new(ErrorKind::Absent, message)
    })
}

fn faults(host: &Host, store: &Store, machine: &dyn Machine, record: &Record) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    if host.has(&store.journal())? || host.has(&store.committed())? {
        faults.push(
            "a run is under way, or was interrupted: then `install` or `uninstall` puts it in order"
                .to_owned(),
        );
    }
    faults.extend(release::faults(host, store, &record.release)?);
    let current = host.resolved(&store.current())?;
    if current != host.resolved(&store.versions().join(&record.release))? {
        faults.push(format!("{} does not lead to that release: install again", store.current().display()));
    }
    let file = &record.written.file;
    let now = host.read(file)?;
    if now.map(|now| release::hex(&Sha256::digest(now))).as_ref() != Some(&record.written.digest) {
        faults.push(format!("{} is not as it was written: install again", file.display()));
    }
    let seen = machine.handlers(&record.restart.socket, &|_any| true);
    match seen {
        Ok(listed) => {
            let missing = record.handlers().into_iter().filter(|handler| !listed.contains(handler));
            faults.extend(
                missing.map(|handler| format!("containerd has no handler {handler}: start it again")),
            );
        }
        Err(error) => faults.push(error.to_string()),
    }
    Ok(faults)
}
