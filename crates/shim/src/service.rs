//! containerd's task service, call by call.

use std::future::ready;
use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use containerd_shim_protos::api::{
    CheckpointTaskRequest, CloseIORequest, ConnectRequest, ConnectResponse, CreateTaskRequest,
    CreateTaskResponse, DeleteRequest, DeleteResponse, Empty, ExecProcessRequest, KillRequest, PauseRequest,
    PidsRequest, PidsResponse, ProcessInfo, ResizePtyRequest, ResumeRequest, ShutdownRequest, StartRequest,
    StartResponse, StateRequest, StateResponse, StatsRequest, StatsResponse, Status, UpdateTaskRequest,
    WaitRequest, WaitResponse,
};
use containerd_shim_protos::protobuf::MessageField;
use containerd_shim_protos::protobuf::well_known_types::any::Any;
use containerd_shim_protos::shim_async::Task;
use containerd_shim_protos::ttrpc;
use containerd_shim_protos::ttrpc::asynchronous::TtrpcContext;
use shimmer_container::EndedBy;
use shimmer_container::wire::Command;
use tracing::{Instrument, error, info_span};

use crate::bundle::Definition;
use crate::container::Container;
use crate::error::{Error, Kind, Result};
use crate::events::timestamp;
use crate::lifecycle::{Stage, Wish};
use crate::mounts;
use crate::options::Options;
use crate::pod::{self, Pod};
use crate::process::Process;
use crate::stdio::Paths;

/// The task service of one pod.
#[derive(Clone, Debug)]
pub(crate) struct Service(pub(crate) Arc<Pod>);

impl Service {
    async fn make(&self, request: CreateTaskRequest) -> Result<CreateTaskResponse> {
        if !request.checkpoint.is_empty() {
            return Err(no_checkpoints());
        }
        let options = Options::of(request.options.as_ref())?;
        let bundle = std::path::PathBuf::from(&request.bundle);
        let definition = Definition::read(&bundle)?;
        let root = mounts::target(&bundle)?;
        let paths = Paths {
            stdin: request.stdin,
            stdout: request.stdout,
            stderr: request.stderr,
            terminal: request.terminal,
        };
        if self.0.container(&request.id).is_ok() {
            return Err(Error::new(
                Kind::AlreadyExists,
                format!("there is a container {} already", request.id),
            ));
        }
        mounts::mount_all(&request.rootfs, &root)?;
        let is_native = definition.is_native(&root);
        let layers = mounts::layers(&request.rootfs);
        let container = Container::new(&request.id, bundle, is_native, definition.user(), layers, paths);
        let made = match self.0.add(&container) {
            Ok(()) => self.0.create(&container, options.systemd_cgroup).await,
            Err(error) => Err(error),
        };
        if let Err(error) = made {
            self.0.forget(&request.id);
            mounts::unmount_all(&root)?;
            return Err(error);
        }
        let pid = container.init.pid();
        self.0.events.created(&request.id, &request.bundle, &container.init.paths, pid);
        Ok(CreateTaskResponse { pid, ..CreateTaskResponse::default() })
    }

    async fn run(&self, request: StartRequest) -> Result<StartResponse> {
        let container = self.0.container(&request.id)?;
        let process = container.process(&request.exec_id)?;
        if process.exec.is_empty() {
            if process.stage() == Stage::Known {
                return Err(Error::new(Kind::State, "the container is being created"));
            }
            process.advance(Some(Wish::Start), Stage::Starting)?;
            process.leash()?.ask(&Command::Start).await?;
        } else {
            container.init.permits(Wish::Exec)?;
            process.advance(Some(Wish::Start), Stage::Starting)?;
            if let Err(error) = self.0.exec(&container, &process).await {
                process.finish(EndedBy::now(REFUSED));
                return Err(error);
            }
        }
        Ok(StartResponse { pid: process.pid(), ..StartResponse::default() })
    }

    async fn remove(&self, request: DeleteRequest) -> Result<DeleteResponse> {
        let process = self.0.container(&request.id)?.process(&request.exec_id)?;
        let _turn = process.deletion.lock().await;
        // Who came first may have deleted it.
        let container = self.0.container(&request.id)?;
        let process = container.process(&request.exec_id)?;
        process.permits(Wish::Delete)?;
        if process.exec.is_empty() {
            process.leash()?.ask(&Command::Delete).await?;
            mounts::unmount_all(&container.bundle.join("rootfs"))?;
            self.0.forget(&request.id);
        } else {
            container.forget(&process.exec);
            let file = pod::exec_file(&container.bundle, &process.exec);
            for path in [file.with_extension("exit.json"), file] {
                // The bundle is removed as a whole when its container is.
                let _ = std::fs::remove_file(path);
            }
        }
        let end = process.end().unwrap_or_else(|| EndedBy::now(shimmer_container::KILLED));
        process.finish(end);
        let pid = process.pid();
        self.0.events.deleted(&request.id, &request.exec_id, pid, end);
        let exited_at = MessageField::some(timestamp(end));
        Ok(DeleteResponse { pid, exit_status: end.status, exited_at, ..DeleteResponse::default() })
    }

    async fn signal(&self, request: KillRequest) -> Result<()> {
        let container = self.0.container(&request.id)?;
        let process = container.process(&request.exec_id)?;
        if request.all && process.exec.is_empty() {
            process.permits(Wish::Kill)?;
            if request.signal == libc::SIGKILL.unsigned_abs() {
                return Ok(container.cgroup()?.kill().await?);
            }
            for pid in container.cgroup()?.processes()? {
                // SAFETY: kill(2) takes integers. One that has ended since it was listed is no harm.
                unsafe { libc::kill(pid.cast_signed(), request.signal.cast_signed()) };
            }
            return Ok(());
        }
        let paused = container.init.stage() == Stage::Paused;
        process.signal(request.signal)?;
        // The kernel keeps what is frozen alive, on its older interface to cgroups.
        if paused && request.signal == libc::SIGKILL.unsigned_abs() {
            container.cgroup()?.thaw().await?;
        }
        Ok(())
    }

    fn add_exec(&self, request: ExecProcessRequest) -> Result<()> {
        let container = self.0.container(&request.id)?;
        container.init.permits(Wish::Exec)?;
        let definition = request.spec.into_option().map(|spec| spec.value).unwrap_or_default();
        let definition = String::from_utf8(definition).map_err(|error| {
            Error::new(
                Kind::Invalid,
                format!("the definition of the exec {} is no JSON: {error}", request.exec_id),
            )
        })?;
        let paths = Paths {
            stdin: request.stdin,
            stdout: request.stdout,
            stderr: request.stderr,
            terminal: request.terminal,
        };
        container.add(Process::new(&request.exec_id, paths), definition)?;
        self.0.events.exec_added(&request.id, &request.exec_id);
        Ok(())
    }

    fn list(&self, id: &str) -> Result<PidsResponse> {
        let container = self.0.container(id)?;
        let execs = container.running_execs();
        // A container that has ended has no processes; containerd asks all of them when it starts again.
        let pids = match container.init.permits(Wish::ListProcesses) {
            Ok(()) => container.cgroup()?.processes()?,
            Err(_) => Vec::new(),
        };
        let processes = pids.into_iter().map(|pid| {
            let info = execs.get(&pid).map(|exec| details(exec));
            ProcessInfo { pid, info: info.into(), ..ProcessInfo::default() }
        });
        Ok(PidsResponse { processes: processes.collect(), ..PidsResponse::default() })
    }

    async fn freeze(&self, id: &str) -> Result<()> {
        let container = self.0.container(id)?;
        container.init.permits(Wish::Pause)?;
        container.cgroup()?.freeze().await?;
        container.init.advance(Some(Wish::Pause), Stage::Paused)?;
        self.0.events.paused(id);
        Ok(())
    }

    async fn thaw(&self, id: &str) -> Result<()> {
        let container = self.0.container(id)?;
        container.init.permits(Wish::Resume)?;
        container.cgroup()?.thaw().await?;
        container.init.advance(Some(Wish::Resume), Stage::Running)?;
        self.0.events.resumed(id);
        Ok(())
    }

    async fn limit(&self, request: UpdateTaskRequest) -> Result<()> {
        let container = self.0.container(&request.id)?;
        container.init.permits(Wish::Update)?;
        let resources = request.resources.into_option().map(|resources| resources.value).unwrap_or_default();
        let resources = String::from_utf8(resources)
            .map_err(|error| Error::new(Kind::Invalid, format!("the new limits are no JSON: {error}")))?;
        container.init.leash()?.ask(&Command::Update(resources)).await.map(drop)
    }

    fn measure(&self, id: &str) -> Result<StatsResponse> {
        let container = self.0.container(id)?;
        container.init.permits(Wish::Measure)?;
        let metrics = container.cgroup()?.metrics()?;
        let any = Any { type_url: metrics.type_url.to_owned(), value: metrics.value, ..Any::default() };
        Ok(StatsResponse { stats: MessageField::some(any), ..StatsResponse::default() })
    }

    fn describe(&self, request: &StateRequest) -> Result<StateResponse> {
        let container = self.0.container(&request.id)?;
        let process = container.process(&request.exec_id)?;
        let status = match process.stage() {
            Stage::Known | Stage::Created | Stage::Starting => Status::CREATED,
            Stage::Running if container.init.stage() == Stage::Paused => Status::PAUSED,
            Stage::Running => Status::RUNNING,
            Stage::Paused => Status::PAUSED,
            Stage::Stopped => Status::STOPPED,
        };
        let end = process.end();
        let Paths { stdin, stdout, stderr, terminal } = process.paths.clone();
        Ok(StateResponse {
            id: request.id.clone(),
            bundle: container.bundle.display().to_string(),
            pid: process.pid(),
            status: status.into(),
            stdin,
            stdout,
            stderr,
            terminal,
            exit_status: end.map_or(0, |end| end.status),
            exited_at: end.map(timestamp).into(),
            exec_id: request.exec_id.clone(),
            ..StateResponse::default()
        })
    }
}

/// The status of an exec whose program could not be run.
const REFUSED: u32 = 255;

fn no_checkpoints() -> Error {
    Error::new(
        Kind::Unimplemented,
        "a container cannot be saved and restored here: engines keep no such state",
    )
}

/// Names an exec in a list of processes: containerd.v1.types `ProcessDetails`, whose field 1 it is.
fn details(exec: &str) -> Any {
    let length = u8::try_from(exec.len().min(127)).unwrap_or(127);
    let value = [&[0x0a, length], &exec.as_bytes()[..length.into()]].concat();
    Any { type_url: "containerd.v1.types.ProcessDetails".to_owned(), value, ..Any::default() }
}

#[async_trait]
impl Task for Service {
    async fn state(&self, _: &TtrpcContext, request: StateRequest) -> ttrpc::Result<StateResponse> {
        Ok(self.describe(&request)?)
    }

    async fn create(
        &self,
        _: &TtrpcContext,
        request: CreateTaskRequest,
    ) -> ttrpc::Result<CreateTaskResponse> {
        let span = info_span!("create", container = request.id);
        let made = self.make(request).instrument(span.clone()).await;
        refusal(&span, "create", made)
    }

    async fn start(&self, _: &TtrpcContext, request: StartRequest) -> ttrpc::Result<StartResponse> {
        let span = info_span!("start", container = request.id, exec = named(&request.exec_id));
        let started = self.run(request).instrument(span.clone()).await;
        refusal(&span, "start", started)
    }

    async fn delete(&self, _: &TtrpcContext, request: DeleteRequest) -> ttrpc::Result<DeleteResponse> {
        let span = info_span!("delete", container = request.id, exec = named(&request.exec_id));
        // A caller that gives up takes its call along, but what has been deleted has to be forgotten all the same.
        let service = self.clone();
        let removal = tokio::spawn(async move { service.remove(request).await }.instrument(span.clone()));
        let deleted = removal.await.unwrap_or_else(|error| {
            Err(Error::new(Kind::Internal, format!("the deletion did not end: {error}; please report it")))
        });
        refusal(&span, "delete", deleted)
    }

    async fn pids(&self, _: &TtrpcContext, request: PidsRequest) -> ttrpc::Result<PidsResponse> {
        Ok(self.list(&request.id)?)
    }

    async fn pause(&self, _: &TtrpcContext, request: PauseRequest) -> ttrpc::Result<Empty> {
        self.freeze(&request.id).await?;
        Ok(Empty::new())
    }

    async fn resume(&self, _: &TtrpcContext, request: ResumeRequest) -> ttrpc::Result<Empty> {
        self.thaw(&request.id).await?;
        Ok(Empty::new())
    }

    async fn checkpoint(&self, _: &TtrpcContext, _: CheckpointTaskRequest) -> ttrpc::Result<Empty> {
        ready(Err(no_checkpoints().into())).await
    }

    async fn kill(&self, _: &TtrpcContext, request: KillRequest) -> ttrpc::Result<Empty> {
        self.signal(request).await?;
        Ok(Empty::new())
    }

    async fn exec(&self, _: &TtrpcContext, request: ExecProcessRequest) -> ttrpc::Result<Empty> {
        self.add_exec(request)?;
        Ok(Empty::new())
    }

    async fn resize_pty(&self, _: &TtrpcContext, request: ResizePtyRequest) -> ttrpc::Result<Empty> {
        let process = self.0.container(&request.id)?.process(&request.exec_id)?;
        process.permits(Wish::Resize)?;
        let io = process.io.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(terminal) = io.as_ref().and_then(|io| io.terminal.as_ref()) {
            terminal.resize(request.height, request.width).map_err(Error::from)?;
        }
        Ok(Empty::new())
    }

    async fn close_io(&self, _: &TtrpcContext, request: CloseIORequest) -> ttrpc::Result<Empty> {
        let process = self.0.container(&request.id)?.process(&request.exec_id)?;
        process.permits(Wish::CloseIo)?;
        let mut io = process.io.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(io) = io.as_mut().filter(|_| request.stdin) {
            io.close_input();
        }
        Ok(Empty::new())
    }

    async fn update(&self, _: &TtrpcContext, request: UpdateTaskRequest) -> ttrpc::Result<Empty> {
        self.limit(request).await?;
        Ok(Empty::new())
    }

    async fn wait(&self, _: &TtrpcContext, request: WaitRequest) -> ttrpc::Result<WaitResponse> {
        let process = self.0.container(&request.id)?.process(&request.exec_id)?;
        let end = process.ended().await;
        let exited_at = MessageField::some(timestamp(end));
        Ok(WaitResponse { exit_status: end.status, exited_at, ..WaitResponse::default() })
    }

    async fn stats(&self, _: &TtrpcContext, request: StatsRequest) -> ttrpc::Result<StatsResponse> {
        Ok(self.measure(&request.id)?)
    }

    async fn connect(&self, _: &TtrpcContext, request: ConnectRequest) -> ttrpc::Result<ConnectResponse> {
        let task_pid = self.0.container(&request.id).map_or(0, |container| container.init.pid());
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let shim_pid = std::process::id();
        Ok(ConnectResponse { shim_pid, task_pid, version, ..ConnectResponse::default() })
    }

    async fn shutdown(&self, _: &TtrpcContext, request: ShutdownRequest) -> ttrpc::Result<Empty> {
        // As with runc's shim, the last container of a pod ends it.
        if request.now || self.0.is_empty() {
            self.0.done.send_replace(true);
        }
        Ok(Empty::new())
    }
}

/// An exec's id, where it is one's.
fn named(exec: &str) -> Option<&str> {
    (!exec.is_empty()).then_some(exec)
}

/// Logs what is refused, since who asked may show it to nobody.
fn refusal<T>(span: &tracing::Span, call: &str, outcome: Result<T>) -> ttrpc::Result<T> {
    outcome.map_err(|error| {
        span.in_scope(|| error!("{call} is refused: {error}"));
        error.into()
    })
}
