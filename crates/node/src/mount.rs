//! What a container sees of filesystems, in the words of the OCI runtime spec.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// What a container may do with a mount.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Access {
    /// Read only.
    Read,
    /// Read and write.
    Write,
}

impl Access {
    pub(crate) fn option(self) -> &'static str {
        match self {
            Self::Read => "ro",
            Self::Write => "rw",
        }
    }
}

/// One entry of `mounts`.
#[derive(Clone, Debug)]
pub(crate) struct Mount {
    kind: &'static str,
    source: PathBuf,
    target: String,
    options: Vec<String>,
}

impl Mount {
    /// A folder or file of this machine.
    pub(crate) fn bind(source: &Path, target: &str, options: &[&str]) -> Self {
        Self::new("bind", source, target, options)
    }

    /// An empty folder in memory, of at most `size` bytes.
    pub(crate) fn tmpfs(target: &str, size: u64) -> Self {
        let size = format!("size={size}");
        Self::new("tmpfs", "tmpfs", target, &["nosuid", "nodev", "mode=1777", &size])
    }

    /// What every container has.
    pub(crate) fn usual() -> Vec<Self> {
        let options = |options: &'static str| -> Vec<&'static str> { options.split(',').collect() };
        [
            ("proc", "proc", "/proc", "nosuid,noexec,nodev"),
            ("tmpfs", "tmpfs", "/dev", "nosuid,strictatime,mode=755,size=65536k"),
            ("devpts", "devpts", "/dev/pts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5"),
            ("tmpfs", "shm", "/dev/shm", "nosuid,noexec,nodev,mode=1777,size=65536k"),
            ("mqueue", "mqueue", "/dev/mqueue", "nosuid,noexec,nodev"),
            ("sysfs", "sysfs", "/sys", "nosuid,noexec,nodev,ro"),
        ]
        .map(|(kind, source, target, text)| Self::new(kind, source, target, &options(text)))
        .to_vec()
    }

    pub(crate) fn oci(&self) -> Value {
        let Self { kind, source, target, options } = self;
        json!({ "type": kind, "source": source, "destination": target, "options": options })
    }

    fn new(kind: &'static str, source: impl Into<PathBuf>, target: &str, options: &[&str]) -> Self {
        let options = options.iter().map(|&option| option.to_owned()).collect();
        Self { kind, source: source.into(), target: target.to_owned(), options }
    }
}
