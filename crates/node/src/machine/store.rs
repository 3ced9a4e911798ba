//! The folder that keeps what is made once for all machines: a kernel, a system.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// A folder that any run can make again.
#[derive(Clone, Debug)]
pub(crate) struct Store(PathBuf);

impl Store {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// The file or folder of this name that follows from `recipe`; `make` is given a path at which to make it, and a folder
    /// for what it needs meanwhile, unless it was made before. Of several processes one makes it, and the others wait.
    ///
    /// # Errors
    /// Those of `make`, and [`Io`](crate::ErrorKind::Io).
    pub(crate) fn provide(
        &self,
        name: &str,
        recipe: &str,
        make: impl FnOnce(&Path, &Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let made = self.0.join(format!("{name}-{}", identity(recipe)));
        if made.exists() {
            return Ok(made);
        }
        let failure = |error| Error::io(format!("make {} in {}", name, self.0.display()), error);
        fs::create_dir_all(&self.0).map_err(failure)?;
        let turn = File::create(self.0.join(format!("{name}.lock"))).map_err(failure)?;
        turn.lock().map_err(failure)?;
        if made.exists() {
            return Ok(made);
        }
        // One that was killed has left its folder.
        let workshop = self.0.join(format!("{name}.making"));
        remove(&workshop).and_then(|()| fs::create_dir(&workshop)).map_err(failure)?;
        let result = workshop.join("result");
        let outcome = make(&result, &workshop).and_then(|()| fs::rename(&result, &made).map_err(failure));
        let removed = remove(&workshop).map_err(failure);
        outcome.and(removed).map(|()| made)
    }
}

fn remove(folder: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Another recipe has another name.
fn identity(recipe: &str) -> String {
    let digest = Sha256::digest(recipe.as_bytes());
    digest[..6].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn file(result: &Path, content: &str) -> Result<()> {
        fs::write(result, content).map_err(|error| Error::io("write", error))
    }

    #[test]
    fn makes_a_thing_once_for_each_recipe() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::new(folder.path().join("machine"));
        let first = store.provide("thing", "one", |result, _| file(result, "1")).expect("made");
        let again = store.provide("thing", "one", |_, _| panic!("it is there")).expect("kept");
        let other = store.provide("thing", "two", |result, _| file(result, "2")).expect("made");
        assert_eq!(first, again);
        assert_ne!(first, other);
        assert_eq!(fs::read_to_string(other).expect("its content"), "2");
    }

    #[test]
    fn keeps_nothing_of_what_failed_or_was_killed() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::new(folder.path().to_owned());
        fs::create_dir(folder.path().join("thing.making")).expect("a folder");
        fs::write(folder.path().join("thing.making/result"), "half").expect("a file");
        let failed = store.provide("thing", "one", |result, workshop| {
            assert!(!result.exists(), "of the one that was killed");
            file(&workshop.join("extra"), "")?;
            Err(Error::new(ErrorKind::Machine, "no"))
        });
        assert_eq!(failed.expect_err("it failed").to_string(), "no");
        let left: Vec<_> = fs::read_dir(folder.path()).expect("the folder").flatten().collect();
        assert_eq!(left.len(), 1, "only the lock: {left:?}");
    }
}
