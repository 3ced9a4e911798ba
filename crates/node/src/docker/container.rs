//! Containers of Docker, from their creation to their removal.

use std::sync::Arc;
use std::time::Duration;

use bollard::container::AttachContainerResults;
use bollard::errors::Error as Refusal;
use bollard::models::{ContainerStatsResponse, ContainerUpdateBody};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, KillContainerOptionsBuilder,
    RemoveContainerOptionsBuilder, ResizeContainerTTYOptionsBuilder, StatsOptionsBuilder,
    StopContainerOptionsBuilder, TopOptions, WaitContainerOptionsBuilder,
};
use tokio_stream::StreamExt;

use super::api::Api;
use super::copy;
use super::exec::{self, Execution};
use super::log::{self, Log};
use super::spec::DockerSpec;
use super::state::{DockerState, Usage};
use super::streams::{Connection, Streams};
use crate::error::{Error, ErrorKind, Result};
use crate::exec::ExecSpec;
use crate::stdio::Input;

/// A container of Docker, attached to. Dropped, it is removed, running or not.
#[derive(Debug)]
pub struct DockerContainer {
    api: Arc<Api>,
    name: String,
    id: String,
    /// None until it is attached to.
    streams: Option<Streams>,
    is_open: bool,
    is_removed: bool,
}

impl DockerContainer {
    /// Makes it and attaches to it, so that nothing that it will write is missed.
    pub(crate) fn new(api: Arc<Api>, spec: &DockerSpec) -> Result<Self> {
        let name = spec.name.clone();
        let mut options = CreateContainerOptionsBuilder::new().name(&name);
        if let Some(platform) = &spec.platform {
            options = options.platform(platform);
        }
        let call = api.docker().create_container(Some(options.build()), spec.body());
        let id = api.wait(format!("create the container {name}"), call)?.id;
        let is_open = spec.input == Input::Open;
        // From here on, dropping removes what was made.
        let mut container = Self { api, name, id, streams: None, is_open, is_removed: false };
        container.streams = Some(container.attach(&spec.input)?);
        Ok(container)
    }

    /// Its id, by which containerd knows it in the namespace `moby`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Runs the program: only now dockerd asks containerd for a task.
    ///
    /// # Errors
    /// [`Docker`](ErrorKind::Docker), with the shim's own words, where the shim refuses.
    pub fn start(&self) -> Result<()> {
        self.api.wait(self.doing("start"), self.api.docker().start_container(&self.id, None))
    }

    /// Waits until it has ended, and is not to be started again; gives its exit code.
    ///
    /// # Errors
    /// [`Timeout`](ErrorKind::Timeout) where it has not within `timeout`.
    pub fn wait(&self, timeout: Duration) -> Result<u32> {
        let options = WaitContainerOptionsBuilder::new().condition("not-running").build();
        let mut ends = std::pin::pin!(self.api.docker().wait_container(&self.id, Some(options)));
        let code = self.api.wait_at_most(timeout, self.doing("wait for"), async {
            match ends.next().await {
                Some(Ok(ended)) => Ok(ended.status_code),
                // A status other than 0 is an error there.
                Some(Err(Refusal::DockerContainerWaitError { code, .. })) => Ok(code),
                Some(Err(refusal)) => Err(refusal),
                None => Ok(-1),
            }
        })?;
        u32::try_from(code).map_err(|_| {
            let message =
                format!("cannot {}: dockerd answers with the status {code}", self.doing("wait for"));
            Error::new(ErrorKind::Answer, message)
        })
    }

    /// Waits until it has written `text` to its stdout or stderr.
    ///
    /// # Errors
    /// [`Timeout`](ErrorKind::Timeout), with what was written, where it has not within `timeout`.
    pub fn wait_for(&self, text: &str, timeout: Duration) -> Result<()> {
        self.streams.as_ref().map_or(Ok(()), |streams| streams.wait_for(text, timeout))
    }

    /// Gives it more to read; returns before it has read it.
    ///
    /// # Errors
    /// [`Spec`](ErrorKind::Spec) where its input was not [left open](DockerSpec::stdin_open).
    pub fn write(&self, bytes: impl Into<Vec<u8>>) -> Result<()> {
        let is_written = self.streams.as_ref().is_some_and(|streams| streams.write(bytes.into()));
        if is_written {
            return Ok(());
        }
        let message = format!("cannot {}: its input is not open", self.doing("write to"));
        Err(Error::new(ErrorKind::Spec, message))
    }

    /// Ends its input, after all that was written.
    pub fn close_stdin(&mut self) {
        self.is_open = false;
        if let Some(streams) = &mut self.streams {
            streams.close();
        }
    }

    /// Sets the size of its terminal, in characters.
    pub fn resize(&self, width: u16, height: u16) -> Result<()> {
        let options = ResizeContainerTTYOptionsBuilder::new().w(width.into()).h(height.into()).build();
        let call = self.api.docker().resize_container_tty(&self.id, options);
        self.api.wait(self.doing("resize the terminal of"), call)
    }

    /// Sends it a signal.
    pub fn kill(&self, signal: u32) -> Result<()> {
        let options = KillContainerOptionsBuilder::new().signal(&signal.to_string()).build();
        self.api.wait(self.doing("kill"), self.api.docker().kill_container(&self.id, Some(options)))
    }

    /// Asks it to end, and kills it where it has not within `grace`; returns when it has.
    pub fn stop(&self, grace: Duration) -> Result<()> {
        let seconds = i32::try_from(grace.as_secs()).unwrap_or(i32::MAX);
        let options = StopContainerOptionsBuilder::new().t(seconds).build();
        self.api.wait(self.doing("stop"), self.api.docker().stop_container(&self.id, Some(options)))
    }

    /// Freezes all of its processes.
    pub fn pause(&self) -> Result<()> {
        self.api.wait(self.doing("pause"), self.api.docker().pause_container(&self.id))
    }

    /// Lets frozen processes run again.
    pub fn unpause(&self) -> Result<()> {
        self.api.wait(self.doing("unpause"), self.api.docker().unpause_container(&self.id))
    }

    /// Runs a second program in it, to its end.
    ///
    /// # Errors
    /// [`Docker`](ErrorKind::Docker) where it cannot be run, [`Timeout`](ErrorKind::Timeout) where it has not ended
    /// within `timeout`.
    pub fn exec(&self, spec: ExecSpec, timeout: Duration) -> Result<Execution> {
        exec::run(&self.api, &self.id, &self.doing("execute a program in"), spec, timeout)
    }

    /// How it is, in the words of `docker inspect`.
    pub fn inspect(&self) -> Result<DockerState> {
        let call = self.api.docker().inspect_container(&self.id, None);
        self.api.wait(self.doing("inspect"), call).map(DockerState::from)
    }

    /// The command line of each of its processes, as `docker top` shows them.
    pub fn top(&self) -> Result<Vec<String>> {
        let call = self.api.docker().top_processes(&self.id, None::<TopOptions>);
        let table = self.api.wait(self.doing("list the processes of"), call)?;
        let last = |mut row: Vec<String>| row.pop().unwrap_or_default();
        Ok(table.processes.unwrap_or_default().into_iter().map(last).collect())
    }

    /// What it uses, as `docker stats` measures it.
    pub fn stats(&self) -> Result<Usage> {
        let options = StatsOptionsBuilder::new().stream(false).one_shot(true).build();
        let stats = self.api.docker().stats(&self.id, Some(options));
        let mut found: Vec<ContainerStatsResponse> = self.api.collect(self.doing("measure"), stats)?;
        Ok(found.pop().map(Usage::from).unwrap_or_default())
    }

    /// Changes its memory limit, with and without swap, while it runs.
    pub fn update_memory(&self, bytes: u64) -> Result<()> {
        let bytes = i64::try_from(bytes).ok();
        let limits =
            ContainerUpdateBody { memory: bytes, memory_swap: bytes, ..ContainerUpdateBody::default() };
        self.api.wait(self.doing("update"), self.api.docker().update_container(&self.id, limits))
    }

    /// All that dockerd has kept of what it wrote, as `docker logs` shows it.
    pub fn log(&self) -> Result<Log> {
        log::read(&self.api, &self.id, &self.doing("read the log of"))
    }

    /// Reads that from its beginning, and goes on as more is written: `docker logs --follow`.
    pub fn follow_log(&self) -> Result<log::Follower> {
        log::Follower::new(&self.api, &self.id)
    }

    /// Writes an archive's files into a folder of the container: `docker cp`.
    pub fn copy_in(&self, folder: &str, archive: Vec<u8>) -> Result<()> {
        copy::put(&self.api, &self.id, &self.doing("copy into"), folder, archive)
    }

    /// A file or folder of the container, as an archive: `docker cp`.
    pub fn copy_out(&self, path: &str) -> Result<Vec<u8>> {
        copy::take(&self.api, &self.id, &self.doing("copy from"), path)
    }

    /// All that it wrote to stdout and stderr. It must have ended.
    pub fn output(&self) -> Result<(Vec<u8>, Vec<u8>)> {
        self.streams.as_ref().map_or(Ok(Default::default()), Streams::finish)
    }

    /// Removes it, with its files; it must have ended.
    pub fn remove(mut self) -> Result<()> {
        self.discard(false)?;
        self.is_removed = true;
        Ok(())
    }

    fn attach(&self, input: &Input) -> Result<Streams> {
        let options = AttachContainerOptionsBuilder::new().stream(true).stdout(true).stderr(true);
        let options = options.stdin(*input != Input::None).build();
        let call = self.api.docker().attach_container(&self.id, Some(options));
        let AttachContainerResults { output, input: pipe } = self.api.wait(self.doing("attach to"), call)?;
        let connection = Connection { output, input: pipe };
        let mut streams = Streams::new(Arc::clone(&self.api), connection, input.clone().into_bytes())?;
        if !self.is_open {
            streams.close();
        }
        Ok(streams)
    }

    fn discard(&self, force: bool) -> Result<()> {
        let options = RemoveContainerOptionsBuilder::new().force(force).v(true).build();
        let call = self.api.docker().remove_container(&self.id, Some(options));
        self.api.wait(self.doing("remove"), call)
    }

    /// `verb` and the container's name, to complete "cannot …".
    fn doing(&self, verb: &str) -> String {
        format!("{verb} the container {}", self.name)
    }
}

impl Drop for DockerContainer {
    fn drop(&mut self) {
        if !self.is_removed {
            // A destructor has nobody to report to, and the node ends what stays.
            let _unreported = self.discard(true);
        }
    }
}
