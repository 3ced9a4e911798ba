//! Runs cases as containers: a private containerd, a shim, and containerd's task service.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use shimmer_engine::Info;
use shimmer_node::{Access, Container, ContainerSpec, Error, ErrorKind, Image, Node, Output, Task};
use tempfile::TempDir;

use crate::case::{Case, Level, Seen};
use crate::images::{self, Form};
use crate::scenario::Scenario;

/// How long a container may take before its case has failed; generous, since nothing is measured by it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// What libcontainer 0.6 says when a container's init is ready before its parent has reported that it exists.
const CREATE_RACE: &str = "received unexpected message: InitReady";
/// How often a container is tried that fails by that chance.
const ATTEMPTS: usize = 4;

/// One trial for each case and scenario.
pub(crate) fn trials(binary: &str, info: &Info) -> (Vec<Trial>, Arc<LazyShim>) {
    let shim = Arc::new(LazyShim { binary: binary.into(), info: info.clone(), shim: OnceLock::new() });
    let cases = crate::all().into_iter().filter(|case| case.levels.contains(&Level::Task));
    let cases = cases.map(|case| {
        let shim = shim.clone();
        Trial::test(case.id, move || shim.started()?.check(&case))
    });
    let scenarios = crate::scenarios().into_iter().map(|scenario| {
        let shim = shim.clone();
        Trial::test(scenario.id, move || shim.started()?.play(&scenario))
    });
    (cases.chain(scenarios).collect(), shim)
}

/// A shim whose containerd is started by the first trial that needs it, so that listing trials starts nothing.
#[derive(Debug)]
pub(crate) struct LazyShim {
    binary: PathBuf,
    info: Info,
    shim: OnceLock<Result<Shim, String>>,
}

impl LazyShim {
    fn started(&self) -> Result<&Shim, Failed> {
        let shim = self.shim.get_or_init(|| Shim::start(&self.binary, &self.info));
        shim.as_ref().map_err(|error| format!("the private containerd did not start: {error}").into())
    }

    /// Stops containerd and says what it left behind.
    pub(crate) fn stop(self) -> Result<(), String> {
        match self.shim.into_inner() {
            Some(Ok(shim)) => shim.node.stop().map_err(text),
            _ => Ok(()),
        }
    }
}

/// A shim under a private containerd.
#[derive(Debug)]
pub struct Shim {
    pub(crate) node: Node,
    pub(crate) info: Info,
    pub(crate) runtime: String,
    images: Mutex<BTreeMap<String, Image>>,
    /// Holds the one shim that containerd finds.
    _folder: TempDir,
}

impl Shim {
    /// Starts a private containerd that finds `binary` and no other shim of ours.
    ///
    /// # Errors
    ///
    /// Those of [`Node`], and where `binary` is not called `containerd-shim-<name>-v1`.
    pub fn start(binary: &Path, info: &Info) -> Result<Self, String> {
        let folder = TempDir::new().map_err(text)?;
        let file = binary.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let name = file.strip_prefix("containerd-shim-").and_then(|rest| rest.strip_suffix("-v1"));
        let name = name.ok_or_else(|| format!("{file} is not called like a shim"))?;
        let binary = fs::canonicalize(binary).map_err(text)?;
        symlink(binary, folder.path().join(file)).map_err(text)?;
        let node = Node::builder().shims(folder.path()).memory().start().map_err(text)?;
        let runtime = format!("io.containerd.{name}.v1");
        Ok(Self { node, info: info.clone(), runtime, images: Mutex::default(), _folder: folder })
    }

    fn check(&self, case: &Case) -> Result<(), Failed> {
        case.judge(&self.info, self.observe(case)).map_err(|error| self.with_log(&error).into())
    }

    fn play(&self, scenario: &Scenario) -> Result<(), Failed> {
        let refused = !(scenario.needs)(&self.info.capabilities);
        let played = if refused { scenario.refused(self) } else { (scenario.play)(self) };
        played.map_err(|error| self.with_log(&error).into())
    }

    /// Runs a case's program as an artifact and tells what came of it.
    fn observe(&self, case: &Case) -> Result<Seen, String> {
        let data = case.data().map_err(text)?;
        let image = self.image(Form::Artifact, case.name, &case.program)?;
        let access = if case.read_only { Access::Read } else { Access::Write };
        let mut spec = self
            .container(case.id, &image)
            .args(case.command())
            .cwd(case.cwd)
            .stdin(case.stdin)
            .mount(data.path(), "/data", access);
        if case.network {
            spec = spec.host_network();
        }
        for (name, value) in &case.env {
            spec = spec.env(name, value);
        }
        match case.signal {
            None => seen(self.run(spec)),
            Some(signal) => seen(self.signalled(spec, signal)),
        }
    }

    /// A container's specification, named after a case.
    pub(crate) fn container(&self, id: &str, image: &Image) -> ContainerSpec {
        ContainerSpec::new(id.replace('/', "-"), image, &self.runtime).timeout(PATIENCE)
    }

    /// The image of a program, imported once.
    pub(crate) fn image(&self, form: Form, name: &str, program: &[u8]) -> Result<Image, String> {
        let mut images = self.images.lock().unwrap_or_else(PoisonError::into_inner);
        let reference = images::reference(form, name, program);
        if let Some(image) = images.get(&reference) {
            return Ok(image.clone());
        }
        let folder = TempDir::new().map_err(text)?;
        let archive = folder.path().join("image.tar");
        images::write(form, &reference, name, program, &archive).map_err(text)?;
        let image = self.node.import(&archive).map_err(text)?.into_iter().next();
        let image = image.ok_or("the archive had no image")?;
        images.insert(reference, image.clone());
        Ok(image)
    }

    /// Runs a container to its end and removes it.
    pub(crate) fn run(&self, spec: ContainerSpec) -> Result<Output, Error> {
        let (container, mut task) = self.create(spec)?;
        task.start()?;
        let output = end(task)?;
        container.delete()?;
        Ok(output)
    }

    /// A container whose task is created; it is tried again where the host is known to fail by chance.
    pub(crate) fn create(&self, spec: ContainerSpec) -> Result<(Container, Task), Error> {
        let mut attempts = ATTEMPTS;
        loop {
            attempts -= 1;
            let container = self.node.container(spec.clone())?;
            match container.create() {
                Ok(task) => return Ok((container, task)),
                Err(error) if attempts > 0 && error.to_string().contains(CREATE_RACE) => {
                    container.delete()?
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn signalled(&self, spec: ContainerSpec, signal: u32) -> Result<Output, Error> {
        let (container, mut task) = self.create(spec)?;
        task.start()?;
        task.wait_for("ready\n", PATIENCE)?;
        task.kill(signal)?;
        let output = end(task)?;
        container.delete()?;
        Ok(output)
    }

    /// Adds the end of containerd's log, which holds the shim's.
    fn with_log(&self, error: &str) -> String {
        const LINES: usize = 12;
        let log = self.node.log().unwrap_or_else(|error| error.to_string());
        let lines: Vec<&str> = log.lines().collect();
        format!(
            "{error}\ncontainerd's log ends with\n{}",
            lines[lines.len().saturating_sub(LINES)..].join("\n")
        )
    }
}

/// Waits for a task's end and deletes it.
pub(crate) fn end(mut task: Task) -> Result<Output, Error> {
    task.wait(PATIENCE)?;
    task.delete()
}

/// An error as the text of a failed case.
pub(crate) fn text(error: impl ToString) -> String {
    error.to_string()
}

/// A refusal by the shim is something to be seen; any other failure is the test's own.
pub(crate) fn seen(output: Result<Output, Error>) -> Result<Seen, String> {
    match output {
        Ok(output) => Ok(Seen::Ended { code: output.code, stdout: output.stdout, stderr: output.stderr }),
        Err(error) if matches!(error.kind(), ErrorKind::Containerd { .. }) => {
            Ok(Seen::Refused { sentence: error.to_string() })
        }
        Err(error) => Err(error.to_string()),
    }
}
