//! What a container is to be.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::image::Image;
use crate::mount::{Access, Mount};
use crate::resources::Resources;
use crate::stdio::Input;

/// A container to be made from an image; everything but the id, the image and the runtime has a default.
#[derive(Clone, Debug)]
pub struct ContainerSpec {
    pub(crate) id: String,
    pub(crate) image: Image,
    pub(crate) runtime: String,
    pub(crate) input: Input,
    pub(crate) terminal: bool,
    pub(crate) timeout: Duration,
    pub(crate) args: Option<Vec<String>>,
    pub(crate) env: Vec<String>,
    pub(crate) has_exact_env: bool,
    pub(crate) cwd: Option<String>,
    pub(crate) hostname: Option<String>,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) has_read_only_root: bool,
    pub(crate) user: Option<(u32, u32)>,
    pub(crate) groups: Vec<u32>,
    pub(crate) resources: Resources,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) shares_network: bool,
    pub(crate) capabilities: Option<Vec<String>>,
    pub(crate) seccomp: Option<Value>,
    pub(crate) may_gain_privileges: bool,
    pub(crate) rlimits: BTreeMap<String, u64>,
    pub(crate) hooks: BTreeMap<&'static str, Vec<Value>>,
}

impl ContainerSpec {
    /// A container `id` of `image`, run by `runtime`, for example `io.containerd.runc.v2`.
    pub fn new(id: impl Into<String>, image: &Image, runtime: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            image: image.clone(),
            runtime: runtime.into(),
            input: Input::None,
            terminal: false,
            timeout: Duration::from_secs(120),
            args: None,
            env: Vec::new(),
            has_exact_env: false,
            cwd: None,
            hostname: None,
            mounts: Vec::new(),
            has_read_only_root: false,
            user: None,
            groups: Vec::new(),
            resources: Resources::default(),
            annotations: BTreeMap::new(),
            shares_network: false,
            capabilities: None,
            seccomp: None,
            may_gain_privileges: false,
            rlimits: BTreeMap::from([("RLIMIT_NOFILE".to_owned(), 1024)]),
            hooks: BTreeMap::new(),
        }
    }

    /// The image that it is made from.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// The command line, in place of the image's entrypoint and command.
    #[must_use]
    pub fn args<A: Into<String>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args = Some(args.into_iter().map(Into::into).collect());
        self
    }

    /// One more environment variable; it wins over the image's.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push(format!("{name}={value}"));
        self
    }

    /// Gives the program the variables of [`env`](Self::env) alone: none of the image's, and no `PATH`, which it
    /// has otherwise.
    #[must_use]
    pub fn exact_env(mut self) -> Self {
        self.has_exact_env = true;
        self
    }

    /// The working directory, in place of the image's.
    #[must_use]
    pub fn cwd(mut self, folder: impl Into<String>) -> Self {
        self.cwd = Some(folder.into());
        self
    }

    /// The host name, in place of the container's id.
    #[must_use]
    pub fn hostname(mut self, name: impl Into<String>) -> Self {
        self.hostname = Some(name.into());
        self
    }

    /// One more folder or file of this machine, to be seen at `target`.
    #[must_use]
    pub fn mount(self, source: &Path, target: &str, access: Access) -> Self {
        self.mount_with(source, target, &["rbind", access.option()])
    }

    /// One more folder or file of this machine, mounted with these options alone, for example `bind` and
    /// `nosuid`.
    #[must_use]
    pub fn mount_with(mut self, source: &Path, target: &str, options: &[&str]) -> Self {
        self.mounts.push(Mount::bind(source, target, options));
        self
    }

    /// An empty folder in memory at `target`, of at most `size` bytes.
    #[must_use]
    pub fn tmpfs(mut self, target: &str, size: u64) -> Self {
        self.mounts.push(Mount::tmpfs(target, size));
        self
    }

    /// Makes the root filesystem read-only.
    #[must_use]
    pub fn read_only_root(mut self) -> Self {
        self.has_read_only_root = true;
        self
    }

    /// The user and group, in place of the image's.
    #[must_use]
    pub fn user(mut self, user: u32, group: u32) -> Self {
        self.user = Some((user, group));
        self
    }

    /// The user's further groups.
    #[must_use]
    pub fn groups(mut self, groups: &[u32]) -> Self {
        self.groups = groups.to_owned();
        self
    }

    /// The memory limit in bytes; without it there is none.
    #[must_use]
    pub fn memory(mut self, bytes: u64) -> Self {
        self.resources.memory = Some(bytes);
        self
    }

    /// The time of processors, `quota` microseconds in each `period` of microseconds.
    #[must_use]
    pub fn cpu(mut self, quota: i64, period: u64) -> Self {
        (self.resources.cpu_quota, self.resources.cpu_period) = (Some(quota), Some(period));
        self
    }

    /// The weight against other containers, where processors are short; 1024 is usual.
    #[must_use]
    pub fn cpu_shares(mut self, shares: u64) -> Self {
        self.resources.cpu_shares = Some(shares);
        self
    }

    /// The number of processes and threads.
    #[must_use]
    pub fn pids(mut self, limit: i64) -> Self {
        self.resources.pids = Some(limit);
        self
    }

    /// A resource limit of the process, soft and hard: `NOFILE` for `RLIMIT_NOFILE`.
    #[must_use]
    pub fn rlimit(mut self, kind: &str, limit: u64) -> Self {
        self.rlimits.insert(format!("RLIMIT_{kind}"), limit);
        self
    }

    /// Exactly these capabilities, `NET_RAW` for `CAP_NET_RAW`, in place of the usual ones.
    #[must_use]
    pub fn capabilities(mut self, names: &[&str]) -> Self {
        self.capabilities = Some(names.iter().map(|&name| name.to_owned()).collect());
        self
    }

    /// The seccomp filter, as `linux.seccomp` of the OCI runtime spec; without it there is none.
    #[must_use]
    pub fn seccomp(mut self, filter: Value) -> Self {
        self.seccomp = Some(filter);
        self
    }

    /// Whether programs are kept from gaining privileges by setuid files; they are without it.
    #[must_use]
    pub fn no_new_privileges(mut self, kept: bool) -> Self {
        self.may_gain_privileges = !kept;
        self
    }

    /// One more program of this machine to be run at a point of the container's life; `args` do not begin
    /// with the program's name.
    #[must_use]
    pub fn hook(mut self, hook: Hook, program: &Path, args: &[&str]) -> Self {
        let args: Vec<_> =
            program.to_str().into_iter().chain(args.iter().copied()).map(str::to_owned).collect();
        self.hooks.entry(hook.name()).or_default().push(json!({ "path": program, "args": args }));
        self
    }

    /// What the program reads on its standard input, to the end; without it there is nothing to read.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Input::Whole(bytes.into());
        self
    }

    /// Leaves its standard input open: see [`Task::write`](crate::Task::write).
    #[must_use]
    pub fn stdin_open(mut self) -> Self {
        self.input = Input::Open;
        self
    }

    /// Gives the program a terminal, which stands for all three streams: all output is on stdout.
    #[must_use]
    pub fn terminal(mut self) -> Self {
        self.terminal = true;
        self
    }

    /// How long [`Node::run`](crate::Node::run) waits for its end; 120 seconds without it.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// One more annotation of the OCI runtime spec.
    #[must_use]
    pub fn annotation(mut self, name: &str, value: &str) -> Self {
        self.annotations.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Uses this machine's network in place of an empty one, so that a server in it can be reached.
    #[must_use]
    pub fn host_network(mut self) -> Self {
        self.shares_network = true;
        self
    }
}

/// A point in a container's life at which hooks are run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Hook {
    /// Before the program is started; replaced by the next two.
    Prestart,
    /// When the namespaces exist, before the root is changed, in the runtime's namespaces.
    CreateRuntime,
    /// As the one before, in the container's namespaces.
    CreateContainer,
    /// Before the program is started, in the container.
    StartContainer,
    /// After the program was started.
    Poststart,
    /// After the container was deleted.
    Poststop,
}

impl Hook {
    fn name(self) -> &'static str {
        match self {
            Self::Prestart => "prestart",
            Self::CreateRuntime => "createRuntime",
            Self::CreateContainer => "createContainer",
            Self::StartContainer => "startContainer",
            Self::Poststart => "poststart",
            Self::Poststop => "poststop",
        }
    }
}
