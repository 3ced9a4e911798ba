//! A containerd that is none: it reads configurations as containerd does, and has its distribution make them.

mod rendering;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::Child;

use rustix::process::Pid;
use toml_edit::{DocumentMut, Item, Table, value};

use crate::distribution::{Distribution, Site};
use crate::error::{Error, ErrorKind, Result};
use crate::host::Host;
use crate::machine::{Machine, Supervisor};
use crate::schema::{IMAGES, Schema, Version};
use crate::store::Store;
use crate::usage::{Pod, User};
use rendering::Rendering;

/// What runs on a node.
#[derive(Debug)]
pub(crate) struct FakeMachine {
    root: PathBuf,
    config: PathBuf,
    /// Its program, which has nothing in it but its version.
    containerd: PathBuf,
    rendering: Option<Rendering>,
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

impl FakeMachine {
    /// A containerd that reads what somebody has written.
    pub(crate) fn new(root: &Path, config: &str, containerd: &str) -> Self {
        Self {
            root: root.to_owned(),
            config: config.into(),
            containerd: containerd.into(),
            rendering: None,
            serving: RefCell::default(),
            restarts: Cell::new(0),
            dies: Cell::new(false),
            breaks: Cell::new(false),
            rejects: Cell::new(false),
            is_blind: Cell::new(false),
            is_left: Cell::new(false),
            pods: RefCell::default(),
            leaving: RefCell::default(),
        }
    }

    /// One of a distribution's, which may make what it reads.
    pub(crate) fn of(root: &Path, distribution: Distribution, containerd: &str) -> Self {
        let config = rendering::config(distribution);
        let machine = Self::new(root, config, containerd);
        let rendering = Rendering::of(distribution, &|path| fs::read_to_string(machine.here(path)).ok());
        Self { rendering, ..machine }
    }

    /// Another version of it, which has been started.
    pub(crate) fn update(&self, version: &str) {
        fs::write(self.here(&self.containerd), version).expect("it is ours");
        self.read();
    }

    fn here(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").expect("an absolute path"))
    }

    fn version(&self) -> Result<Version> {
        Version::told(&self.version_of(&self.containerd)?)
    }

    /// What containerd has now. Without a configuration it has its defaults.
    fn current(&self) -> Result<DocumentMut> {
        if self.here(&self.config).exists() {
            return self.effective(&self.config);
        }
        Ok(with_defaults(DocumentMut::new(), self.version()?))
    }

    /// What containerd makes of a configuration, in its own newest schema.
    fn effective(&self, config: &Path) -> Result<DocumentMut> {
        let version = self.version()?;
        // The tables of a plugin are replaced as a whole by those of a later file, or added to.
        let depth = if version.merges() { usize::MAX } else { 1 };
        let mut document = self.merged(config, depth)?;
        let is_old = document.get("version").and_then(Item::as_integer) == Some(2);
        if is_old && version.merges() {
            rename(&mut document);
        }
        Ok(with_defaults(document, version))
    }

    /// A configuration with what it imports, later over earlier.
    fn merged(&self, config: &Path, depth: usize) -> Result<DocumentMut> {
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
                let imported = self.merged(&file, depth)?;
                merge(document.as_table_mut(), imported.as_table(), depth);
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

    /// What the distribution does before it starts containerd.
    fn render(&self) -> Result<()> {
        let Some(rendering) = &self.rendering else { return Ok(()) };
        let text = rendering
            .made(&|path| fs::read_to_string(self.here(path)).ok(), &|pattern| self.matching(pattern))?;
        fs::write(self.here(rendering.file()), text).map_err(|error| Error::io("render", error))
    }

    /// What containerd does when it starts.
    pub(crate) fn read(&self) {
        let read = self.current().ok().map(|document| Self::runtimes(&document));
        let has_ours = read.iter().flatten().any(|(_, path)| !path.is_empty());
        let refused = self.rejects.get() && has_ours;
        let handlers =
            read.filter(|_| !refused).map(|found| found.into_iter().map(|(handler, _)| handler).collect());
        self.serving.replace(handlers);
    }
}

/// Puts tables into others, as far down as `depth`: below that, a table takes the place of another.
fn merge(into: &mut Table, from: &Table, depth: usize) {
    for (key, item) in from {
        match (into.get_mut(key).and_then(Item::as_table_mut), item.as_table()) {
            (Some(below), Some(item)) if depth > 0 => merge(below, item, depth - 1),
            _ => drop(into.insert(key, item.clone())),
        }
    }
}

/// What containerd 2 does to a file of schema 2.
fn rename(document: &mut DocumentMut) {
    let Some(plugins) = document.get_mut("plugins").and_then(Item::as_table_mut) else { return };
    let Some(Item::Table(old)) = plugins.remove(Schema::V2.runtimes()) else { return };
    let new = plugins.entry(Schema::V3.runtimes()).or_insert_with(|| Item::Table(Table::new()));
    merge(new.as_table_mut().expect("a table"), &old, usize::MAX);
}

/// Those defaults that matter here: runc, which containerd 1 has as long as nobody names another one, and the transfer service.
fn with_defaults(mut document: DocumentMut, version: Version) -> DocumentMut {
    document["version"] = value(version.reads().number());
    let runtimes = FakeMachine::runtimes(&document);
    let has_runc = runtimes.iter().any(|(handler, _)| handler == "runc");
    if runtimes.is_empty() || version.merges() && !has_runc {
        let plugin = &mut document["plugins"][version.reads().runtimes()];
        let runc = &mut plugin["containerd"]["runtimes"]["runc"];
        runc["runtime_type"] = value("io.containerd.runc.v2");
        runc["sandbox_mode"] = value("podsandbox");
    }
    let pull = &document["plugins"].get(IMAGES).and_then(|images| images.get("use_local_image_pull"));
    if version.transfers() && pull.is_none() {
        document["plugins"][IMAGES]["use_local_image_pull"] = value(false);
    }
    document
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
        self.effective(config).map(|document| document.to_string())
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
        self.render()?;
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
        let runtimes = Self::runtimes(&self.current()?);
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
