use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use shimmer_cache::Entry;
use shimmer_cgroup::Cgroup;

use crate::bundle::User;
use crate::error::{Error, Kind, Result};
use crate::process::Process;
use crate::stdio::Paths;

/// A container of the pod: its first process, and the execs in it.
#[derive(Debug)]
pub(crate) struct Container {
    pub(crate) id: String,
    pub(crate) bundle: PathBuf,
    /// Whether it certainly runs a native program; then it has no engine, and its execs have none either.
    pub(crate) is_native: bool,
    pub(crate) user: User,
    /// The folders of its root's layers.
    pub(crate) layers: Vec<PathBuf>,
    pub(crate) init: Arc<Process>,
    execs: Mutex<HashMap<String, (Arc<Process>, String)>>,
    cgroup: OnceLock<Cgroup>,
    /// Compiled code that its processes have mapped, which the cache must not evict.
    pub(crate) code: Mutex<Vec<Entry>>,
    /// How many kills for want of memory have been told.
    told_kills: AtomicU64,
}

impl Container {
    pub(crate) fn new(
        id: &str,
        bundle: PathBuf,
        is_native: bool,
        user: User,
        layers: Vec<PathBuf>,
        paths: Paths,
    ) -> Arc<Self> {
        Arc::new(Self {
            id: id.to_owned(),
            bundle,
            is_native,
            user,
            layers,
            init: Process::new("", paths),
            execs: Mutex::default(),
            cgroup: OnceLock::new(),
            code: Mutex::default(),
            told_kills: AtomicU64::new(0),
        })
    }

    /// The first process, or an exec by its id.
    ///
    /// # Errors
    ///
    /// [`Kind::NotFound`] where there is no such exec.
    pub(crate) fn process(&self, exec: &str) -> Result<Arc<Process>> {
        if exec.is_empty() {
            return Ok(Arc::clone(&self.init));
        }
        let execs = self.execs.lock().unwrap_or_else(PoisonError::into_inner);
        let found = execs.get(exec).map(|(process, _)| Arc::clone(process));
        found.ok_or_else(|| {
            Error::new(Kind::NotFound, format!("the container {} has no exec {exec}", self.id))
        })
    }

    /// Adds an exec, with the JSON of its process.
    ///
    /// # Errors
    ///
    /// [`Kind::AlreadyExists`] where the id is taken.
    pub(crate) fn add(&self, process: Arc<Process>, definition: String) -> Result<()> {
        let mut execs = self.execs.lock().unwrap_or_else(PoisonError::into_inner);
        if execs.contains_key(&process.exec) {
            let message = format!("the container {} has an exec {} already", self.id, process.exec);
            return Err(Error::new(Kind::AlreadyExists, message));
        }
        execs.insert(process.exec.clone(), (process, definition));
        Ok(())
    }

    /// The JSON of an exec's process.
    pub(crate) fn definition(&self, exec: &str) -> String {
        let execs = self.execs.lock().unwrap_or_else(PoisonError::into_inner);
        execs.get(exec).map(|(_, definition)| definition.clone()).unwrap_or_default()
    }

    pub(crate) fn forget(&self, exec: &str) {
        self.execs.lock().unwrap_or_else(PoisonError::into_inner).remove(exec);
    }

    /// The number and id of each exec that runs.
    pub(crate) fn running_execs(&self) -> HashMap<u32, String> {
        let execs = self.execs.lock().unwrap_or_else(PoisonError::into_inner);
        execs.values().map(|(process, _)| (process.pid(), process.exec.clone())).collect()
    }

    pub(crate) fn set_cgroup(&self, cgroup: Cgroup) {
        // It is set when the first process is made, which happens once.
        let _ = self.cgroup.set(cgroup);
    }

    pub(crate) fn cgroup(&self) -> Result<&Cgroup> {
        self.cgroup.get().ok_or_else(|| {
            Error::new(Kind::NotFound, format!("the container {} has no cgroup of its own", self.id))
        })
    }

    /// Whether processes were killed for want of memory of which nobody has been told, by now.
    pub(crate) fn has_untold_kills(&self) -> bool {
        let kills = self.cgroup.get().map_or(0, Cgroup::oom_kills);
        self.told_kills.fetch_max(kills, Ordering::SeqCst) < kills
    }

    /// Keeps compiled code from being evicted while the container lives.
    pub(crate) fn keep(&self, entry: Entry) {
        self.code.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    }
}
