//! Nodes of every distribution, as folders in `tests/nodes`, and what becomes of their files. Their configurations follow the
//! projects' public documentation; comments and values that do not matter are ours.

mod cases;
mod generated;
mod loops;
mod real;
mod refusals;

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::config::{self, Restored, Runtime, Settings, Wanted, Writing, Written};
use crate::distribution::{Declared, Node, Site};
use crate::error::Result;
use crate::host::Host;
use crate::schema::Version;

/// A copy of a node's files.
pub(crate) struct Files {
    folder: TempDir,
}

impl Files {
    /// A copy of the folder of this name, with empty files for what cannot be in a repository.
    pub(crate) fn of(name: &str, empty: &[&str]) -> Self {
        let files = Self { folder: tempfile::tempdir().unwrap() };
        if !name.is_empty() {
            copy(&folder(name), files.root());
        }
        for path in empty {
            files.put(Path::new(path), b"");
        }
        files
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn host(&self) -> Host {
        Host::open(self.root()).unwrap()
    }

    /// Where a path of the node's is here.
    pub(crate) fn at(&self, path: &Path) -> PathBuf {
        self.root().join(path.strip_prefix("/").unwrap())
    }

    pub(crate) fn put(&self, path: &Path, content: &[u8]) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn read(&self, path: &Path) -> Option<Vec<u8>> {
        fs::read(self.at(path)).ok()
    }

    /// What an install over an earlier one would write.
    pub(crate) fn plan(
        &self,
        declared: &Declared,
        version: Version,
        old: Option<&Kept>,
        wanted: &Wanted,
    ) -> Result<Kept> {
        let host = self.host();
        let now = old.map(|old| self.restored(old)).transpose()?;
        let mut node = Node::new(&host);
        if let (Some(old), Some(now)) = (old, &now) {
            node = node.with(&old.writing.written.file, now.content.as_deref());
        }
        let site = Site::detect(&node, declared, &|_| Ok(version))?;
        let original = node.read(site.placement.file())?;
        let writing = config::write(&site, original.as_deref(), wanted)?;
        Ok(Kept { writing, original, site })
    }

    pub(crate) fn restored(&self, kept: &Kept) -> Result<Restored> {
        // What is kept is kept as JSON.
        let written: Written =
            serde_json::from_str(&serde_json::to_string(&kept.writing.written).unwrap()).unwrap();
        config::restore(self.read(kept.file()).as_deref(), &written, kept.original.as_deref())
    }
}

/// What an install keeps.
pub(crate) struct Kept {
    pub(crate) writing: Writing,
    pub(crate) original: Option<Vec<u8>>,
    pub(crate) site: Site,
}

impl Kept {
    pub(crate) fn file(&self) -> &Path {
        &self.writing.written.file
    }
}

/// These handlers, with the shims of the same names.
pub(crate) fn wanted(handlers: &[&str]) -> Wanted {
    let runtime = |handler: &&str| Runtime {
        handler: (*handler).to_owned(),
        shim: (*handler).to_owned(),
        path: format!("/opt/shimmer/current/containerd-shim-{handler}-v1").into(),
        systemd_cgroup: Some(true),
    };
    Wanted { runtimes: handlers.iter().map(runtime).collect(), settings: Settings::default() }
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nodes").join(name)
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir_all(&to).unwrap();
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}
