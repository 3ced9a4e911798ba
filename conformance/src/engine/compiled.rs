//! What an engine has compiled in this run: each program once, as a host does it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use shimmer_oci::Digest;
use tempfile::TempDir;

use crate::failure::Result;

/// What came of compiling a program.
#[derive(Clone, Debug)]
pub(super) enum Compiled {
    /// It stands in this file.
    File(PathBuf),
    /// The engine would not, in these words.
    Refused(String),
}

/// Compiled programs, by what they were compiled from.
#[derive(Debug)]
pub(super) struct Shelf {
    folder: TempDir,
    known: Mutex<BTreeMap<String, Arc<OnceLock<Result<Compiled>>>>>,
}

impl Shelf {
    pub(super) fn new() -> Result<Self> {
        Ok(Self { folder: TempDir::new()?, known: Mutex::default() })
    }

    /// The compiled form of a program whose `function` is to be called. The first who asks has it compiled by `compile`
    /// in an empty folder; others wait for that.
    pub(super) fn file(
        &self,
        program: &[u8],
        function: &str,
        compile: impl FnOnce(&Path) -> Result<Compiled>,
    ) -> Result<Compiled> {
        let name = Digest::of(&[program, function.as_bytes()].concat()).hex().to_owned();
        let slot = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.entry(name.clone()).or_default().clone()
        };
        let make = || {
            let folder = self.folder.path().join(name);
            fs::create_dir(&folder)?;
            compile(&folder)
        };
        slot.get_or_init(make).clone()
    }
}
