//! The files of the repository, read once for all rules.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::{Result, machine};

/// The texts of the tree by their paths from its root. Files that are no text have an empty one.
#[derive(Debug)]
pub(crate) struct Tree {
    files: BTreeMap<String, String>,
}

impl Tree {
    /// Reads everything but git's and cargo's own folders.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        collect(root, "", &mut files)?;
        Ok(Self { files })
    }

    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        Self { files: files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect() }
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// The Rust sources of the workspace: the guests are programs for another machine, and a workspace of their own.
    pub(crate) fn sources(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files().filter(|(path, _)| path.ends_with(".rs") && !path.starts_with("conformance/guests/"))
    }

    /// The paths below a folder, as seen from it.
    pub(crate) fn below(&self, folder: &str) -> BTreeSet<&str> {
        let prefix = format!("{folder}/");
        self.files.keys().filter_map(|path| path.strip_prefix(&prefix)).collect()
    }

    /// The names of the folders in a folder.
    pub(crate) fn folders(&self, folder: &str) -> BTreeSet<&str> {
        self.below(folder).into_iter().filter_map(|path| Some(path.split_once('/')?.0)).collect()
    }
}

fn collect(root: &Path, folder: &str, files: &mut BTreeMap<String, String>) -> Result<()> {
    for name in machine::names(&root.join(folder)) {
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        let kind = fs::symlink_metadata(root.join(&path))?.file_type();
        if kind.is_dir() && ![".git", "target"].contains(&name.as_str()) {
            collect(root, &path, files)?;
        } else if kind.is_file() {
            let bytes = fs::read(root.join(&path))?;
            files.insert(path, String::from_utf8(bytes).unwrap_or_default());
        }
    }
    Ok(())
}
