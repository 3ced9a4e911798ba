//! Tasks: a container's processes, from creation to the exit status and the output.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use containerd_client::services::v1::{
    CloseIoRequest, DeleteTaskRequest, GetRequest, KillRequest, PauseTaskRequest, ResumeTaskRequest,
    StartRequest, WaitRequest,
};
use containerd_client::types::v1::Status;
use prost_types::Timestamp;

use crate::client::{Client, request};
use crate::error::Result;
use crate::stdio::Stdio;

/// A container's task. Dropped, it is killed and deleted.
#[derive(Debug)]
pub struct Task {
    client: Arc<Client>,
    id: String,
    pid: u32,
    phases: Phases,
    status: Option<ExitStatus>,
    stdio: Option<Stdio>,
}

impl Task {
    pub(crate) fn new(client: Arc<Client>, id: String, pid: u32, stdio: Stdio, phases: Phases) -> Self {
        let (theirs, task) = (Arc::clone(&client), id.clone());
        stdio.close_stdin_after(move || close_stdin(&theirs, task));
        Self { client, id, pid, phases, status: None, stdio: Some(stdio) }
    }

    /// The id of the container's first process, as the node counts processes: see
    /// [`Process`](crate::Process).
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Runs the program.
    pub fn start(&mut self) -> Result<()> {
        let begin = Instant::now();
        let message = StartRequest { container_id: self.id.clone(), ..StartRequest::default() };
        self.client.wait(self.doing("start"), self.client.api().tasks().start(request(message)))?;
        self.phases.start = begin.elapsed();
        Ok(())
    }

    /// Waits until the program has ended.
    ///
    /// # Errors
    /// [`Timeout`](crate::ErrorKind::Timeout) where it has not within `timeout`; the task is as it was.
    pub fn wait(&mut self, timeout: Duration) -> Result<ExitStatus> {
        let begin = Instant::now();
        let message = WaitRequest { container_id: self.id.clone(), ..WaitRequest::default() };
        let call = async { self.client.api().tasks().wait(request(message)).await };
        let ended = self.client.wait_at_most(timeout, self.doing("wait for"), call)?;
        self.phases.wait += begin.elapsed();
        let status = ExitStatus { code: ended.exit_status, exited_at: time(ended.exited_at) };
        self.status = Some(status);
        Ok(status)
    }

    /// Waits until the program has written `text` to its stdout or stderr: the event by which to know that it
    /// runs.
    ///
    /// # Errors
    /// [`Timeout`](crate::ErrorKind::Timeout), with what was written, where it has not within `timeout`.
    pub fn wait_for(&self, text: &str, timeout: Duration) -> Result<()> {
        self.stdio.as_ref().map_or(Ok(()), |stdio| stdio.wait_for(text, timeout))
    }

    /// Sends a signal to the container's first process.
    pub fn kill(&self, signal: u32) -> Result<()> {
        let message = KillRequest { container_id: self.id.clone(), signal, ..KillRequest::default() };
        self.client.wait(self.doing("kill"), self.client.api().tasks().kill(request(message))).map(drop)
    }

    /// Freezes all of its processes.
    pub fn pause(&self) -> Result<()> {
        let message = PauseTaskRequest { container_id: self.id.clone() };
        self.client.wait(self.doing("pause"), self.client.api().tasks().pause(request(message))).map(drop)
    }

    /// Lets frozen processes run again.
    pub fn resume(&self) -> Result<()> {
        let message = ResumeTaskRequest { container_id: self.id.clone() };
        self.client.wait(self.doing("resume"), self.client.api().tasks().resume(request(message))).map(drop)
    }

    /// What the task is doing, as its shim says.
    pub fn state(&self) -> Result<State> {
        let message = GetRequest { container_id: self.id.clone(), ..GetRequest::default() };
        let found =
            self.client.wait(self.doing("look at"), self.client.api().tasks().get(request(message)))?;
        Ok(State::from(found.process.unwrap_or_default().status()))
    }

    /// Deletes the task, which must have ended, and gives all that it wrote.
    pub fn delete(mut self) -> Result<Output> {
        let begin = Instant::now();
        let message = DeleteTaskRequest { container_id: self.id.clone() };
        let deleted =
            self.client.wait(self.doing("delete"), self.client.api().tasks().delete(request(message)))?;
        self.phases.delete = begin.elapsed();
        let (stdout, stderr) = self.stdio.take().map_or(Ok(Default::default()), Stdio::finish)?;
        // A shim on containerd-shim-wasm answers 0 here where it has not noticed the end yet, which `wait` waits for.
        let status = ExitStatus { code: deleted.exit_status, exited_at: time(deleted.exited_at) };
        let ExitStatus { code, exited_at } = self.status.unwrap_or(status);
        Ok(Output { code, stdout, stderr, exited_at, phases: self.phases })
    }

    fn doing(&self, verb: &str) -> String {
        format!("{verb} the task {}", self.id)
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if self.stdio.is_none() {
            return;
        }
        // A destructor has nobody to report to, a task may have ended already, and the node ends what stays.
        let _already_ended = self.kill(SIGKILL);
        let _unreported = self.wait(PATIENCE);
        let message = DeleteTaskRequest { container_id: self.id.clone() };
        let _unreported =
            self.client.wait(self.doing("delete"), self.client.api().tasks().delete(request(message)));
    }
}

/// How a program ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ExitStatus {
    /// The exit code; 128 + n for a program ended by signal n.
    pub code: u32,
    /// When it ended, by the shim's clock.
    pub exited_at: SystemTime,
}

/// All that is known of a task that has ended and was deleted.
#[derive(Clone, Debug)]
pub struct Output {
    /// The exit code; 128 + n for a program ended by signal n.
    pub code: u32,
    /// What it wrote to stdout.
    pub stdout: Vec<u8>,
    /// What it wrote to stderr.
    pub stderr: Vec<u8>,
    /// When it ended, by the shim's clock.
    pub exited_at: SystemTime,
    /// How long each step took.
    pub phases: Phases,
}

/// How long the steps of a container's life took, as seen by containerd's client.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Phases {
    /// Making the snapshot and the record.
    pub prepare: Duration,
    /// Making the task: starting the shim and loading the program.
    pub create: Duration,
    /// Starting the program.
    pub start: Duration,
    /// Waiting for its end, after the start.
    pub wait: Duration,
    /// Deleting the task.
    pub delete: Duration,
}

impl Phases {
    /// All of it.
    pub fn total(&self) -> Duration {
        let Self { prepare, create, start, wait, delete } = *self;
        prepare + create + start + wait + delete
    }
}

/// What a task is doing, as its shim says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum State {
    /// Made, not started.
    Created,
    /// Frozen, or about to be.
    Paused,
    /// Running.
    Running,
    /// Ended.
    Stopped,
    /// The shim did not say.
    Unknown,
}

impl From<Status> for State {
    fn from(status: Status) -> Self {
        match status {
            Status::Created => Self::Created,
            Status::Paused | Status::Pausing => Self::Paused,
            Status::Running => Self::Running,
            Status::Stopped => Self::Stopped,
            Status::Unknown => Self::Unknown,
        }
    }
}

const SIGKILL: u32 = 9;
const PATIENCE: Duration = Duration::from_secs(10);

/// Shims that hold the pipe themselves have to be told that there is no more input. Others do not know the
/// call, or have ended: then the program sees the end anyway.
fn close_stdin(client: &Client, id: String) {
    let doing = format!("close the input of the task {id}");
    let message = CloseIoRequest { container_id: id, exec_id: String::new(), stdin: true };
    let _needless = client.wait(doing, client.api().tasks().close_io(request(message)));
}

fn time(timestamp: Option<Timestamp>) -> SystemTime {
    timestamp.and_then(|timestamp| timestamp.try_into().ok()).unwrap_or(SystemTime::UNIX_EPOCH)
}
