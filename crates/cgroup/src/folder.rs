//! One folder of a cgroup hierarchy.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::error::{Error, ErrorKind, Result};
use crate::table::{Table, number};

/// A folder that is a cgroup, whether it exists or not.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn exists(&self) -> bool {
        self.0.is_dir()
    }

    pub(crate) fn has(&self, file: &str) -> bool {
        self.0.join(file).exists()
    }

    /// The content of a file, if it can be read.
    pub(crate) fn text(&self, file: &str) -> Option<String> {
        read(&self.0.join(file)).ok()
    }

    /// The content of a file that is one number.
    pub(crate) fn number(&self, file: &str) -> Option<u64> {
        number(&self.text(file)?)
    }

    /// The content of a file of keys and numbers.
    pub(crate) fn table(&self, file: &str) -> Option<Table> {
        self.text(file).map(|text| Table::parse(&text))
    }

    pub(crate) fn open(&self, file: &str) -> Result<File> {
        let path = self.0.join(file);
        File::open(&path).map_err(|error| self.failure("read", &path, error))
    }

    pub(crate) fn write(&self, file: &str, text: &str) -> Result<()> {
        let path = self.0.join(file);
        // Without O_CREAT, which a cgroup answers with "permission denied" where the file is missing.
        let written =
            OpenOptions::new().write(true).open(&path).and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|error| self.failure("write", &path, error))
    }

    /// The ids of the processes in it and below it that have one in the caller's PID namespace, in ascending order.
    pub(crate) fn processes(&self) -> Result<Vec<u32>> {
        let mut all = Vec::new();
        for folder in self.tree()? {
            let path = folder.0.join("cgroup.procs");
            match read(&path) {
                Ok(text) => all.extend(text.lines().filter_map(own_id)),
                // The processes of threaded cgroups are listed by the cgroup above them.
                Err(error) if Errno::from_io_error(&error) == Some(Errno::OPNOTSUPP) => {}
                Err(error) => {
                    let error = Error::io("read", path.display(), error);
                    if folder == *self { Err(error) } else { error.unless_missing() }?;
                }
            }
        }
        all.sort_unstable();
        all.dedup();
        Ok(all)
    }

    /// It and all folders below it, each after the one that it is in.
    pub(crate) fn tree(&self) -> Result<Vec<Self>> {
        let mut tree = vec![self.clone()];
        let mut next = 0;
        while let Some(folder) = tree.get(next) {
            match folder.children() {
                Ok(children) => tree.extend(children),
                Err(error) if next == 0 => return Err(error),
                Err(error) => error.unless_missing()?,
            }
            next += 1;
        }
        Ok(tree)
    }

    fn children(&self) -> Result<Vec<Self>> {
        let failure = |error: io::Error| Error::io("list", self, error);
        let mut children = Vec::new();
        for entry in fs::read_dir(&self.0).map_err(failure)? {
            let entry = entry.map_err(failure)?;
            // An entry that is removed meanwhile is none.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                children.push(Self(entry.path()));
            }
        }
        Ok(children)
    }

    /// A file that is missing where its folder is not is a feature that the kernel does not have.
    fn failure(&self, action: &str, path: &Path, cause: io::Error) -> Error {
        let error = Error::io(action, path.display(), cause);
        if error.kind() == ErrorKind::NotFound && self.exists() {
            return Error::new(ErrorKind::Unsupported, error.to_string());
        }
        error
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

/// The id in a line of `cgroup.procs`. A stranger's is given as 0, which to `kill` would mean the caller's own group.
fn own_id(line: &str) -> Option<u32> {
    line.trim().parse().ok().filter(|pid| *pid != 0)
}

/// The content of a file of the kernel's, in which devices and cgroups may have any name.
fn read(path: &Path) -> io::Result<String> {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_the_processes_of_all_sub_cgroups_once() {
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(root.path().join("a/b")).expect("folders");
        fs::write(root.path().join("cgroup.procs"), "30\n7\n0\nnonsense\n").expect("a file");
        fs::write(root.path().join("a/b/cgroup.procs"), "7\n99999999999\n12\n").expect("a file");
        assert_eq!(Folder::new(root.path()).processes().expect("processes"), [7, 12, 30]);
    }

    #[test]
    fn tells_a_missing_folder_from_a_missing_file() {
        let root = tempfile::tempdir().expect("a folder");
        let (here, gone) = (Folder::new(root.path()), Folder::new(root.path().join("gone")));
        assert_eq!(here.write("cgroup.freeze", "1").expect_err("no file").kind(), ErrorKind::Unsupported);
        assert_eq!(gone.write("cgroup.freeze", "1").expect_err("no folder").kind(), ErrorKind::NotFound);
        assert_eq!(gone.processes().expect_err("no folder").kind(), ErrorKind::NotFound);
        assert_eq!(here.number("memory.max"), None);
        assert!(!here.has("cgroup.freeze"), "a file was created");
    }
}
