//! A node without a containerd: a folder, and a machine that reads configurations as containerd does, as far as the tests
//! of an installer see.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::Child;

use rustix::process::Pid;
use toml_edit::{DocumentMut, Item, Table};

use crate::distribution::Site;
use crate::error::{Error, ErrorKind, Result};
use crate::fault::Kind;
use crate::host::Host;
use crate::install::{Installed, Options};
use crate::machine::{Machine, Supervisor};
use crate::record::Shim;
use crate::release::hex;
use crate::status::Status;
use crate::store::Store;
use crate::uninstall::Uninstalled;
use crate::usage::{Pod, User};

/// A node whose files are in a folder of its own.
#[derive(Debug)]
pub(crate) struct Bed {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) host: Host,
    pub(crate) store: Store,
    pub(crate) machine: FakeMachine,
}

/// What runs on it.
#[derive(Debug)]
pub(crate) struct FakeMachine {
    root: PathBuf,
    config: PathBuf,
    /// The handlers that containerd has; `None` while it does not serve.
    pub(crate) serving: RefCell<Option<Vec<String>>>,
    pub(crate) restarts: Cell<usize>,
    /// The process is killed while it waits for containerd.
    pub(crate) dies: Cell<bool>,
    /// No handler makes a pod.
    pub(crate) breaks: Cell<bool>,
    /// containerd does not come back while our handlers are in its configuration.
    pub(crate) rejects: Cell<bool>,
    /// Processes cannot be seen.
    pub(crate) is_blind: Cell<bool>,
    /// Nobody starts containerd again.
    pub(crate) is_left: Cell<bool>,
    /// Those that containerd knows.
    pub(crate) pods: RefCell<BTreeMap<String, Pod>>,
    /// A shim whose pod containerd knows no more.
    pub(crate) leaving: RefCell<Option<Child>>,
}

pub(crate) const CONFIG: &str = "/etc/containerd/config.toml";

impl Bed {
    /// A node with these files, whose containerd reads `config`.
    pub(crate) fn new(files: &[(&str, &str)], config: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("opt")).expect("it is ours");
        for (path, content) in files {
            let path = folder.path().join(path.trim_start_matches('/'));
            fs::create_dir_all(path.parent().expect("a folder")).expect("it is ours");
            fs::write(path, content).expect("it is ours");
        }
        let machine = FakeMachine {
            root: folder.path().to_owned(),
            config: config.into(),
            serving: RefCell::default(),
            restarts: Cell::new(0),
            dies: Cell::new(false),
            breaks: Cell::new(false),
            rejects: Cell::new(false),
            is_blind: Cell::new(false),
            is_left: Cell::new(false),
            pods: RefCell::default(),
            leaving: RefCell::default(),
        };
        machine.read();
        let host = Host::open(folder.path()).expect("it is there");
        Self {
            folder,
            host,
            store: Store::new(Path::new("/opt/shimmer")).expect("a folder of our own"),
            machine,
        }
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
            fix: false,
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
}

/// A shim and its handler.
pub(crate) fn shim(name: &str, handler: &str) -> Shim {
    Shim { name: name.to_owned(), handler: handler.to_owned() }
}

impl FakeMachine {
    fn here(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").expect("an absolute path"))
    }

    /// A configuration with what it imports, later over earlier, all names as schema 3 has them.
    fn merged(&self, config: &Path) -> Result<DocumentMut> {
        let text = fs::read_to_string(self.here(config))
            .map_err(|error| Error::io(format!("read {}", config.display()), error))?;
        let mut document: DocumentMut = text.parse().map_err(|error| Error::refused(format!("{error}")))?;
        let imports = document.remove("imports");
        let imports =
            imports.as_ref().and_then(Item::as_array).into_iter().flatten().filter_map(|one| one.as_str());
        for import in
            imports.map(|import| config.parent().expect("a folder").join(import)).collect::<Vec<_>>()
        {
            for file in self.matching(&import) {
                let imported = self.merged(&file)?;
                merge(document.as_table_mut(), imported.as_table());
            }
        }
        Ok(document)
    }

    fn matching(&self, pattern: &Path) -> Vec<PathBuf> {
        let folder = pattern.parent().expect("a folder");
        if !pattern.ends_with("*.toml") {
            return vec![pattern.to_owned()];
        }
        let Ok(entries) = fs::read_dir(self.here(folder)) else { return Vec::new() };
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let mut found: Vec<_> = names.map(|name| folder.join(name)).collect();
        found.retain(|file| {
            let hidden = file.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
            !hidden && file.extension().is_some_and(|extension| extension == "toml")
        });
        found.sort();
        found
    }

    fn runtimes(document: &DocumentMut) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for plugin in ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime"] {
            let table = document.get("plugins").and_then(|plugins| plugins.get(plugin));
            let runtimes = table.and_then(|table| table.get("containerd")?.get("runtimes")?.as_table_like());
            for (handler, runtime) in runtimes.into_iter().flat_map(|table| table.iter()) {
                let path = runtime.get("runtime_path").and_then(Item::as_str).unwrap_or_default();
                found.push((handler.to_owned(), path.to_owned()));
            }
        }
        found
    }

    /// What containerd does when it starts.
    pub(crate) fn read(&self) {
        let read = self.merged(&self.config).ok().map(|document| Self::runtimes(&document));
        let has_ours = read.iter().flatten().any(|(_, path)| !path.is_empty());
        let refused = self.rejects.get() && has_ours;
        let handlers =
            read.filter(|_| !refused).map(|found| found.into_iter().map(|(handler, _)| handler).collect());
        self.serving.replace(handlers);
    }
}

fn merge(into: &mut Table, from: &Table) {
    for (key, item) in from {
        match (into.get_mut(key).and_then(Item::as_table_mut), item.as_table()) {
            (Some(below), Some(item)) => merge(below, item),
            _ => drop(into.insert(key, item.clone())),
        }
    }
}

impl Machine for FakeMachine {
    fn version_of(&self, program: &Path) -> Result<String> {
        let content = fs::read_to_string(self.here(program))
            .map_err(|error| Error::io(format!("run {}", program.display()), error))?;
        if content.contains("bad") {
            return Err(Error::new(ErrorKind::Failed, "version `GLIBC_9.9' not found"));
        }
        Ok(format!("containerd fake v{content} 0"))
    }

    fn dump(&self, _containerd: &Path, config: &Path) -> Result<String> {
        let mut document = self.merged(config)?;
        // containerd 1.7 has a runtime as long as nobody names another one.
        if document.get("version").and_then(Item::as_integer) == Some(2)
            && Self::runtimes(&document).is_empty()
        {
            let runc =
                &mut document["plugins"]["io.containerd.grpc.v1.cri"]["containerd"]["runtimes"]["runc"];
            runc["runtime_type"] = toml_edit::value("io.containerd.runc.v2");
            runc["sandbox_mode"] = toml_edit::value("podsandbox");
        }
        Ok(document.to_string())
    }

    fn supervisor(&self, _site: &Site) -> Result<Supervisor> {
        Ok(self.supervisor_now(&Supervisor::Parent))
    }

    fn supervisor_now(&self, earlier: &Supervisor) -> Supervisor {
        if self.is_left.get() { Supervisor::Nobody } else { earlier.clone() }
    }

    fn restart(&self, _socket: &Path, supervisor: &Supervisor) -> Result<()> {
        if *supervisor == Supervisor::Nobody {
            return Ok(());
        }
        self.restarts.set(self.restarts.get() + 1);
        self.read();
        Ok(())
    }

    fn handlers(&self, _socket: &Path, until: &dyn Fn(&[String]) -> bool) -> Result<Vec<String>> {
        if self.dies.get() {
            resume_unwind(Box::new("killed"));
        }
        match &*self.serving.borrow() {
            Some(handlers) if until(handlers) => Ok(handlers.clone()),
            seen => Err(Error::new(
                ErrorKind::Failed,
                format!("containerd did not become what it should be: {seen:?}"),
            )),
        }
    }

    fn try_pod(&self, _socket: &Path, handler: &str, _systemd: bool) -> Result<()> {
        let runtimes = Self::runtimes(&self.merged(&self.config)?);
        let (_, path) = runtimes.iter().find(|(name, _)| name == handler).expect("it has the handler");
        let content =
            fs::read_to_string(self.here(Path::new(path))).expect("the shim is where it is looked for");
        if self.breaks.get() || content.contains("broken") {
            return Err(Error::new(
                ErrorKind::Failed,
                format!("cannot make a pod by the handler {handler}: it broke"),
            ));
        }
        Ok(())
    }

    fn sweep(&self, _socket: &Path) -> Result<()> {
        Ok(())
    }

    fn pods(&self, _socket: &Path) -> Result<BTreeMap<String, Pod>> {
        Ok(self.pods.borrow().clone())
    }

    fn users(&self, _host: &Host, _store: &Store) -> Result<Vec<User>> {
        if self.is_blind.get() {
            return Err(Error::new(ErrorKind::Failed, "cannot look at the processes of the node"));
        }
        let mut leaving = self.leaving.borrow_mut();
        let Some(shim) = leaving.as_mut() else { return Ok(Vec::new()) };
        if shim.try_wait().expect("a look at it").is_some() {
            return Ok(Vec::new());
        }
        let pod = Pod { namespace: "k8s.io".into(), name: "gone".into(), handler: None };
        Ok(vec![User { pid: Pid::from_child(shim), version: "1.0.0".into(), pod: Some(pod) }])
    }
}
