//! What the keeper tells other commands: a file, and a lock on another that holds while the keeper lives.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// A cluster that runs.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct State {
    pub(crate) kubernetes: String,
    pub(crate) kubeconfig: PathBuf,
    pub(crate) kubectl: PathBuf,
    pub(crate) runtime_classes: Vec<String>,
    pub(crate) nodes: Vec<Node>,
    /// The process that owns it.
    pub(crate) keeper: i32,
}

/// One of its nodes.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Node {
    pub(crate) name: String,
    /// containerd's.
    pub(crate) socket: PathBuf,
}

/// Held by the keeper while it lives; whoever finds it free knows that there is no cluster.
#[derive(Debug)]
pub(crate) struct Keeping {
    folder: PathBuf,
    _lock: File,
}

const STATE: &str = "state.json";

impl State {
    /// The cluster that runs.
    pub(crate) fn running(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(STATE);
        let Ok(text) = fs::read(&path) else { return Err(Error::None) };
        // A keeper that was killed leaves its file, and nothing else.
        if is_free(folder)? {
            return Err(Error::None);
        }
        serde_json::from_slice(&text).map_err(|_| Error::State(path))
    }
}

impl Keeping {
    /// Becomes the one keeper.
    pub(crate) fn begin(folder: &Path) -> Result<Self, Error> {
        let lock = lock(folder)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { folder: folder.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Error::Running),
            Err(TryLockError::Error(error)) => Err(Error::io("lock the folder of the cluster")(error)),
        }
    }

    /// Tells others of the cluster.
    pub(crate) fn tell(&self, state: &State) -> Result<(), Error> {
        let text = serde_json::to_vec_pretty(state).unwrap_or_default();
        let (path, new) = (self.folder.join(STATE), self.folder.join("state.new"));
        let written = fs::write(&new, text).and_then(|()| fs::rename(&new, &path));
        written.map_err(Error::io(format!("write {}", path.display())))
    }

    /// Tells nobody any more, though it may take a while until another can be the keeper.
    pub(crate) fn forget(&self) {
        // What stays is found out by the lock.
        let _left = fs::remove_file(self.folder.join(STATE));
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        self.forget();
    }
}

fn is_free(folder: &Path) -> Result<bool, Error> {
    Ok(lock(folder)?.try_lock_shared().is_ok())
}

fn lock(folder: &Path) -> Result<File, Error> {
    let opened = fs::create_dir_all(folder).and_then(|()| File::create(folder.join("lock")));
    opened.map_err(Error::io(format!("open a file in {}", folder.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        State {
            kubernetes: "1.37.2".into(),
            kubeconfig: "/kubeconfig".into(),
            kubectl: "/kubectl".into(),
            runtime_classes: vec!["runc".into()],
            nodes: Vec::new(),
            keeper: 1,
        }
    }

    #[test]
    fn a_cluster_is_known_while_its_keeper_lives() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(matches!(State::running(folder.path()), Err(Error::None)), "nobody has told anything");
        let keeping = Keeping::begin(folder.path()).expect("nobody keeps one");
        keeping.tell(&state()).expect("it is written");
        assert_eq!(State::running(folder.path()).expect("it runs").kubernetes, "1.37.2");
        assert!(matches!(Keeping::begin(folder.path()), Err(Error::Running)), "there can be one");
        drop(keeping);
        assert!(matches!(State::running(folder.path()), Err(Error::None)), "the keeper has ended");
    }

    #[test]
    fn what_a_killed_keeper_has_told_is_not_believed() {
        let folder = tempfile::tempdir().expect("a folder");
        let keeping = Keeping::begin(folder.path()).expect("nobody keeps one");
        keeping.tell(&state()).expect("it is written");
        let left = fs::read(folder.path().join(STATE)).expect("what it has told");
        drop(keeping);
        fs::write(folder.path().join(STATE), left).expect("as if it was killed");
        assert!(matches!(State::running(folder.path()), Err(Error::None)));
    }
}
