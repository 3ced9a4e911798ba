//! Containers in pods: from creation to the exit status and the log.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use containerd_client::services::v1::WaitRequest;
use k8s_cri::v1::{
    ContainerConfig, ContainerStatsRequest, ContainerStatusRequest, CreateContainerRequest, ExecSyncRequest,
    PodSandboxConfig, RemoveContainerRequest, StartContainerRequest, StopContainerRequest,
    UpdateContainerResourcesRequest,
};

use crate::client::request;
use crate::cri::spec::limits;
use crate::cri::{ContainerStatus, Cri, Ended, Log, Stats, until};
use crate::error::{Error, ErrorKind, Result};
use crate::resources::Resources;
use crate::stdio::LOOK;

/// A container in a pod. Dropped, it is killed and removed.
#[derive(Debug)]
pub struct PodContainer {
    cri: Cri,
    id: String,
    name: String,
    log: PathBuf,
    is_deleted: AtomicBool,
}

impl PodContainer {
    pub(super) fn new(
        cri: Cri,
        pod: &str,
        config: ContainerConfig,
        sandbox: &PodSandboxConfig,
    ) -> Result<Self> {
        let log = Path::new(&sandbox.log_directory).join(&config.log_path);
        let name = config.metadata.clone().unwrap_or_default().name;
        let message = CreateContainerRequest {
            pod_sandbox_id: pod.into(),
            config: Some(config),
            sandbox_config: Some(sandbox.clone()),
        };
        let call =
            cri.client.wait(format!("create the container {name}"), cri.runtime().create_container(message));
        let id = call?.container_id;
        Ok(Self { cri, id, name, log, is_deleted: AtomicBool::new(false) })
    }

    /// The id that containerd gave it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Runs the program.
    ///
    /// # Errors
    /// [`Containerd`](ErrorKind::Containerd), with the shim's own words, where the shim refuses.
    pub fn start(&self) -> Result<()> {
        let message = StartContainerRequest { container_id: self.id.clone() };
        self.cri.client.wait(self.doing("start"), self.cri.runtime().start_container(message)).map(drop)
    }

    /// Waits until the program has ended, CRI says how, and all that it wrote is in its log.
    ///
    /// # Errors
    /// [`Timeout`](ErrorKind::Timeout), with what was logged, where it has not within `timeout`; the container
    /// is as it was.
    pub fn wait(&self, timeout: Duration) -> Result<Ended> {
        let begin = Instant::now();
        // Only CRI's own answer counts, and it follows soon; here too no answer may mean that it has ended.
        let message = WaitRequest { container_id: self.id.clone(), ..WaitRequest::default() };
        let call = async { self.cri.client.api().tasks().wait(request(message)).await };
        let _moment = self.cri.client.wait_at_most(timeout, self.doing("wait for"), call);
        let ended = until(timeout.saturating_sub(begin.elapsed()), || {
            Ok(match self.status()? {
                ContainerStatus::Exited(ended) if Log::is_whole(&self.log)? => Some(ended),
                _ => None,
            })
        })?;
        ended.ok_or_else(|| self.late(&format!("has not ended within {timeout:?}")))
    }

    /// Waits until the program has written `text` to its stdout or stderr: the event by which to know that it
    /// runs.
    ///
    /// # Errors
    /// [`Timeout`](ErrorKind::Timeout), with what was logged, where it has not within `timeout`, or has ended before.
    pub fn wait_for(&self, text: &str, timeout: Duration) -> Result<()> {
        let mut looked = Instant::now();
        let found = until(timeout, || {
            // Asked first: then the log is complete. Where containerd does not serve, which some tests bring about, nobody
            // knows whether it has ended.
            let mut has_ended = false;
            if looked.elapsed() >= LOOK {
                has_ended =
                    matches!(self.status(), Ok(ContainerStatus::Exited(_))) && Log::is_whole(&self.log)?;
                looked = Instant::now();
            }
            let is_written = self.log()?.contains(text);
            Ok((is_written || has_ended).then_some(is_written))
        })?;
        match found {
            Some(true) => Ok(()),
            Some(false) => Err(self.late(&format!("has ended without having written {text:?}"))),
            None => Err(self.late(&format!("has not written {text:?} within {timeout:?}"))),
        }
    }

    /// What it has written so far, from its log file; complete once it has ended. Gone when its pod is.
    pub fn log(&self) -> Result<Log> {
        Log::read(&self.log)
    }

    /// Runs one more command in it and waits for its end.
    ///
    /// # Errors
    /// [`Containerd`](ErrorKind::Containerd) where it does not end within `timeout`, which CRI counts in whole
    /// seconds, or the shim refuses.
    pub fn exec<A: Into<String>>(
        &self,
        command: impl IntoIterator<Item = A>,
        timeout: Duration,
    ) -> Result<Execution> {
        let message = ExecSyncRequest {
            container_id: self.id.clone(),
            cmd: command.into_iter().map(Into::into).collect(),
            timeout: seconds(timeout).max(1),
        };
        let doing = self.doing("run a command in");
        let answer = self.cri.client.wait(doing, self.cri.runtime().exec_sync(message))?;
        let code = answer.exit_code.cast_unsigned();
        Ok(Execution { code, stdout: answer.stdout, stderr: answer.stderr })
    }

    /// What it uses.
    pub fn stats(&self) -> Result<Stats> {
        let message = ContainerStatsRequest { container_id: self.id.clone() };
        let doing = self.doing("measure");
        let answer = self.cri.client.wait(doing, self.cri.runtime().container_stats(message))?;
        Ok(answer.stats.map(Stats::from).unwrap_or_default())
    }

    /// Changes its limits while it runs; what `resources` does not name stays. containerd says that it has done
    /// so also where the shim has no such call.
    ///
    /// # Errors
    /// [`Spec`](ErrorKind::Spec) where `resources` limits processes, for which CRI has no word.
    pub fn update(&self, resources: &Resources) -> Result<()> {
        let message = UpdateContainerResourcesRequest {
            container_id: self.id.clone(),
            linux: Some(limits(resources)?),
            ..UpdateContainerResourcesRequest::default()
        };
        let doing = self.doing("change the limits of");
        self.cri.client.wait(doing, self.cri.runtime().update_container_resources(message)).map(drop)
    }

    /// What it is doing, as CRI says.
    pub fn status(&self) -> Result<ContainerStatus> {
        let message = ContainerStatusRequest { container_id: self.id.clone(), verbose: false };
        let doing = self.doing("look at");
        let answer = self.cri.client.wait(doing, self.cri.runtime().container_status(message))?;
        Ok(ContainerStatus::from(answer.status.unwrap_or_default()))
    }

    /// Sends the image's stop signal, SIGTERM if it names none, and SIGKILL after `grace`, which CRI counts in
    /// whole seconds. Returns when the program has ended. It can be stopped again.
    pub fn stop(&self, grace: Duration) -> Result<()> {
        let message = StopContainerRequest { container_id: self.id.clone(), timeout: seconds(grace) };
        self.cri.client.wait(self.doing("stop"), self.cri.runtime().stop_container(message)).map(drop)
    }

    /// Kills it if it runs, and removes it. Its log stays until its pod is deleted. It can be deleted again.
    pub fn delete(&self) -> Result<()> {
        let message = RemoveContainerRequest { container_id: self.id.clone() };
        self.cri.client.wait(self.doing("delete"), self.cri.runtime().remove_container(message))?;
        self.is_deleted.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn doing(&self, verb: &str) -> String {
        format!("{verb} the container {}", self.name)
    }

    fn late(&self, what: &str) -> Error {
        let log = self.log().map_or_else(|error| error.to_string(), |log| log.to_string());
        Error::new(ErrorKind::Timeout, format!("the container {} {what}; {log}", self.name))
    }
}

impl Drop for PodContainer {
    fn drop(&mut self) {
        if !self.is_deleted.load(Ordering::Relaxed) {
            // A destructor has nobody to report to, and the pod's end is the container's.
            let _unreported = self.delete();
        }
    }
}

/// How a command that was run in a container ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Execution {
    /// The exit code; 128 + n for a command ended by signal n.
    pub code: u32,
    /// What it wrote to stdout.
    pub stdout: Vec<u8>,
    /// What it wrote to stderr.
    pub stderr: Vec<u8>,
}

/// Rounded up: nobody is given less time than asked for.
fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos().div_ceil(1_000_000_000)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_no_less_time_than_asked_for() {
        let cases = [(0, 0), (1, 1), (1000, 1), (1001, 2)];
        for (milliseconds, expected) in cases {
            assert_eq!(seconds(Duration::from_millis(milliseconds)), expected, "of {milliseconds} ms");
        }
    }
}
