//! One container of a case, whichever way it was made.

mod docker;
mod specification;

use std::fs;
use std::time::Duration;

use shimmer_node::cri::{CriContainerSpec, Pod, PodContainer, PodSpec};
use shimmer_node::docker::{DockerContainer, DockerSpec};
use shimmer_node::{Container, ContainerSpec, ErrorKind, Output, Task};
use tempfile::TempDir;

pub(crate) use self::docker::described as described_to_docker;
pub(crate) use self::specification::described;
use self::specification::{access, cri_spec};
use crate::expected::{Ended, Entry, Seen};
use crate::failure::{Failure, Result};
use crate::level::Level;
use crate::setup::{Setup, TOLD};
use crate::shim::Shim;
use crate::stage::Stage;

/// A container that was created. Dropped, it is deleted.
#[derive(Debug)]
pub(crate) struct Running<'a> {
    stage: &'a Stage<'a>,
    pub(crate) kind: Kind,
    /// What the guest sees as `/data`.
    pub(crate) data: TempDir,
}

/// Who made it.
#[derive(Debug)]
pub(crate) enum Kind {
    /// Its task is dropped first: without the container's record containerd knows no task.
    Task {
        task: Box<Task>,
        container: Box<Container>,
    },
    Cri {
        container: Box<PodContainer>,
        pod: Box<Pod>,
        spec: Box<CriContainerSpec>,
    },
    Docker {
        container: Box<DockerContainer>,
        /// The name of its image.
        image: String,
    },
}

/// Why there is no container.
#[derive(Debug)]
pub(crate) enum Error {
    /// The shim would not make it, which may be what a case wants to see.
    Refused(Seen),
    /// Something else, which is a failure of the run.
    Other(Failure),
}

/// What a process in a running container did.
#[derive(Clone, Debug)]
pub(crate) struct Execution {
    pub(crate) code: u32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

/// What libcontainer 0.6 says when a container's init is ready before its parent has reported that it exists.
const CREATE_RACE: &str = "received unexpected message: InitReady";
/// What libcgroups 0.6 says when a container's last process has ended and is still in the cgroup.
const DELETE_RACE: &str = "could not delete";
/// What runc says when a container's processes were not all frozen in time, with cgroup v1.
const FREEZE_RACE: &str = "unable to freeze";
/// How often a container is tried that fails by such a chance.
const ATTEMPTS: usize = 4;
/// How long a container may take to end by itself when CRI stops it.
const GRACE: Duration = Duration::from_secs(30);
const SIGTERM: u32 = 15;

impl<'a> Running<'a> {
    pub(crate) fn create(stage: &'a Stage<'a>, setup: &Setup) -> std::result::Result<Self, Error> {
        let data = TempDir::new()?;
        setup.write_files(data.path())?;
        let kind = match stage.level {
            Level::Cri => Kind::cri(stage, setup, &data)?,
            Level::Docker => Kind::docker(stage, setup, &data)?,
            _ => Kind::task(stage, setup, &data)?,
        };
        Ok(Self { stage, kind, data })
    }

    /// A task whose container was described in the words of containerd's task service.
    pub(crate) fn of_spec(stage: &'a Stage<'a>, spec: &ContainerSpec) -> std::result::Result<Self, Error> {
        Ok(Self { stage, kind: Kind::of_spec(stage, spec)?, data: TempDir::new()? })
    }

    /// A container that was described in the words of Docker.
    pub(crate) fn of_docker_spec(
        stage: &'a Stage<'a>,
        spec: &DockerSpec,
    ) -> std::result::Result<Self, Error> {
        Ok(Self { stage, kind: Kind::of_docker(stage, spec)?, data: TempDir::new()? })
    }

    /// Starts the guest.
    pub(crate) fn start(&mut self) -> Result {
        match self.try_start() {
            Ok(()) => Ok(()),
            Err(Error::Refused(seen)) => Err(Failure(format!("it did not start: {}", seen.describe()))),
            Err(Error::Other(failure)) => Err(failure),
        }
    }

    /// Starts the guest, or tells how the shim refused. Only with CRI and Docker may that be the refusal to create it:
    /// there the container is a record until it is started.
    pub(crate) fn try_start(&mut self) -> std::result::Result<(), Error> {
        let shim = self.stage.shim;
        match &mut self.kind {
            Kind::Task { task, .. } => Ok(task.start()?),
            Kind::Cri { container, pod, spec } => start(shim, container, pod, spec).map_err(refused),
            Kind::Docker { container, image } => docker::start(shim, image, container).map_err(refused),
        }
    }

    /// One more container in the same pod, started.
    pub(crate) fn beside(&mut self, name: &str, setup: &Setup) -> Result<PodContainer> {
        let spec = cri_spec(CriContainerSpec::new(name, &self.stage.image(setup)?), setup);
        let shim = self.stage.shim;
        let (_, pod) = self.in_pod()?;
        let mut container = pod.container(spec.clone())?;
        start(shim, &mut container, pod, &spec)?;
        Ok(container)
    }

    /// Tells a native [`eater`](crate::setup::eater) that it has been started.
    pub(crate) fn tell_eater(&self) -> Result {
        Ok(fs::write(self.data.path().join(TOLD), "")?)
    }

    /// Waits until the guest has written `text`.
    pub(crate) fn wait_for(&self, text: &str) -> Result {
        match &self.kind {
            Kind::Task { task, .. } => Ok(task.wait_for(text, self.stage.shim.patience)?),
            Kind::Cri { container, .. } => Ok(container.wait_for(text, self.stage.shim.patience)?),
            Kind::Docker { container, .. } => Ok(container.wait_for(text, self.stage.shim.patience)?),
        }
    }

    /// Sends a signal. CRI knows one: it asks a container to stop by SIGTERM.
    pub(crate) fn kill(&self, signal: u32) -> Result {
        match &self.kind {
            Kind::Task { task, .. } => Ok(task.kill(signal)?),
            Kind::Cri { container, .. } if signal == SIGTERM => Ok(container.stop(GRACE)?),
            Kind::Cri { .. } => Err(Failure(format!("CRI has no call that sends signal {signal}"))),
            Kind::Docker { container, .. } => Ok(container.kill(signal)?),
        }
    }

    /// Runs a program in the container and waits for its end.
    pub(crate) fn exec<const N: usize>(&self, command: [&str; N]) -> Result<Execution> {
        match &self.kind {
            Kind::Task { task, .. } => {
                let mut exec = task.exec(self.stage.next_name(), shimmer_node::ExecSpec::new(command))?;
                exec.start()?;
                exec.wait(self.stage.shim.patience)?;
                let output = exec.delete()?;
                Ok(Execution { code: output.code, stdout: output.stdout, stderr: output.stderr })
            }
            Kind::Cri { container, .. } => {
                let ended = container.exec(command, self.stage.shim.patience)?;
                Ok(Execution { code: ended.code, stdout: ended.stdout, stderr: ended.stderr })
            }
            Kind::Docker { container, .. } => docker::exec(self.stage.shim, container, command),
        }
    }

    /// Waits for its end and deletes it; what it did is noted.
    pub(crate) fn end(self) -> Result<Ended> {
        let stage = self.stage;
        let ended = self.end_unnoted()?;
        stage.note_seen(&Seen::Ended(ended.clone()));
        Ok(ended)
    }

    /// As [`end`](Self::end), for what differs from run to run.
    pub(crate) fn end_unnoted(self) -> Result<Ended> {
        self.end_with_data().map(|(ended, _)| ended)
    }

    /// As [`end_unnoted`](Self::end_unnoted), with what the guest saw as `/data`.
    pub(crate) fn end_with_data(self) -> Result<(Ended, TempDir)> {
        let ended = match self.kind {
            Kind::Task { container, mut task } => {
                task.wait(self.stage.shim.patience)?;
                let output = delete(&mut task)?;
                container.delete()?;
                Ended {
                    code: output.code,
                    reason: None,
                    stdout: output.stdout,
                    stderr: output.stderr,
                    left: Entry::all(self.data.path())?,
                }
            }
            Kind::Cri { container, pod, .. } => {
                let ended = container.wait(self.stage.shim.patience)?;
                let log = container.log()?;
                container.delete()?;
                pod.delete()?;
                Ended {
                    code: ended.code,
                    reason: Some(ended.reason),
                    stdout: log.stdout,
                    stderr: log.stderr,
                    left: Entry::all(self.data.path())?,
                }
            }
            Kind::Docker { container, .. } => docker::end(self.stage.shim, *container, &self.data)?,
        };
        Ok((ended, self.data))
    }

    /// The id by which containerd knows it.
    pub(crate) fn id(&self) -> &str {
        match &self.kind {
            Kind::Task { container, .. } => container.id(),
            Kind::Cri { container, .. } => container.id(),
            Kind::Docker { container, .. } => container.id(),
        }
    }

    /// The container's first process, as this machine counts processes.
    pub(crate) fn process(&self) -> Result<u32> {
        let node = &self.stage.shim.node;
        let pid = match &self.kind {
            Kind::Task { task, .. } => task.pid(),
            Kind::Cri { container, .. } => {
                let task = node.tasks()?.into_iter().find(|task| task.id == container.id());
                task.ok_or_else(|| format!("containerd lists no task {}", self.id()))?.pid
            }
            Kind::Docker { container, .. } => docker::pid(container)?,
        };
        let processes = match node.processes() {
            // A containerd that is not ours counts processes as this machine does.
            Err(error) if *error.kind() == ErrorKind::NotPrivate => return Ok(pid),
            processes => processes?,
        };
        let process = processes.into_iter().find(|process| process.node_pid == pid);
        Ok(process.ok_or_else(|| format!("no process has the id {pid} of the task {}", self.id()))?.pid)
    }

    /// The task, in a case that is played with containerd's task service.
    pub(crate) fn task(&mut self) -> Result<&mut Task> {
        match &mut self.kind {
            Kind::Task { task, .. } => Ok(task),
            _ => Err(Failure("the case is for containerd's task service".into())),
        }
    }

    /// The container of a pod, in a case that is played with CRI.
    pub(crate) fn in_pod(&mut self) -> Result<(&mut PodContainer, &Pod)> {
        match &mut self.kind {
            Kind::Cri { container, pod, .. } => Ok((container, pod)),
            _ => Err(Failure("the case is for CRI".into())),
        }
    }

    /// The container, in a case that is played with Docker.
    pub(crate) fn in_docker(&mut self) -> Result<&mut DockerContainer> {
        match &mut self.kind {
            Kind::Docker { container, .. } => Ok(container),
            _ => Err(Failure("the case is for Docker".into())),
        }
    }
}

impl Kind {
    fn task(stage: &Stage<'_>, setup: &Setup, data: &TempDir) -> std::result::Result<Self, Error> {
        let mut spec = stage.spec(setup)?.mount(data.path(), "/data", access(setup));
        for (file, target) in &setup.mounts {
            spec = spec.mount(&data.path().join(file), target, access(setup));
        }
        Self::of_spec(stage, &spec)
    }

    /// A task; it is tried again where the host is known to fail by chance.
    fn of_spec(stage: &Stage<'_>, spec: &ContainerSpec) -> std::result::Result<Self, Error> {
        let _turn = stage.shim.turn(spec.image());
        let created = again(|| {
            let container = stage.shim.node.container(spec.clone())?;
            let task = container.create()?;
            Ok(Self::Task { task: Box::new(task), container: Box::new(container) })
        });
        created.map_err(refused)
    }

    fn cri(stage: &Stage<'_>, setup: &Setup, data: &TempDir) -> std::result::Result<Self, Error> {
        let image = stage.image(setup)?;
        let mut spec = PodSpec::new(stage.next_name(), &stage.shim.name);
        if setup.network {
            spec = spec.host_network();
        }
        let pod = stage.shim.node.cri()?.pod(spec)?;
        let spec = CriContainerSpec::new("guest", &image).mount(data.path(), "/data", access(setup));
        let mut spec = cri_spec(spec, setup);
        for (file, target) in &setup.mounts {
            spec = spec.mount(&data.path().join(file), target, access(setup));
        }
        let container = pod.container(spec.clone()).map_err(refused)?;
        Ok(Self::Cri { container: Box::new(container), pod: Box::new(pod), spec: Box::new(spec) })
    }
}

/// Creates again what the host is known to fail by chance. A failed attempt must leave nothing.
pub(crate) fn again<T>(
    create: impl FnMut() -> std::result::Result<T, shimmer_node::Error>,
) -> std::result::Result<T, shimmer_node::Error> {
    unless_by_chance(CREATE_RACE, create)
}

/// Freezes a container's processes; it is tried again where the host is known to fail by chance.
pub(crate) fn paused(
    pause: impl FnMut() -> std::result::Result<(), shimmer_node::Error>,
) -> std::result::Result<(), shimmer_node::Error> {
    unless_by_chance(FREEZE_RACE, pause)
}

/// Tries again what fails with the words of a known chance.
fn unless_by_chance<T>(
    chance: &str,
    mut attempt: impl FnMut() -> std::result::Result<T, shimmer_node::Error>,
) -> std::result::Result<T, shimmer_node::Error> {
    for _ in 1..ATTEMPTS {
        match attempt() {
            Err(error) if error.to_string().contains(chance) => {}
            answer => return answer,
        }
    }
    attempt()
}

/// Starts a container in a pod; it is made and tried again where the host is known to fail by chance.
fn start(
    shim: &Shim,
    container: &mut PodContainer,
    pod: &Pod,
    spec: &CriContainerSpec,
) -> std::result::Result<(), shimmer_node::Error> {
    let _turn = shim.turn(spec.image());
    for _ in 1..ATTEMPTS {
        match container.start() {
            Err(error) if error.to_string().contains(CREATE_RACE) => {
                container.delete()?;
                *container = pod.container(spec.clone())?;
            }
            answer => return answer,
        }
    }
    container.start()
}

/// Deletes a task that has ended; it is tried again where the host is known to fail by chance.
pub(crate) fn delete(task: &mut Task) -> std::result::Result<Output, shimmer_node::Error> {
    unless_by_chance(DELETE_RACE, || task.try_delete())
}

/// A refusal by containerd, Docker or the shim is something to be seen; any other failure is the run's own.
fn refused(error: shimmer_node::Error) -> Error {
    let code = match error.kind() {
        ErrorKind::Containerd { code, .. } => format!("{code:?}"),
        ErrorKind::Docker { status, .. } => status.to_string(),
        _ => return Error::Other(error.into()),
    };
    Error::Refused(Seen::Refused { code: Some(code), sentence: error.to_string() })
}

impl<E: Into<Failure>> From<E> for Error {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}
