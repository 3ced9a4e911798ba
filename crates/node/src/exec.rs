//! Second processes in a container that runs.

use std::time::{Duration, Instant};

use containerd_client::services::v1::ExecProcessRequest;
use prost_types::Any;
use serde_json::{Value, json};

use crate::client::request;
use crate::error::Result;
use crate::handle::Handle;
use crate::image::unique;
use crate::oci;
use crate::status::{ExitStatus, Output, Phases, State};
use crate::stdio::{Input, Stdio};
use crate::task::Origin;

/// A process to be executed in a container; what is not said is as for the container's first process.
#[derive(Clone, Debug)]
pub struct ExecSpec {
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<String>,
    pub(crate) cwd: Option<String>,
    pub(crate) user: Option<(u32, u32)>,
    pub(crate) input: Input,
    pub(crate) terminal: bool,
}

impl ExecSpec {
    /// A process with this command line.
    pub fn new<A: Into<String>>(args: impl IntoIterator<Item = A>) -> Self {
        let args = args.into_iter().map(Into::into).collect();
        Self { args, env: Vec::new(), cwd: None, user: None, input: Input::None, terminal: false }
    }

    /// One more environment variable; it wins over the container's.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push(format!("{name}={value}"));
        self
    }

    /// The working directory.
    #[must_use]
    pub fn cwd(mut self, folder: impl Into<String>) -> Self {
        self.cwd = Some(folder.into());
        self
    }

    /// The user and group.
    #[must_use]
    pub fn user(mut self, user: u32, group: u32) -> Self {
        self.user = Some((user, group));
        self
    }

    /// What it reads on its standard input, to the end; without it there is nothing to read.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Input::Whole(bytes.into());
        self
    }

    /// Leaves its standard input open: see [`Exec::write`].
    #[must_use]
    pub fn stdin_open(mut self) -> Self {
        self.input = Input::Open;
        self
    }

    /// Gives it a terminal, which stands for all three streams: see
    /// [`ContainerSpec::terminal`](crate::ContainerSpec::terminal).
    #[must_use]
    pub fn terminal(mut self) -> Self {
        self.terminal = true;
        self
    }

    fn oci(&self, container: &Value) -> Value {
        let mut process = container.clone();
        process["args"] = json!(self.args);
        process["terminal"] = json!(self.terminal);
        if let Some(cwd) = &self.cwd {
            process["cwd"] = json!(cwd);
        }
        if let Some((uid, gid)) = self.user {
            process["user"] = json!({ "uid": uid, "gid": gid });
        }
        let inherited = container["env"].as_array().into_iter().flatten();
        let mut env = inherited.filter_map(Value::as_str).map(str::to_owned).collect();
        oci::override_env(&mut env, &self.env);
        process["env"] = json!(env);
        process
    }
}

/// A second process in a container, which exists but may not have been started. Dropped, it is killed and
/// deleted.
#[derive(Debug)]
pub struct Exec {
    handle: Handle,
    pid: Option<u32>,
    phases: Phases,
    status: Option<ExitStatus>,
    /// None once the process is deleted.
    stdio: Option<Stdio>,
}

impl Exec {
    pub(crate) fn new(handle: Handle, spec: ExecSpec, origin: &Origin) -> Result<Self> {
        let process = spec.oci(&origin.process).to_string().into_bytes();
        let stdio = Stdio::new(origin.pipes.join(unique(&handle.container)), spec.input, spec.terminal)?;
        let [stdin, stdout, stderr] = stdio.paths();
        let message = ExecProcessRequest {
            container_id: handle.container.clone(),
            exec_id: handle.exec_id().to_owned(),
            stdin,
            stdout,
            stderr,
            terminal: spec.terminal,
            spec: Some(Any { type_url: PROCESS_TYPE.into(), value: process }),
        };
        let begin = Instant::now();
        let call = async { handle.client.api().tasks().exec(request(message)).await };
        handle.client.wait(handle.doing("create"), call)?;
        let phases = Phases { create: begin.elapsed(), ..Phases::default() };
        Ok(Self { handle, pid: None, phases, status: None, stdio: Some(stdio) })
    }

    /// Its id, as the node counts processes; none before the start.
    pub fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// Runs it.
    pub fn start(&mut self) -> Result<()> {
        let begin = Instant::now();
        self.pid = Some(self.handle.start()?);
        self.phases.start = begin.elapsed();
        // Before the start the shim has no pipe to close.
        if let Some(stdio) = &self.stdio {
            stdio.close_unless_open(&self.handle);
        }
        Ok(())
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// [`Timeout`](crate::ErrorKind::Timeout) where it has not within `timeout`; it is as it was.
    pub fn wait(&mut self, timeout: Duration) -> Result<ExitStatus> {
        let begin = Instant::now();
        let status = self.handle.wait(timeout)?;
        self.phases.wait += begin.elapsed();
        self.status = Some(status);
        Ok(status)
    }

    /// Waits until it has written `text` to its stdout or stderr.
    ///
    /// # Errors
    /// [`Timeout`](crate::ErrorKind::Timeout), with what was written, where it has not within `timeout`, or has ended before.
    pub fn wait_for(&self, text: &str, timeout: Duration) -> Result<()> {
        // Where containerd does not serve, which some tests bring about, nobody knows that it has ended.
        let has_ended = || self.state().is_ok_and(|state| state == State::Stopped);
        self.stdio.as_ref().map_or(Ok(()), |stdio| stdio.wait_for(text, timeout, has_ended))
    }

    /// Gives it more to read; returns before it has read it.
    ///
    /// # Errors
    /// [`Spec`](crate::ErrorKind::Spec) where its input was not [left open](ExecSpec::stdin_open).
    pub fn write(&self, bytes: impl Into<Vec<u8>>) -> Result<()> {
        self.stdio.as_ref().map_or(Ok(()), |stdio| stdio.write(bytes.into(), &self.handle))
    }

    /// Ends its input, after all that was written.
    ///
    /// # Errors
    /// As [`Task::close_stdin`](crate::Task::close_stdin).
    pub fn close_stdin(&self) -> Result<()> {
        self.stdio.as_ref().map_or(Ok(()), |stdio| stdio.close(&self.handle))?;
        self.handle.close_stdin()
    }

    /// Sets the size of its terminal, in characters.
    pub fn resize(&self, width: u32, height: u32) -> Result<()> {
        self.handle.resize(width, height)
    }

    /// Sends it a signal.
    pub fn kill(&self, signal: u32) -> Result<()> {
        self.handle.kill(signal, false)
    }

    /// What it is doing, as its shim says.
    pub fn state(&self) -> Result<State> {
        self.handle.state()
    }

    /// Deletes it, which must have ended, and gives all that it wrote.
    pub fn delete(mut self) -> Result<Output> {
        self.try_delete()
    }

    /// Deletes it; where that fails, it is as it was: see [`Task::try_delete`](crate::Task::try_delete).
    pub fn try_delete(&mut self) -> Result<Output> {
        let begin = Instant::now();
        let deleted = self.handle.delete()?;
        self.phases.delete = begin.elapsed();
        let (stdout, stderr) =
            self.stdio.take().map_or(Ok(Default::default()), |mut stdio| stdio.finish())?;
        let ExitStatus { code, exited_at } = self.status.unwrap_or(deleted);
        Ok(Output { code, stdout, stderr, exited_at, phases: self.phases })
    }
}

impl Drop for Exec {
    fn drop(&mut self) {
        if self.stdio.is_some() {
            self.handle.discard();
        }
    }
}

const PROCESS_TYPE: &str = "types.containerd.io/opencontainers/runtime-spec/1/Process";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differs_from_the_containers_process_only_where_it_says_so() {
        let container = json!({ "args": ["a"], "env": ["X=1", "Y=2"], "cwd": "/", "user": { "uid": 0, "gid": 0 },
            "noNewPrivileges": true });
        let process = ExecSpec::new(["b"]).env("X", "3").user(7, 8).oci(&container);
        let expected = json!({ "args": ["b"], "env": ["Y=2", "X=3"], "cwd": "/", "user": { "uid": 7, "gid": 8 },
            "noNewPrivileges": true, "terminal": false });
        assert_eq!(process, expected);
    }
}
