//! Tasks: a container's processes, from creation to the exit status and the output.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use containerd_client::services::v1::{
    ListPidsRequest, MetricsRequest, PauseTaskRequest, ResumeTaskRequest, UpdateTaskRequest,
};
use prost_types::Any;
use serde_json::Value;

use crate::client::{Client, request};
use crate::error::{Error, ErrorKind, Result};
use crate::exec::{Exec, ExecSpec};
use crate::handle::Handle;
use crate::metrics::Metrics;
use crate::resources::Resources;
use crate::status::{ExitStatus, Output, Phases, State};
use crate::stdio::Stdio;

/// A container's task. Dropped, it is killed and deleted.
#[derive(Debug)]
pub struct Task {
    handle: Handle,
    pid: u32,
    phases: Phases,
    /// When its start was asked for.
    started: Option<Instant>,
    status: Option<ExitStatus>,
    /// None once the task is deleted.
    stdio: Option<Stdio>,
    origin: Origin,
}

/// What a second process in a container starts from.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// The container's own process, in the words of the OCI runtime spec.
    pub(crate) process: Value,
    /// The folder of the node's streams.
    pub(crate) pipes: PathBuf,
}

impl Task {
    pub(crate) fn new(handle: Handle, pid: u32, stdio: Stdio, phases: Phases, origin: Origin) -> Self {
        stdio.close_unless_open(&handle);
        Self { handle, pid, phases, started: None, status: None, stdio: Some(stdio), origin }
    }

    /// The id of the container's first process, as the node counts processes: see
    /// [`Process`](crate::Process).
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Runs the program.
    pub fn start(&mut self) -> Result<()> {
        let begin = Instant::now();
        self.started = Some(begin);
        self.handle.start()?;
        self.phases.start = begin.elapsed();
        Ok(())
    }

    /// Waits until the program has ended.
    ///
    /// # Errors
    /// [`Timeout`](crate::ErrorKind::Timeout) where it has not within `timeout`; the task is as it was.
    pub fn wait(&mut self, timeout: Duration) -> Result<ExitStatus> {
        let begin = Instant::now();
        let status = self.handle.wait(timeout)?;
        self.phases.wait += begin.elapsed();
        self.status = Some(status);
        Ok(status)
    }

    /// Somebody else who waits for the program's end, for example in another thread.
    pub fn waiter(&self) -> Waiter {
        Waiter(self.handle.clone())
    }

    /// Waits until the program has written `text` to its stdout or stderr: the event by which to know that it
    /// runs.
    ///
    /// # Errors
    /// [`Timeout`](crate::ErrorKind::Timeout), with what was written, where it has not within `timeout`, or has ended before.
    pub fn wait_for(&self, text: &str, timeout: Duration) -> Result<()> {
        // Where containerd does not serve, which some tests bring about, nobody knows that it has ended.
        let has_ended = || self.state().is_ok_and(|state| state == State::Stopped);
        self.stdio.as_ref().map_or(Ok(()), |stdio| stdio.wait_for(text, timeout, has_ended))
    }

    /// Waits until `enough` holds of what the program has written to stdout and to stderr, or until the program has
    /// ended; gives what was written by then. Of a program that has ended, more may be on its way:
    /// [`delete`](Self::delete) gives all of it.
    ///
    /// # Errors
    /// [`Timeout`](crate::ErrorKind::Timeout), with what was written, where neither is so within `timeout`.
    pub fn read_until(
        &self,
        timeout: Duration,
        enough: impl Fn(&[u8], &[u8]) -> bool,
    ) -> Result<(Vec<u8>, Vec<u8>)> {
        let ended = || Ok(self.state()? == State::Stopped);
        self.input()?.read_until(timeout, enough, ended)
    }

    /// Gives the program more to read; returns before it has read it.
    ///
    /// # Errors
    /// [`Spec`](ErrorKind::Spec) where its input was not [left open](crate::ContainerSpec::stdin_open).
    pub fn write(&self, bytes: impl Into<Vec<u8>>) -> Result<()> {
        self.input()?.write(bytes.into(), &self.handle)
    }

    /// Ends the program's input, after all that was written.
    ///
    /// # Errors
    /// [`Spec`](ErrorKind::Spec) where its input was not [left open](crate::ContainerSpec::stdin_open), and
    /// the shim's error where it does not know the call; the program sees the end of its input also then,
    /// unless the shim holds the pipe.
    pub fn close_stdin(&self) -> Result<()> {
        self.input()?.close(&self.handle)?;
        self.handle.close_stdin()
    }

    /// Sets the size of its terminal, in characters.
    pub fn resize(&self, width: u32, height: u32) -> Result<()> {
        self.handle.resize(width, height)
    }

    /// Makes a second process in the container, without running it.
    pub fn exec(&self, id: impl Into<String>, spec: ExecSpec) -> Result<Exec> {
        Exec::new(self.handle.exec(id), spec, &self.origin)
    }

    /// Sends a signal to the container's first process.
    pub fn kill(&self, signal: u32) -> Result<()> {
        self.handle.kill(signal, false)
    }

    /// Sends a signal to all processes of the container.
    pub fn kill_all(&self, signal: u32) -> Result<()> {
        self.handle.kill(signal, true)
    }

    /// Freezes all of its processes.
    pub fn pause(&self) -> Result<()> {
        let message = PauseTaskRequest { container_id: self.handle.container.clone() };
        self.client().wait(self.doing("pause"), self.client().api().tasks().pause(request(message))).map(drop)
    }

    /// Lets frozen processes run again.
    pub fn resume(&self) -> Result<()> {
        let message = ResumeTaskRequest { container_id: self.handle.container.clone() };
        let call = async { self.client().api().tasks().resume(request(message)).await };
        self.client().wait(self.doing("resume"), call).map(drop)
    }

    /// What the task is doing, as its shim says.
    pub fn state(&self) -> Result<State> {
        self.handle.state()
    }

    /// The ids of all processes in the container, as the node counts them.
    pub fn pids(&self) -> Result<Vec<u32>> {
        let message = ListPidsRequest { container_id: self.handle.container.clone() };
        let call = async { self.client().api().tasks().list_pids(request(message)).await };
        let found = self.client().wait(self.doing("list the processes of"), call)?;
        Ok(found.processes.into_iter().map(|process| process.pid).collect())
    }

    /// What the container uses.
    ///
    /// # Errors
    /// [`Answer`](ErrorKind::Answer) where containerd has no metrics of it, which it does not explain except
    /// in its log, or has such as nobody here can read.
    pub fn metrics(&self) -> Result<Metrics> {
        let doing = self.doing("measure");
        let message = MetricsRequest { filters: vec![format!("id=={}", self.handle.container)] };
        let call = async { self.client().api().tasks().metrics(request(message)).await };
        let found = self.client().wait(&doing, call)?.metrics;
        let metric = found.into_iter().find(|metric| metric.id == self.handle.container);
        let data = metric.and_then(|metric| metric.data).ok_or_else(|| {
            let message = format!("cannot {doing}: containerd answers without metrics; its log says why");
            Error::new(ErrorKind::Answer, message)
        })?;
        Metrics::read(&data)
    }

    /// Changes the limits of the running container; what `resources` does not name stays.
    pub fn update(&self, resources: Resources) -> Result<()> {
        let value = resources.oci().to_string().into_bytes();
        let message = UpdateTaskRequest {
            container_id: self.handle.container.clone(),
            resources: Some(Any { type_url: RESOURCES_TYPE.into(), value }),
            ..UpdateTaskRequest::default()
        };
        let call = async { self.client().api().tasks().update(request(message)).await };
        self.client().wait(self.doing("update"), call).map(drop)
    }

    /// Deletes the task, which must have ended, and gives all that it wrote.
    pub fn delete(mut self) -> Result<Output> {
        self.try_delete()
    }

    /// Deletes the task as [`try_delete`](Self::try_delete) does, by a caller that gives up after `limit`.
    ///
    /// # Errors
    /// [`Timeout`](crate::ErrorKind::Timeout) where it gave up; whether the task is deleted is then not known.
    pub fn delete_within(&self, limit: Duration) -> Result<ExitStatus> {
        self.handle.delete_within(limit)
    }

    /// Deletes the task as [`delete`](Self::delete) does. Where that fails, the task is as it was; where it
    /// has succeeded already, containerd is asked again, and what was written is not there a second time.
    pub fn try_delete(&mut self) -> Result<Output> {
        let begin = Instant::now();
        let deleted = self.handle.delete()?;
        self.phases.delete = begin.elapsed();
        let (mut stdout, mut stderr) = Default::default();
        if let Some(mut stdio) = self.stdio.take() {
            (stdout, stderr) = stdio.finish()?;
            let since = |first: Instant| first.saturating_duration_since(self.started.unwrap_or(first));
            self.phases.output = stdio.first_output().map(since);
        }
        // A shim on containerd-shim-wasm answers 0 here where it has not noticed the end yet, which `wait` waits for.
        let ExitStatus { code, exited_at } = self.status.unwrap_or(deleted);
        Ok(Output { code, stdout, stderr, exited_at, phases: self.phases })
    }

    fn input(&self) -> Result<&Stdio> {
        self.stdio.as_ref().ok_or_else(|| {
            let message = format!("cannot {}: it is deleted", self.doing("write to"));
            Error::new(ErrorKind::Spec, message)
        })
    }

    fn client(&self) -> &Arc<Client> {
        &self.handle.client
    }

    fn doing(&self, verb: &str) -> String {
        self.handle.doing(verb)
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if self.stdio.is_some() {
            self.handle.discard();
        }
    }
}

/// Waits for the end of a task, independently of whoever holds the [`Task`].
#[derive(Clone, Debug)]
pub struct Waiter(Handle);

impl Waiter {
    /// Waits until the program has ended.
    ///
    /// # Errors
    /// [`Timeout`](ErrorKind::Timeout) where it has not within `timeout`.
    pub fn wait(&self, timeout: Duration) -> Result<ExitStatus> {
        self.0.wait(timeout)
    }
}

const RESOURCES_TYPE: &str = "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources";
