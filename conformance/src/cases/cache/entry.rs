//! What a shim keeps of a program that it has compiled, wherever that is.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use shimmer_node::Node;
use shimmer_oci::Digest;

use super::greets;
use crate::failure::{Failure, Result};
use crate::setup::Setup;
use crate::stage::Stage;

/// Where compiled code is found.
#[derive(Debug)]
pub(super) enum Entry {
    /// In a file below the folder that the node gives to shims.
    File(PathBuf),
    /// In a blob of containerd's content store, which a label of the program's own blob names.
    Label { name: String, digest: String },
}

impl Entry {
    /// What is kept of a program after its first start: of the files that appear meanwhile it is the largest.
    pub(super) fn of(stage: &Stage<'_>, setup: &Setup) -> Result<Self> {
        let node = &stage.shim.node;
        // A containerd that is not ours has no such folder.
        let kept = || node.compiled().map_or_else(|_| Ok(BTreeMap::new()), |folder| files(&folder));
        let before = kept()?;
        greets(stage, setup)?;
        let appeared = kept()?.into_iter().filter(|(path, _)| !before.contains_key(path));
        if let Some((path, _)) = appeared.max_by_key(|(_, size)| *size) {
            return Ok(Self::File(path));
        }
        let layer = layer(setup);
        let content = node.content()?;
        let mut labels = content.into_iter().filter(|blob| blob.digest == layer).flat_map(|blob| blob.labels);
        let entry = labels.find(|(name, _)| name.starts_with(LABEL));
        entry.map(|(name, digest)| Self::Label { name, digest }).ok_or_else(|| {
            Failure(format!(
                "no file has appeared in SHIMMER_CACHE, and the layer {layer} has no label {LABEL}…, so nothing can be forged"
            ))
        })
    }

    pub(super) fn read(&self, stage: &Stage<'_>) -> Result<Vec<u8>> {
        Ok(fs::read(self.file(stage)?)?)
    }

    /// Puts other bytes into the very same file. It is never empty meanwhile: somebody may have it mapped.
    pub(super) fn overwrite(&self, stage: &Stage<'_>, bytes: &[u8]) -> Result {
        let path = self.file(stage)?;
        let mut file = File::options().write(true).create(true).truncate(false).open(&path)?;
        file.write_all(bytes)?;
        Ok(file.set_len(bytes.len().try_into()?)?)
    }

    /// Moves a file, with all that lies beside it, to where it is if another engine, version or setting has made it: what
    /// stands for them is in the name of its folder.
    pub(super) fn displace(&self, stage: &Stage<'_>) -> Result {
        let (Self::File(file), folder) = (self, stage.shim.node.compiled()?) else {
            return Err(Failure("a label has its version in its name".into()));
        };
        let entry = file.parent().filter(|parent| *parent != folder).unwrap_or(file);
        let mut name = entry.to_str().ok_or("the entry's name is not UTF-8")?.to_owned();
        let last = name.pop();
        name.push(if last == Some('0') { '1' } else { '0' });
        Ok(fs::rename(entry, name)?)
    }

    fn file(&self, stage: &Stage<'_>) -> Result<PathBuf> {
        match self {
            Self::File(path) => Ok(path.clone()),
            Self::Label { digest, .. } => blob(&stage.shim.node, digest),
        }
    }
}

/// The digest of the program's blob.
pub(super) fn layer(setup: &Setup) -> String {
    Digest::of(&setup.program).to_string()
}

/// Where a shim on runwasi's library notes in a layer's labels what it has compiled: what follows are the engine's name
/// and what stands for its version and its settings.
const LABEL: &str = "runwasi.io/precompiled/";

/// All files below a folder, with their sizes. What goes meanwhile is none.
fn files(folder: &Path) -> Result<BTreeMap<PathBuf, u64>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            match fs::symlink_metadata(&path) {
                Ok(metadata) if metadata.is_dir() => folders.push(path),
                Ok(metadata) if metadata.is_file() => drop(found.insert(path, metadata.len())),
                _ => {}
            }
        }
    }
    Ok(found)
}

/// The file of a blob. Its folder is mounted for the node's processes alone.
fn blob(node: &Node, digest: &str) -> Result<PathBuf> {
    let containerd = node.processes()?.into_iter().find(|process| process.name == "containerd");
    let containerd = containerd.ok_or("no process is containerd")?.pid;
    let folder = node.socket().parent().ok_or("the socket has no folder")?.join("root");
    let hex = digest.trim_start_matches("sha256:");
    let inside = folder.join("io.containerd.content.v1.content/blobs/sha256").join(hex);
    Ok(PathBuf::from(format!("/proc/{containerd}/root{}", inside.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_in_folders_of_folders() {
        let folder = tempfile::tempdir().expect("a folder");
        let code = folder.path().join("a/b/code");
        fs::create_dir_all(code.parent().expect("a folder")).expect("folders");
        fs::write(&code, "four").expect("a file");
        std::os::unix::fs::symlink("/", folder.path().join("link")).expect("a link");
        assert_eq!(files(folder.path()).expect("a look"), BTreeMap::from([(code, 4)]));
        assert!(files(&folder.path().join("none")).expect("nothing to see").is_empty());
    }
}
