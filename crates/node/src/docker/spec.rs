//! What a container of Docker is to be, in the words of `docker run`.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum,
};
use serde_json::Value;

use crate::mount::Access;
use crate::stdio::Input;

/// A container to be made from an image that dockerd has; everything but the name, the image and the runtime has a
/// default. Without a network of its own: the node's dockerd makes no bridge.
#[derive(Clone, Debug)]
pub struct DockerSpec {
    pub(crate) name: String,
    pub(crate) platform: Option<String>,
    pub(crate) input: Input,
    body: ContainerCreateBody,
    host: HostConfig,
}

impl DockerSpec {
    /// A container `name` of `image`, run by `runtime`, for example `io.containerd.runc.v2`.
    pub fn new(name: impl Into<String>, image: &str, runtime: &str) -> Self {
        let body = ContainerCreateBody {
            image: Some(image.to_owned()),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            ..ContainerCreateBody::default()
        };
        let host = HostConfig {
            runtime: Some(runtime.to_owned()),
            network_mode: Some("none".to_owned()),
            ..HostConfig::default()
        };
        Self { name: name.into(), platform: None, input: Input::None, body, host }
    }

    /// The platform of the image that is wanted, in place of this machine's: `--platform`.
    #[must_use]
    pub fn platform(mut self, platform: &str) -> Self {
        self.platform = Some(platform.to_owned());
        self
    }

    /// The program, in place of the image's entrypoint and command: `--entrypoint`.
    #[must_use]
    pub fn entrypoint(mut self, program: impl Into<String>) -> Self {
        self.body.entrypoint = Some(vec![program.into()]);
        self
    }

    /// The arguments, in place of the image's command.
    #[must_use]
    pub fn args<A: Into<String>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.body.cmd = Some(args.into_iter().map(Into::into).collect());
        self
    }

    /// One more environment variable; it wins over the image's: `--env`.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.body.env.get_or_insert_default().push(format!("{name}={value}"));
        self
    }

    /// The working directory, in place of the image's: `--workdir`.
    #[must_use]
    pub fn cwd(mut self, folder: impl Into<String>) -> Self {
        self.body.working_dir = Some(folder.into());
        self
    }

    /// The user and group, in place of the image's: `--user`.
    #[must_use]
    pub fn user(mut self, user: u32, group: u32) -> Self {
        self.body.user = Some(format!("{user}:{group}"));
        self
    }

    /// One more folder or file of this machine, to be seen at `target`: `--volume`.
    #[must_use]
    pub fn mount(mut self, source: &Path, target: &str, access: Access) -> Self {
        let bind = format!("{}:{target}:{}", source.display(), access.option());
        self.host.binds.get_or_insert_default().push(bind);
        self
    }

    /// An empty folder in memory at `target`, of at most `size` bytes: `--tmpfs`.
    #[must_use]
    pub fn tmpfs(mut self, target: &str, size: u64) -> Self {
        let tmpfs = HashMap::from([(target.to_owned(), format!("size={size}"))]);
        self.host.tmpfs.get_or_insert_default().extend(tmpfs);
        self
    }

    /// Makes the root filesystem read-only: `--read-only`.
    #[must_use]
    pub fn read_only_root(mut self) -> Self {
        self.host.readonly_rootfs = Some(true);
        self
    }

    /// The memory limit in bytes, and no more with swap than without it: `--memory`, `--memory-swap`.
    #[must_use]
    pub fn memory(mut self, bytes: u64) -> Self {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        (self.host.memory, self.host.memory_swap) = (Some(bytes), Some(bytes));
        self
    }

    /// The time of processors, `quota` microseconds in each `period` of microseconds: `--cpu-quota`, `--cpu-period`.
    #[must_use]
    pub fn cpu(mut self, quota: i64, period: u64) -> Self {
        (self.host.cpu_quota, self.host.cpu_period) = (Some(quota), i64::try_from(period).ok());
        self
    }

    /// The weight against other containers, where processors are short: `--cpu-shares`.
    #[must_use]
    pub fn cpu_shares(mut self, shares: i64) -> Self {
        self.host.cpu_shares = Some(shares);
        self
    }

    /// The number of processes and threads: `--pids-limit`.
    #[must_use]
    pub fn pids(mut self, limit: i64) -> Self {
        self.host.pids_limit = Some(limit);
        self
    }

    /// A resource limit of the process, soft and hard, `nofile` for `RLIMIT_NOFILE`: `--ulimit`.
    #[must_use]
    pub fn ulimit(mut self, kind: &str, limit: i64) -> Self {
        let limit = ResourcesUlimits { name: Some(kind.to_owned()), soft: Some(limit), hard: Some(limit) };
        self.host.ulimits.get_or_insert_default().push(limit);
        self
    }

    /// The user's further groups: `--group-add`.
    #[must_use]
    pub fn groups(mut self, groups: &[u32]) -> Self {
        self.host.group_add = Some(groups.iter().map(u32::to_string).collect());
        self
    }

    /// Takes a capability away, `ALL` for all of them: `--cap-drop`.
    #[must_use]
    pub fn drop_capability(mut self, name: &str) -> Self {
        self.host.cap_drop.get_or_insert_default().push(name.to_owned());
        self
    }

    /// Gives it one more: `--cap-add`.
    #[must_use]
    pub fn add_capability(mut self, name: &str) -> Self {
        self.host.cap_add.get_or_insert_default().push(name.to_owned());
        self
    }

    /// Keeps programs from gaining privileges by setuid files: `--security-opt no-new-privileges`.
    #[must_use]
    pub fn no_new_privileges(self) -> Self {
        self.secured("no-new-privileges".to_owned())
    }

    /// A seccomp filter in place of Docker's own: `--security-opt seccomp=…`.
    #[must_use]
    pub fn seccomp(self, filter: &Value) -> Self {
        self.secured(format!("seccomp={filter}"))
    }

    /// The program that says whether the container is well, run in it at intervals: `--health-cmd`, `--health-interval`.
    #[must_use]
    pub fn health(mut self, command: &[&str], interval: Duration) -> Self {
        let test = ["CMD"].iter().chain(command).map(|&word| word.to_owned()).collect();
        let interval = i64::try_from(interval.as_nanos()).ok();
        let config = HealthConfig { test: Some(test), interval, retries: Some(1), ..HealthConfig::default() };
        self.body.healthcheck = Some(config);
        self
    }

    /// Uses this machine's network: `--network host`.
    #[must_use]
    pub fn host_network(mut self) -> Self {
        self.host.network_mode = Some("host".to_owned());
        self
    }

    /// Starts it again when it ends with another status than 0, at most so many times: `--restart on-failure:N`.
    #[must_use]
    pub fn restart_on_failure(mut self, times: u32) -> Self {
        self.host.restart_policy = Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::ON_FAILURE),
            maximum_retry_count: Some(times.into()),
        });
        self
    }

    /// What the program reads on its standard input, to the end: `--interactive` with a pipe. Without it there is
    /// nothing to read.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Input::Whole(bytes.into());
        self
    }

    /// Leaves its standard input open: see [`DockerContainer::write`](super::DockerContainer::write).
    #[must_use]
    pub fn stdin_open(mut self) -> Self {
        self.input = Input::Open;
        self
    }

    /// Gives the program a terminal, which stands for all three streams: `--tty`.
    #[must_use]
    pub fn terminal(mut self) -> Self {
        self.body.tty = Some(true);
        self
    }

    /// The image that it is made from.
    pub fn image(&self) -> &str {
        self.body.image.as_deref().unwrap_or_default()
    }

    pub(crate) fn body(&self) -> ContainerCreateBody {
        let reads = Some(self.input != Input::None);
        ContainerCreateBody {
            attach_stdin: reads,
            open_stdin: reads,
            stdin_once: reads,
            host_config: Some(self.host.clone()),
            ..self.body.clone()
        }
    }

    fn secured(mut self, option: String) -> Self {
        self.host.security_opt.get_or_insert_default().push(option);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_the_input_only_where_there_is_something_to_read() {
        let spec = DockerSpec::new("one", "image:1", "io.containerd.runc.v2");
        assert_eq!(spec.body().open_stdin, Some(false));
        assert_eq!(spec.stdin("text").body().open_stdin, Some(true));
    }

    #[test]
    fn says_read_only_of_a_mount_that_is() {
        let spec = DockerSpec::new("one", "image:1", "io.containerd.runc.v2");
        let body = spec.mount(Path::new("/a"), "/data", Access::Read).body();
        assert_eq!(body.host_config.unwrap().binds.unwrap(), ["/a:/data:ro"]);
    }
}
