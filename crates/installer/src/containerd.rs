//! The containerd of a node: its configuration as it sees it, its restart, and that it serves.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use crate::cri::Cri;
use crate::distribution::Site;
use crate::error::{Error, ErrorKind, Result};
use crate::host::Host;
use crate::machine::{Machine, Supervisor};
use crate::program::{self, Way};
use crate::store::Store;
use crate::usage::{self, Pod, User};

/// How containerd is to be started again.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(crate) enum Restart {
    /// By systemd: refused where it is in no unit of systemd's. Not at all where k0s watches the file that is written
    #[default]
    Auto,
    /// By systemd
    Systemd,
    /// By SIGTERM: whoever started it does so again
    Signal,
    /// Not by this program
    None,
}

/// A node that runs.
#[derive(Debug)]
pub(crate) struct Running {
    host: Host,
    way: Way,
    restart: Restart,
    /// How long containerd may take to serve.
    patience: Duration,
}

impl Running {
    pub(crate) fn new(root: &Path, restart: Restart, patience: Duration) -> Result<Self> {
        let host = Host::open(root)?;
        let way = Way::to(&host)?;
        Ok(Self { host, way, restart, patience })
    }

    fn run(&self, program: &Path, arguments: &[&str]) -> Result<String> {
        let mut command = self.way.command(program)?;
        command.args(arguments);
        let said = program::run(command, PROGRAM_LIMIT)?;
        if said.status.success() {
            return Ok(said.output);
        }
        let line = format!("{} {}", program.display(), arguments.join(" "));
        let why = if said.errors.trim().is_empty() { said.output } else { said.errors };
        let message = format!("`{line}` failed on the node ({}): {}", said.status, why.trim());
        Err(Error::new(ErrorKind::Failed, message))
    }
}

impl Machine for Running {
    fn version_of(&self, program: &Path) -> Result<String> {
        self.run(program, &["--version"]).map(|output| output.trim().to_owned())
    }

    fn dump(&self, containerd: &Path, config: &Path) -> Result<String> {
        let config = config.to_str().ok_or_else(|| Error::refused(format!("{config:?} is not UTF-8")))?;
        self.run(containerd, &["--config", config, "config", "dump"])
    }

    fn supervisor(&self, site: &Site) -> Result<Supervisor> {
        let socket = &site.socket;
        let unit = || -> Result<Option<String>> {
            let server = Cri::connect(&self.host, socket)?.server;
            let server = server.ok_or_else(|| hidden(socket))?;
            let path = format!("/proc/{server}/cgroup");
            let cgroups =
                fs::read_to_string(&path).map_err(|error| Error::io(format!("read {path}"), error))?;
            Ok(unit_in(&cgroups))
        };
        match self.restart {
            Restart::None => Ok(Supervisor::Nobody),
            Restart::Signal => Ok(Supervisor::Parent),
            Restart::Auto if site.is_watched() => Ok(Supervisor::Distribution),
            Restart::Auto | Restart::Systemd => unit()?.map(Supervisor::Unit).ok_or_else(|| {
                Error::refused(
                    "containerd runs in no unit of systemd's: say --restart signal if whoever started it does so again \
                     when it ends, or --restart none to do it yourself",
                )
            }),
        }
    }

    fn supervisor_now(&self, earlier: &Supervisor) -> Supervisor {
        match self.restart {
            Restart::None => Supervisor::Nobody,
            Restart::Signal => Supervisor::Parent,
            Restart::Auto | Restart::Systemd => earlier.clone(),
        }
    }

    fn restart(&self, socket: &Path, supervisor: &Supervisor) -> Result<()> {
        match supervisor {
            Supervisor::Unit(unit) => self.run(Path::new("systemctl"), &["restart", unit]).map(drop),
            Supervisor::Parent => self.signal(socket),
            Supervisor::Distribution | Supervisor::Nobody => Ok(()),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "containerd gives no sign when it begins to serve")]
    fn handlers(&self, socket: &Path, until: &dyn Fn(&[String]) -> bool) -> Result<Vec<String>> {
        let begin = Instant::now();
        loop {
            let seen = Cri::connect(&self.host, socket).and_then(|cri| cri.handlers());
            let last = match seen {
                Ok(handlers) if until(&handlers) => return Ok(handlers),
                Ok(handlers) => format!("it serves, with the handlers {}", handlers.join(", ")),
                Err(error) => error.to_string(),
            };
            if begin.elapsed() >= self.patience {
                let waited = self.patience.as_secs();
                let message =
                    format!("containerd did not become what it should be within {waited} s: {last}");
                return Err(Error::new(ErrorKind::Failed, message));
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn try_pod(&self, socket: &Path, handler: &str, systemd: bool) -> Result<()> {
        Cri::connect(&self.host, socket)?.try_pod(handler, systemd)
    }

    fn sweep(&self, socket: &Path) -> Result<()> {
        Cri::connect(&self.host, socket)?.sweep()
    }

    fn pods(&self, socket: &Path) -> Result<BTreeMap<String, Pod>> {
        Cri::connect(&self.host, socket)?.pods()
    }

    fn users(&self, host: &Host, store: &Store) -> Result<Vec<User>> {
        usage::users(host, store)
    }
}

impl Running {
    /// Ends the process that listens, and waits until it has. One that does not listen is being started by its supervisor.
    fn signal(&self, socket: &Path) -> Result<()> {
        let Ok(cri) = Cri::connect(&self.host, socket) else { return Ok(()) };
        let server = cri.server.and_then(Pid::from_raw).ok_or_else(|| hidden(socket))?;
        drop(cri);
        let ended = || -> io::Result<bool> {
            let process = pidfd_open(server, PidfdFlags::empty())?;
            kill_process(server, Signal::TERM)?;
            program::ended(process, self.patience)
        };
        match ended() {
            Ok(true) => Ok(()),
            Ok(false) => {
                Err(Error::new(ErrorKind::Failed, "containerd does not end on SIGTERM: look at its log"))
            }
            Err(error) => Err(Error::io("end containerd", error)),
        }
    }
}

const PROGRAM_LIMIT: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(100);

/// The unit in whose cgroup a process is: of cgroup v2, or of systemd's own hierarchy.
fn unit_in(cgroups: &str) -> Option<String> {
    let paths = cgroups.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        ["", "name=systemd"].contains(&controllers).then_some(PathBuf::from(path))
    });
    let units = paths.filter_map(|path| {
        let mut parts = path.iter().filter_map(|part| part.to_str());
        parts.rfind(|part| part.ends_with(".service")).map(str::to_owned)
    });
    units.into_iter().next()
}

fn hidden(socket: &Path) -> Error {
    let message = format!(
        "the process that listens on {} cannot be seen from here: in a pod, hostPID must be true",
        socket.display()
    );
    Error::refused(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_unit_whatever_the_cgroups_version() {
        let v2 = "0::/system.slice/containerd.service\n";
        assert_eq!(unit_in(v2).as_deref(), Some("containerd.service"));
        let hybrid =
            "12:pids:/system.slice/k3s-agent.service\n1:name=systemd:/system.slice/k3s-agent.service\n0::/\n";
        assert_eq!(unit_in(hybrid).as_deref(), Some("k3s-agent.service"));
        let from_a_pod = "0::/../../../../system.slice/snap.microk8s.daemon-containerd.service\n";
        assert_eq!(unit_in(from_a_pod).as_deref(), Some("snap.microk8s.daemon-containerd.service"));
        for none in ["", "0::/\n", "0::/user.slice/session-1.scope\n", "4:memory:/x.service\n"] {
            assert_eq!(unit_in(none), None, "{none:?}");
        }
    }
}
