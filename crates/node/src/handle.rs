//! A program as containerd's task API names it, by a container and an exec id, and the calls that take both.

use std::sync::Arc;
use std::time::Duration;

use containerd_client::services::v1::{
    CloseIoRequest, DeleteProcessRequest, DeleteTaskRequest, GetRequest, KillRequest, ResizePtyRequest,
    StartRequest, WaitRequest,
};

use crate::client::{Client, request};
use crate::error::{ErrorKind, Result};
use crate::status::{ExitStatus, State};

/// The first program of a container, or one executed in it later.
#[derive(Clone, Debug)]
pub(crate) struct Handle {
    pub(crate) client: Arc<Client>,
    pub(crate) container: String,
    /// Empty for the container's first program, as in the API.
    exec: String,
}

impl Handle {
    pub(crate) fn task(client: Arc<Client>, container: impl Into<String>) -> Self {
        Self { client, container: container.into(), exec: String::new() }
    }

    pub(crate) fn exec(&self, id: impl Into<String>) -> Self {
        Self { exec: id.into(), ..self.clone() }
    }

    pub(crate) fn exec_id(&self) -> &str {
        &self.exec
    }

    /// Runs the program; returns its process id.
    pub(crate) fn start(&self) -> Result<u32> {
        let message = StartRequest { container_id: self.container.clone(), exec_id: self.exec.clone() };
        let started =
            self.client.wait(self.doing("start"), self.client.api().tasks().start(request(message)))?;
        Ok(started.pid)
    }

    pub(crate) fn wait(&self, timeout: Duration) -> Result<ExitStatus> {
        let message = WaitRequest { container_id: self.container.clone(), exec_id: self.exec.clone() };
        let call = async { self.client.api().tasks().wait(request(message)).await };
        let ended = self.client.wait_at_most(timeout, self.doing("wait for"), call)?;
        Ok(ExitStatus::new(ended.exit_status, ended.exited_at))
    }

    /// Sends a signal to the program, or to `all` processes of its container.
    pub(crate) fn kill(&self, signal: u32, all: bool) -> Result<()> {
        let (container_id, exec_id) = (self.container.clone(), self.exec.clone());
        let message = KillRequest { container_id, exec_id, signal, all };
        self.client.wait(self.doing("kill"), self.client.api().tasks().kill(request(message))).map(drop)
    }

    pub(crate) fn state(&self) -> Result<State> {
        let message = GetRequest { container_id: self.container.clone(), exec_id: self.exec.clone() };
        let found =
            self.client.wait(self.doing("look at"), self.client.api().tasks().get(request(message)))?;
        Ok(State::from(found.process.unwrap_or_default().status()))
    }

    pub(crate) fn delete(&self) -> Result<ExitStatus> {
        self.delete_within(self.client.limit())
    }

    /// The same, by a caller that gives up after `limit`.
    pub(crate) fn delete_within(&self, limit: Duration) -> Result<ExitStatus> {
        let (container_id, exec_id) = (self.container.clone(), self.exec.clone());
        let mut tasks = self.client.api().tasks();
        let call = async {
            if exec_id.is_empty() {
                tasks.delete(request(DeleteTaskRequest { container_id })).await
            } else {
                tasks.delete_process(request(DeleteProcessRequest { container_id, exec_id })).await
            }
        };
        let deleted = self.client.wait_at_most(limit, self.doing("delete"), call);
        if deleted.as_ref().is_err_and(|error| *error.kind() == ErrorKind::Timeout) {
            // Nothing is sent while nobody waits: only with another call does containerd learn of this one's end.
            self.client.version()?;
        }
        let deleted = deleted?;
        Ok(ExitStatus::new(deleted.exit_status, deleted.exited_at))
    }

    /// Tells a shim that holds the pipe itself that there is no more input.
    pub(crate) fn close_stdin(&self) -> Result<()> {
        let (container_id, exec_id) = (self.container.clone(), self.exec.clone());
        let message = CloseIoRequest { container_id, exec_id, stdin: true };
        let doing = self.doing("close the input of");
        self.client.wait(doing, self.client.api().tasks().close_io(request(message))).map(drop)
    }

    pub(crate) fn resize(&self, width: u32, height: u32) -> Result<()> {
        let (container_id, exec_id) = (self.container.clone(), self.exec.clone());
        let message = ResizePtyRequest { container_id, exec_id, width, height };
        let doing = self.doing("resize the terminal of");
        self.client.wait(doing, self.client.api().tasks().resize_pty(request(message))).map(drop)
    }

    /// Ends the program and deletes it, from a destructor: it has nobody to report to, the program may have
    /// ended already, and the node ends what stays.
    pub(crate) fn discard(&self) {
        if let Err(error) = self.kill(SIGKILL, false) {
            // A shim that does not answer does not answer the next call either. A program that has ended, or that its
            // shim does not kill before the start, may never be told to end.
            if *error.kind() == ErrorKind::Timeout || self.delete().is_ok() {
                return;
            }
        }
        let _unreported = self.wait(PATIENCE);
        // Some hosts fail to delete by chance.
        for _ in 0..ATTEMPTS {
            match self.delete() {
                Err(error) if !error.is_not_found() && *error.kind() != ErrorKind::Timeout => {}
                _ => return,
            }
        }
    }

    /// `verb` and the program's name, to complete "cannot …".
    pub(crate) fn doing(&self, verb: &str) -> String {
        if self.exec.is_empty() {
            format!("{verb} the task {}", self.container)
        } else {
            format!("{verb} the process {} of the task {}", self.exec, self.container)
        }
    }
}

const SIGKILL: u32 = 9;
const PATIENCE: Duration = Duration::from_secs(30);
const ATTEMPTS: usize = 5;
