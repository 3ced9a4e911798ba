//! The files that a machine is to have, before they are.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::machine::cpio::Cpio;
use crate::machine::libraries;

/// Files by their paths in the machine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree(BTreeMap<String, Entry>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Entry {
    Folder,
    /// The same file on this machine.
    Copy(PathBuf),
    Link(String),
    /// A file with this content.
    Text {
        content: Vec<u8>,
        permissions: u32,
    },
}

impl Tree {
    /// Adds a folder, and those it is in.
    pub(crate) fn folder(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let path = name(path.as_ref())?;
        self.insert(path, Entry::Folder);
        Ok(())
    }

    pub(crate) fn link(&mut self, path: impl AsRef<Path>, target: &str) -> Result<()> {
        let path = name(path.as_ref())?;
        self.insert(path, Entry::Link(target.to_owned()));
        Ok(())
    }

    /// Adds a file that only its owner may change; a script may be executed.
    pub(crate) fn text(&mut self, path: impl AsRef<Path>, content: impl Into<Vec<u8>>) -> Result<()> {
        let (path, content) = (name(path.as_ref())?, content.into());
        let permissions = if content.starts_with(b"#!") { 0o755 } else { 0o644 };
        self.insert(path, Entry::Text { content, permissions });
        Ok(())
    }

    /// Adds a file of this machine, or a folder with all that is in it.
    pub(crate) fn copy(&mut self, file: &Path, path: &Path) -> Result<()> {
        let unreadable = |error| Error::io(format!("read {}", file.display()), error);
        if !file.metadata().map_err(unreadable)?.is_dir() {
            let path = name(path)?;
            self.insert(path, Entry::Copy(file.to_owned()));
            return Ok(());
        }
        self.folder(path)?;
        for entry in fs::read_dir(file).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            self.copy(&entry.path(), &path.join(entry.file_name()))?;
        }
        Ok(())
    }

    /// Adds a program and the libraries that it is linked with.
    pub(crate) fn program(&mut self, file: &Path, path: &Path) -> Result<()> {
        self.copy(file, path)?;
        for (library, place) in libraries::of(file)? {
            self.copy(&library, &place)?;
        }
        Ok(())
    }

    /// Adds all files of another tree below a folder.
    pub(crate) fn graft(&mut self, folder: &str, other: Self) {
        for (path, entry) in other.0 {
            self.insert(format!("{folder}/{path}"), entry);
        }
    }

    /// Writes the archive that the kernel unpacks.
    pub(crate) fn write(&self, output: impl Write) -> Result<()> {
        let mut cpio = Cpio::new(output);
        for (path, entry) in &self.0 {
            append(&mut cpio, path, entry).map_err(|error| {
                Error::io(format!("put {path} into the virtual machine's first files"), error)
            })?;
        }
        cpio.finish().map(drop).map_err(|error| Error::io("write the virtual machine's first files", error))
    }

    fn insert(&mut self, path: String, entry: Entry) {
        for (end, _) in path.match_indices('/') {
            self.0.entry(path[..end].to_owned()).or_insert(Entry::Folder);
        }
        self.0.insert(path, entry);
    }
}

fn append(cpio: &mut Cpio<impl Write>, path: &str, entry: &Entry) -> io::Result<()> {
    match entry {
        Entry::Folder => cpio.folder(path),
        Entry::Link(target) => cpio.link(path, target),
        Entry::Text { content, permissions } => {
            cpio.file(path, *permissions, content.len() as u64, content.as_slice())
        }
        Entry::Copy(file) => {
            let opened = File::open(file)?;
            let metadata = opened.metadata()?;
            cpio.file(path, metadata.permissions().mode(), metadata.len(), opened)
        }
    }
}

/// A path as the archive has it: without a slash at the beginning, and below `usr` what today's systems have there.
fn name(path: &Path) -> Result<String> {
    let parts: Option<Vec<&str>> = path
        .components()
        .filter(|part| *part != Component::RootDir)
        .map(|part| if let Component::Normal(part) = part { part.to_str() } else { None })
        .collect();
    let parts = parts.filter(|parts| !parts.is_empty()).ok_or_else(|| {
        let message = format!("{} is no path of a file in a virtual machine", path.display());
        Error::new(ErrorKind::Machine, message)
    })?;
    let merged = MERGED.contains(&parts[0]) && parts.len() > 1;
    Ok(if merged { format!("usr/{}", parts.join("/")) } else { parts.join("/") })
}

/// Folders of the root that are links to those of the same name in `/usr`.
pub(crate) const MERGED: [&str; 4] = ["bin", "lib", "lib64", "sbin"];

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(tree: &Tree) -> Vec<&str> {
        tree.0.keys().map(String::as_str).collect()
    }

    #[test]
    fn a_file_comes_after_the_folders_that_it_is_in() {
        let mut tree = Tree::default();
        tree.text("/etc/a/b", "text").expect("a file");
        tree.link("/bin/sh", "busybox").expect("a link");
        assert_eq!(paths(&tree), ["etc", "etc/a", "etc/a/b", "usr", "usr/bin", "usr/bin/sh"]);
    }

    #[test]
    fn a_script_may_be_executed_and_another_text_may_not() {
        let mut tree = Tree::default();
        tree.text("run", "#!/bin/sh\n").expect("a file");
        tree.text("note", "text").expect("a file");
        let mode = |path: &str| match &tree.0[path] {
            Entry::Text { permissions, .. } => *permissions,
            other => panic!("{other:?}"),
        };
        assert_eq!((mode("run"), mode("note")), (0o755, 0o644));
    }

    #[test]
    fn takes_a_folder_with_all_that_is_in_it() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("deep")).expect("a folder");
        fs::write(folder.path().join("deep/file"), "text").expect("a file");
        let mut tree = Tree::default();
        tree.copy(folder.path(), Path::new("/given/tests")).expect("a copy");
        assert_eq!(paths(&tree), ["given", "given/tests", "given/tests/deep", "given/tests/deep/file"]);
        let mut other = Tree::default();
        other.graft("root", tree);
        assert!(paths(&other).contains(&"root/given/tests/deep/file"));
    }

    #[test]
    fn a_path_that_leaves_the_machine_is_refused() {
        for path in ["/", "", "../etc/passwd", "/a/../../b"] {
            let error = Tree::default().text(path, "").expect_err("no file");
            assert_eq!(*error.kind(), ErrorKind::Machine, "{path}");
        }
    }
}
