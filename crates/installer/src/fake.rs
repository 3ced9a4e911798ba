//! A node without a containerd: a folder, and a machine that reads configurations as containerd does, as far as the tests
//! of an installer see.

mod machine;

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::distribution::Distribution;
use crate::error::Result;
use crate::fault::Kind;
use crate::host::Host;
use crate::install::{Installed, Options};
use crate::record::Shim;
use crate::release::hex;
use crate::status::Status;
use crate::store::Store;
use crate::uninstall::Uninstalled;

pub(crate) use machine::FakeMachine;

/// A node whose files are in a folder of its own.
#[derive(Debug)]
pub(crate) struct Bed {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) host: Host,
    pub(crate) store: Store,
    pub(crate) machine: FakeMachine,
}

pub(crate) const CONFIG: &str = "/etc/containerd/config.toml";

impl Bed {
    /// A node with these files, whose containerd reads `config`.
    pub(crate) fn new(files: &[(&str, &str)], config: &str) -> Self {
        let folder = folder_in_memory();
        for (path, content) in files {
            let path = folder.path().join(path.trim_start_matches('/'));
            fs::create_dir_all(path.parent().expect("a folder")).expect("it is ours");
            fs::write(path, content).expect("it is ours");
        }
        let containerd = files.iter().find(|(path, _)| path.ends_with("/containerd"));
        let machine = FakeMachine::new(folder.path(), config, containerd.expect("one of them").0);
        Self::of(folder, machine)
    }

    /// A node of this distribution with what is in the folder.
    pub(crate) fn distributed(folder: TempDir, distribution: Distribution, containerd: &str) -> Self {
        let machine = FakeMachine::of(folder.path(), distribution, containerd);
        Self::of(folder, machine)
    }

    fn of(folder: TempDir, machine: FakeMachine) -> Self {
        fs::create_dir_all(folder.path().join("opt")).expect("it is ours");
        machine.read();
        let host = Host::open(folder.path()).expect("it is there");
        let store = Store::new(Path::new("/opt/shimmer")).expect("a folder of our own");
        Self { folder, host, store, machine }
    }

    /// As kubeadm leaves it with containerd 2.2: drop-ins are imported.
    pub(crate) fn with_drop_ins() -> Self {
        let config = "# by the operator\nversion = 3\nimports = [\"/etc/containerd/conf.d/*.toml\"]\n";
        Self::new(&[(CONFIG, config), ("/usr/bin/containerd", "2.2.0")], CONFIG)
    }

    /// An older one, whose one file has everything.
    pub(crate) fn with_one_file() -> Self {
        let config = "version = 2\n\n[plugins.\"io.containerd.grpc.v1.cri\"]\n  # ours\n  sandbox_image = \"pause:3\"\n";
        Self::new(&[(CONFIG, config), ("/usr/bin/containerd", "1.7.24")], CONFIG)
    }

    /// The same where containerd 1 and containerd 2 would have our tables in different files.
    pub(crate) fn with_old_drop_ins() -> Self {
        let config = "version = 2\nimports = [\"/etc/containerd/conf.d/*.toml\"]\n";
        Self::new(&[(CONFIG, config), ("/usr/bin/containerd", "2.2.0")], CONFIG)
    }

    /// Where a path of the node's is here.
    pub(crate) fn at(&self, path: &Path) -> PathBuf {
        self.folder.path().join(path.strip_prefix("/").expect("an absolute path"))
    }

    /// A release with these programs, where `bad` in one makes it one that no node can execute.
    pub(crate) fn release(&self, version: &str, programs: &[(&str, &str)]) -> PathBuf {
        let folder = self.folder.path().join("releases").join(version);
        fs::create_dir_all(&folder).expect("it is ours");
        let mut files = serde_json::Map::new();
        for (name, content) in programs {
            fs::write(folder.join(name), content).expect("it is ours");
            let digest = <sha2::Sha256 as sha2::Digest>::digest(content);
            files.insert((*name).to_owned(), format!("sha256:{}", hex(&digest)).into());
        }
        let architecture = if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" };
        let manifest =
            serde_json::json!({ "version": version, "architecture": architecture, "files": files });
        fs::write(folder.join("release.json"), manifest.to_string()).expect("it is ours");
        folder
    }

    /// A release of two engines.
    pub(crate) fn good_release(&self, version: &str) -> PathBuf {
        let content = format!("good {version}");
        let names = ["containerd-shim-one-v1", "shimmer-one", "containerd-shim-two-v1", "shimmer-two"]
            .map(|name| (name, &*content));
        self.release(version, &names)
    }

    pub(crate) fn options(release: PathBuf) -> Options {
        Options {
            release,
            shims: Vec::new(),
            declared: crate::distribution::Declared::default(),
            systemd_cgroup: None,
            fix: true,
        }
    }

    pub(crate) fn install(&self, options: &Options) -> Result<Installed> {
        crate::install::install(&self.host, &self.store, &self.machine, options)
    }

    pub(crate) fn uninstall(&self) -> Result<Uninstalled> {
        crate::uninstall::uninstall(&self.host, &self.store, &self.machine, false)
    }

    pub(crate) fn status(&self) -> Status {
        crate::status::status(&self.host, &self.store, &self.machine).expect("it is installed")
    }

    pub(crate) fn fault(&self, kind: Kind, step: usize) {
        self.host.fault.set(kind, step);
    }

    /// All files and links of the node but for releases, with what is in them.
    pub(crate) fn snapshot(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                let name = path.strip_prefix(self.folder.path()).expect("below").to_owned();
                if name.starts_with("releases") {
                    continue;
                }
                if path.is_dir() && !path.is_symlink() {
                    found.push((name, Vec::new()));
                    folders.push(path);
                } else {
                    let target = fs::read_link(&path).map(|to| to.into_os_string().into_encoded_bytes());
                    found.push((name, target.or_else(|_| fs::read(&path)).expect("it can be read")));
                }
            }
        }
        found.sort();
        found
    }

    /// What is not as it was in `then`.
    pub(crate) fn differences(&self, then: &[(PathBuf, Vec<u8>)]) -> Vec<PathBuf> {
        let now = self.snapshot();
        let missing = then.iter().filter(|file| !now.contains(file));
        let new = now.iter().filter(|file| !then.contains(file));
        missing.chain(new).map(|(path, _)| path.clone()).collect()
    }
}

/// Thousands of nodes are made durable at every step of theirs: a disk would take its time.
pub(crate) fn folder_in_memory() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_there_is_none| tempfile::tempdir()).expect("a folder")
}

/// A shim and its handler.
pub(crate) fn shim(name: &str, handler: &str) -> Shim {
    Shim { name: name.to_owned(), handler: handler.to_owned() }
}
