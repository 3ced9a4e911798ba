//! Which processes of the node were started from a release: those of pods, which need its files, and idle ones of engines.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use serde::Serialize;

use crate::error::{Error, Result};
use crate::host::Host;
use crate::program;
use crate::store::Store;

/// A process that was started from one of our files.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) pid: Pid,
    /// The folder of its release.
    pub(crate) version: String,
    /// What it serves, if that is a pod and not what comes.
    pub(crate) pod: Option<Pod>,
}

/// A pod, or a container without one, whose shim is ours. Until containerd is asked, all that is known are its id and the
/// namespace of containerd's that it is in.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub(crate) struct Pod {
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// The handler by which it was made, if containerd says that and that it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) handler: Option<String>,
}

/// Their names for a sentence, and how many they are.
pub(crate) fn told(pods: &[Pod]) -> (String, String) {
    let names: Vec<_> = pods.iter().map(|pod| format!("{}/{}", pod.namespace, pod.name)).collect();
    (counted(pods.len()), names.join(", "))
}

pub(crate) fn counted(pods: usize) -> String {
    if pods == 1 { "1 pod".to_owned() } else { format!("{pods} pods") }
}

/// Finds them by the files that they execute, which no name can pretend to be.
///
/// # Errors
/// [`Failed`](crate::error::ErrorKind::Failed) where processes cannot be seen.
pub(crate) fn users(host: &Host, store: &Store) -> Result<Vec<User>> {
    let files = files(host, store)?;
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let doing = "look at the processes of the node";
    let mut users = Vec::new();
    for entry in fs::read_dir("/proc").map_err(|error| Error::io(doing, error))? {
        let entry = entry.map_err(|error| Error::io(doing, error))?;
        let id = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
        let Some(pid) = id else { continue };
        // A process may be gone by now; a kernel thread executes nothing.
        let Ok(executed) = fs::metadata(entry.path().join("exe")) else { continue };
        if let Some(version) = files.get(&(executed.dev(), executed.ino())) {
            users.push(User { pid, version: version.clone(), pod: pod(&entry.path()) });
        }
    }
    Ok(users)
}

impl User {
    /// Waits for its end; says whether it came.
    pub(crate) fn ends_within(&self, limit: Duration) -> Result<bool> {
        let ended = match pidfd_open(self.pid, PidfdFlags::empty()) {
            Ok(process) => program::ended(process, limit),
            Err(rustix::io::Errno::SRCH) => Ok(true),
            Err(error) => Err(error.into()),
        };
        ended.map_err(|error| Error::io(format!("wait for the process {}", self.pid), error))
    }

    /// Ends an engine that waits for pods.
    pub(crate) fn end(&self) -> Result<()> {
        match kill_process(self.pid, Signal::TERM) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(Error::io(format!("end the process {}", self.pid), io::Error::from(error))),
        }
    }
}

/// The files of all versions on the node: which they are on which disk, and of which version.
fn files(host: &Host, store: &Store) -> Result<BTreeMap<(u64, u64), String>> {
    let mut files = BTreeMap::new();
    for version in host.names(&store.versions())? {
        let folder = store.versions().join(&version);
        for name in host.names(&folder)? {
            let Some(file) = host.found(&folder.join(name), OFlags::PATH)? else { continue };
            let file =
                fs::File::from(file).metadata().map_err(|error| Error::io("look at a version", error))?;
            files.insert((file.dev(), file.ino()), version.to_string_lossy().into_owned());
        }
    }
    Ok(files)
}

/// The pod that a shim serves, by its arguments; an engine that waits has none of them.
fn pod(process: &Path) -> Option<Pod> {
    let words = fs::read(process.join("cmdline")).ok()?;
    let words: Vec<_> = words.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
    let after =
        |option: &str| words.iter().skip_while(|word| *word != option).nth(1).map(ToString::to_string);
    Some(Pod { name: after("-id")?, namespace: after("-namespace").unwrap_or_default(), handler: None })
}

/// Ends engines that wait for pods, but for those of a version that a pod uses: its containers are forks of them, and look
/// like them from outside.
pub(crate) fn end_idle(idle: &[User], pods: &[User]) -> Result<()> {
    let is_used = |user: &&User| pods.iter().any(|pod| pod.version == user.version);
    idle.iter().filter(|user| !is_used(user)).try_for_each(User::end)
}

/// The versions that nobody uses and that are not `current`.
pub(crate) fn unused(host: &Host, store: &Store, users: &[User], current: &str) -> Result<Vec<PathBuf>> {
    let versions = host.names(&store.versions())?.into_iter();
    let is_used = |version: &str| version == current || users.iter().any(|user| user.version == version);
    Ok(versions
        .filter(|version| !is_used(&version.to_string_lossy()))
        .map(|version| store.versions().join(version))
        .collect())
}
