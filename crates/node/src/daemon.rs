//! The private containerd: its files, its process, and its log.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::PATIENCE;
use crate::bare::{self, Bare, OwnHost};
use crate::client::Client;
use crate::config::{CNI, SOCKET, Settings};
use crate::environment::{self, Environment, runtime_handlers};
use crate::error::{Error, ErrorKind, Result};
use crate::guardian::{Fence, Guardian};
use crate::network::{Network, Subnet};
use crate::process::{self, Process};
use crate::traces::Traces;
use crate::view::View;

/// What a daemon is started with.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) shims: Option<PathBuf>,
    pub(crate) containerd: Option<PathBuf>,
    pub(crate) sandbox_image: String,
    pub(crate) in_memory: bool,
    /// What a node of a cluster has besides.
    pub(crate) member: Option<Member>,
    /// Whether systemd makes the cgroups of pods.
    pub(crate) systemd: bool,
    /// What a node has besides that is bare.
    pub(crate) bare: Option<Bare>,
    /// How long containerd may take to answer a call.
    pub(crate) patience: Duration,
}

/// What makes a node one of a cluster.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// The network of its pods, as in `10.88.1.0/24`.
    pub(crate) pods: String,
    /// Folders of the host's that it sees empty.
    pub(crate) empty: Vec<&'static str>,
    /// Files of its own in the place of the host's: the path, and what is in it.
    pub(crate) files: Vec<(&'static str, &'static str)>,
}

/// A running containerd that serves.
#[derive(Debug)]
pub(crate) struct Daemon {
    pub(crate) folder: PathBuf,
    pub(crate) traces: Traces,
    pub(crate) version: String,
    /// Where containerd serves, as this machine sees it.
    pub(crate) socket: PathBuf,
    /// PATH of the node's programs.
    pub(crate) path: OsString,
    guardian: Guardian,
    /// containerd's command line.
    command: Vec<String>,
    systemd: bool,
    log: File,
    restart: Mutex<()>,
    /// Nobody else has its addresses as long as this is here.
    _network: Network,
}

impl Daemon {
    /// Starts containerd, and returns with a client once it serves.
    pub(crate) fn start(options: &Options) -> Result<(Self, Client)> {
        let shims = options.shims.as_deref().filter(|_| options.bare.is_none()).map(absolute).transpose()?;
        let environment = Environment::detect(options.containerd.as_deref(), shims.as_deref())?;
        if options.systemd {
            environment::require_systemd()?;
        }
        let handlers = shims.as_deref().map(runtime_handlers).transpose()?.unwrap_or_default();
        let folder = tempfile::Builder::new()
            .prefix("shimmer-")
            .tempdir_in(PARENT)
            .map_err(|error| Error::io(format!("make a folder in {PARENT}"), error))?;
        let traces = Traces::of(folder.path())?;
        let socket = folder.path().join(SOCKET);
        let network = network(options, &traces)?;
        let settings = Settings {
            environment: &environment,
            folder: folder.path(),
            socket: options.bare.map_or(&socket, |_| Path::new(bare::SOCKET)),
            handlers: &handlers,
            sandbox_image: &options.sandbox_image,
            bridge: &traces.bridge(),
            network: &network,
            systemd: options.systemd,
            bare: options.bare,
        };
        let view = view(options, folder.path(), settings.containerd()?)?;
        write(&folder.path().join(CNI).join("10-pods.conflist"), &settings.network())?;
        let mut daemon = Self::spawn(&environment, folder, traces, network, view, options)?;
        let client = daemon.ready()?.limited(options.patience);
        daemon.version = client.version()?;
        // Not before: one that cannot start is to be told of, and not to be tried again.
        if options.bare.is_some() {
            let kept = daemon.guardian.keep_containerd();
            kept.map_err(|error| Error::io("have containerd kept", error))?;
        }
        Ok((daemon, client))
    }

    /// Kills containerd and starts it again, while shims and containers live on. It serves some time later.
    pub(crate) fn restart(&self) -> Result<()> {
        let _one_at_a_time = self.restart.lock().unwrap_or_else(PoisonError::into_inner);
        let containerd = self.containerd()?.ok_or_else(|| self.failed("is not there to be restarted"))?;
        self.guardian
            .expect_restart()
            .and_then(|()| Ok(process::kill(containerd.pid)?))
            .map_err(|error| Error::io("kill containerd", error))
    }

    /// The process of containerd. What it has forked has its command line until it executes another program.
    pub(crate) fn containerd(&self) -> Result<Option<Process>> {
        let processes = self.processes()?;
        let is_it = |process: &&Process| is_containerd(&process.args, &self.command);
        let is_forked = |process: &Process| {
            processes.iter().filter(is_it).any(|containerd| containerd.pid == process.parent)
        };
        Ok(processes.iter().filter(is_it).find(|process| !is_forked(process)).cloned())
    }

    /// Waits until containerd serves and `client` has found it.
    pub(crate) fn wait_until_ready(&self, client: &Client) -> Result<()> {
        self.ready()?;
        // A connection that has broken says so once.
        client.version().or_else(|_broken| client.version()).map(drop)
    }

    /// How much has been logged, in bytes.
    pub(crate) fn log_len(&self) -> Result<u64> {
        self.log.metadata().map(|metadata| metadata.len()).map_err(unreadable_log)
    }

    /// The log from byte `start` on. Shims log here too.
    pub(crate) fn log_since(&self, start: u64) -> Result<String> {
        let mut text = vec![0; usize::try_from(self.log_len()?.saturating_sub(start)).unwrap_or_default()];
        self.log.read_exact_at(&mut text, start).map_err(unreadable_log)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// The folder in which the node's shims keep what they have compiled.
    pub(crate) fn compiled(&self) -> PathBuf {
        self.folder.join(COMPILED)
    }

    /// The first process of the node, by which others enter its namespaces.
    pub(crate) fn init(&self) -> Result<u32> {
        let processes = self.processes()?;
        let init = processes.iter().find(|process| process.node_pid == 1);
        init.map(|process| process.pid).ok_or_else(|| self.failed("has ended with its node"))
    }

    /// The processes of the node.
    pub(crate) fn processes(&self) -> Result<Vec<Process>> {
        process::below(self.guardian.id(), self.guardian.shares_ids())
    }

    /// The cgroup that pods are put in, as CRI is told: a slice is what systemd makes, and any other path what a runtime
    /// makes by itself.
    pub(crate) fn pods(&self) -> String {
        let own = if self.systemd { self.traces.slice() } else { self.traces.name().to_owned() };
        format!("/{own}")
    }

    /// Ends everything and waits for it.
    pub(crate) fn stop(&mut self) -> Result<()> {
        self.guardian.stop().map(drop).map_err(|error| Error::io("wait for the node's guardian", error))
    }

    fn spawn(
        environment: &Environment,
        folder: TempDir,
        traces: Traces,
        network: Network,
        view: View,
        options: &Options,
    ) -> Result<Self> {
        let path = folder.path().join("log");
        let describe = |error| Error::io(format!("open {}", path.display()), error);
        let written = File::options().create(true).append(true).open(&path).map_err(describe)?;
        let log = File::open(&path).map_err(describe)?;
        let mut command = Command::new(&environment.containerd);
        // Without a word, as kubeadm's, a bare node's containerd finds its configuration where all look for it.
        if options.bare.is_none() {
            command.arg("--config").arg(folder.path().join(CONFIG));
        }
        let line = [command.get_program()].into_iter().chain(command.get_args());
        let line: Vec<String> = line.map(|word| word.to_string_lossy().into_owned()).collect();
        command.env_clear().env("PATH", &environment.path);
        // containerd hands its environment on to the shims. Nobody says anything to those of a bare node, all of whose /run
        // and /var/lib is its own.
        for (variable, own) in shims_environment(folder.path()).into_iter().filter(|_| options.bare.is_none())
        {
            let made = DirBuilder::new().mode(0o700).create(&own);
            made.map_err(|error| Error::io(format!("make {}", own.display()), error))?;
            command.env(variable, own);
        }
        let errors = written.try_clone().map_err(describe)?;
        command.current_dir("/").stdin(Stdio::null()).stdout(written).stderr(errors);
        let estate = traces.estate(options.systemd);
        let fence = if options.systemd { fence(&traces)? } else { Fence::Namespace };
        let guardian = Guardian::start(command, estate, view, fence).map_err(|error| {
            let containerd = environment.containerd.display();
            Error::io(format!("start {containerd} in namespaces of its own"), error)
        })?;
        let (systemd, restart, path) = (options.systemd, Mutex::default(), environment.path.clone());
        let (version, command) = (String::new(), line);
        let socket = folder.path().join(options.bare.map_or(SOCKET, |_| bare::OUTER_SOCKET));
        let folder = folder.keep();
        Ok(Self {
            folder,
            traces,
            version,
            socket,
            path,
            guardian,
            command,
            systemd,
            log,
            restart,
            _network: network,
        })
    }

    #[expect(clippy::disallowed_methods, reason = "containerd gives no sign when it begins to serve")]
    fn ready(&self) -> Result<Client> {
        let begin = Instant::now();
        loop {
            let ended = self.guardian.ended().map_err(|error| Error::io("look after containerd", error))?;
            if ended.is_some() {
                return Err(self.failed("ended before it served"));
            }
            let attempt = Client::connect(&self.socket).and_then(|client| client.version().map(|_| client));
            match attempt {
                Ok(client) => return Ok(client),
                Err(_) if begin.elapsed() < PATIENCE => std::thread::sleep(PAUSE),
                Err(error) => return Err(self.failed(&format!("did not serve within {PATIENCE:?}: {error}"))),
            }
        }
    }

    fn failed(&self, what: &str) -> Error {
        let tail = self.log_len().and_then(|length| self.log_since(length.saturating_sub(TAIL)));
        let log = tail.unwrap_or_else(|error| error.to_string());
        Error::new(ErrorKind::Daemon, format!("containerd {what}; its log ends with:\n{log}"))
    }
}

/// Whether a command line is containerd's, which was started by `started`. That may be a script, which executes it.
fn is_containerd(args: &[String], started: &[String]) -> bool {
    let (Some((program, rest)), Some((_, given))) = (args.split_first(), started.split_first()) else {
        return false;
    };
    args == started || (rest == given && Path::new(program).ends_with("containerd"))
}

fn network(options: &Options, traces: &Traces) -> Result<Network> {
    if let Some(member) = &options.member {
        return Ok(Network::Own(member.pods.clone()));
    }
    let subnet = Subnet::reserve(&traces.bridge());
    subnet.map(Network::Hosts).map_err(|error| Error::io("find a network for pods", error))
}

/// The cgroups that keep a node together: its own, in which its containers are as well, and one in there for the rest.
fn fence(traces: &Traces) -> Result<Fence> {
    let all = Path::new("/sys/fs/cgroup").join(traces.name());
    Ok(Fence::Cgroups(c_string(&all)?, c_string(&all.join("daemon"))?))
}

/// Not the folder that the environment names: sockets below the node's folder must have short paths.
pub(crate) const PARENT: &str = "/tmp";
const CONFIG: &str = "config.toml";
const COMPILED: &str = "cache";
/// The variables by which shims find the folders of the node.
pub(crate) fn shims_environment(folder: &Path) -> [(&'static str, PathBuf); 2] {
    SHIMS_FOLDERS.map(|(variable, name)| (variable, folder.join(name)))
}

/// What shims would share with all others of the machine: compiled code, and the sockets of the processes that run it.
/// A socket's path has 108 bytes at most, of which the node's folder and this one leave some 80.
const SHIMS_FOLDERS: [(&str, &str); 2] = [("SHIMMER_CACHE", COMPILED), ("SHIMMER_RUN", "shimmer")];
const PAUSE: Duration = Duration::from_millis(10);
const TAIL: u64 = 4096;

fn unreadable_log(error: io::Error) -> Error {
    Error::io("read containerd's log", error)
}

fn absolute(folder: &Path) -> Result<PathBuf> {
    folder.canonicalize().map_err(|error| Error::io(format!("find the shims in {}", folder.display()), error))
}

/// Where the library of CNI notes which networks it made, whatever containerd's settings say.
const CNI_CACHE: &str = "/var/lib/cni";

/// What the node sees, containerd's configuration included; what is the node's own of it is made below `folder`.
fn view(options: &Options, folder: &Path, config: String) -> Result<View> {
    let mut view = View { network: options.member.is_some(), ..View::default() };
    match options.bare {
        Some(_) => view.host = Some(OwnHost::new(folder, config)?),
        None => write(&folder.join(CONFIG), &config)?,
    }
    if options.in_memory {
        let root = folder.join("root");
        fs::create_dir(&root).map_err(|error| Error::io(format!("make {}", root.display()), error))?;
        view.empty.push(c_string(&root)?);
    }
    // Of a node of either kind all of /var/lib is its own.
    if options.bare.is_none() && options.member.is_none() {
        fs::create_dir_all(CNI_CACHE).map_err(|error| Error::io(format!("make {CNI_CACHE}"), error))?;
        view.empty.push(c_string(Path::new(CNI_CACHE))?);
    }
    let Some(member) = &options.member else { return Ok(view) };
    for path in &member.empty {
        view.empty.push(c_string(Path::new(path))?);
    }
    for (path, content) in &member.files {
        let own = folder.join(format!("seen{}", path.replace('/', "-")));
        write(&own, content)?;
        view.files.push((c_string(&own)?, c_string(Path::new(path))?));
    }
    Ok(view)
}

pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(path, text));
    written.map_err(|error| Error::io(format!("write {}", path.display()), error))
}

pub(crate) fn c_string(path: &Path) -> Result<std::ffi::CString> {
    std::ffi::CString::new(path.as_os_str().as_bytes())
        .map_err(|error| Error::io(format!("use the path {}", path.display()), error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_containerd_by_its_command_line_also_where_a_script_executes_it() {
        let line = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let started = line("/tmp/wrapper --config /tmp/config.toml");
        for (text, is_it) in [
            ("/tmp/wrapper --config /tmp/config.toml", true),
            ("/usr/bin/containerd --config /tmp/config.toml", true),
            ("/usr/bin/containerd --config /tmp/config.toml config dump", false),
            ("/usr/bin/containerd-shim-runc-v2 --config /tmp/config.toml", false),
        ] {
            assert_eq!(is_containerd(&line(text), &started), is_it, "{text}");
        }
        assert!(is_containerd(&line("/usr/bin/containerd"), &line("/tmp/containerd")));
        assert!(!is_containerd(&[], &started), "a process that has ended");
    }
}
