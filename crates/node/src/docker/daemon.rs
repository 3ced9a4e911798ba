//! The private dockerd: its settings, and its process in the node's namespaces.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use super::Docker;
use super::api::Api;
use crate::config::SOCKET as CONTAINERD;
use crate::daemon::Daemon;
use crate::enter::enter;
use crate::environment::Dockerd;
use crate::error::{Error, ErrorKind, Result};
use crate::process::{self, Process};

/// Starts a dockerd on the node's containerd; returns once it serves. No call to it takes longer than `limit`.
pub(crate) fn start(node: &Daemon, limit: Duration) -> Result<Docker> {
    let program = Dockerd::detect()?;
    let folder = node.folder.join(FOLDER);
    let config = folder.join(CONFIG);
    let write = |error| Error::io(format!("write {}", config.display()), error);
    fs::create_dir(&folder).map_err(write)?;
    fs::write(&config, settings(&node.folder, node.traces.name())).map_err(write)?;
    let log = File::create(folder.join(LOG)).map_err(write)?;
    let errors = log.try_clone().map_err(write)?;
    let mut command = Command::new(&program.file);
    command.arg("--config-file").arg(&config).env_clear().env("PATH", &program.path);
    command.current_dir("/").stdin(Stdio::null()).stdout(log).stderr(errors);
    let begin = |error| Error::io(format!("start {} in the node", program.file.display()), error);
    enter(init(node)?, command).map_err(begin)?;
    ready(node, &config, limit)
}

/// Everything is below the node's folder, and containers are in the node's cgroup. No bridge and no rule of a firewall
/// is made, since those would be the machine's.
fn settings(folder: &Path, cgroup: &str) -> String {
    let below = |name: &str| folder.join(FOLDER).join(name).display().to_string();
    json!({
        "bridge": "none",
        "cgroup-parent": format!("/{cgroup}"),
        "containerd": folder.join(CONTAINERD),
        "data-root": below("data"),
        "exec-root": below("exec"),
        "features": { "containerd-snapshotter": true },
        "hosts": [format!("unix://{}", folder.join(SOCKET).display())],
        "ip-forward": false,
        "ip-masq": false,
        "ip6tables": false,
        "iptables": false,
        "pidfile": below("pid"),
        "userland-proxy": false,
    })
    .to_string()
}

/// The first process of the node, as this machine counts processes.
fn init(node: &Daemon) -> Result<u32> {
    let processes = process::below(node.guardian())?;
    let init = processes.iter().find(|process| process.node_pid == 1);
    init.map(|init| init.pid).ok_or_else(|| {
        Error::new(ErrorKind::Daemon, "the node has ended, so that no dockerd can be started in it")
    })
}

#[expect(clippy::disallowed_methods, reason = "dockerd gives no sign when it begins to serve")]
fn ready(node: &Daemon, config: &Path, limit: Duration) -> Result<Docker> {
    let socket = node.folder.join(SOCKET);
    let begin = Instant::now();
    loop {
        let attempt = Api::connect(&socket, limit).and_then(|api| {
            let version = api.wait("ask dockerd for its version", api.docker().version())?;
            Ok(Docker { api: api.into(), version: plain(version.version.as_deref().unwrap_or_default()) })
        });
        let why = match attempt {
            Ok(docker) => return Ok(docker),
            Err(error) => error,
        };
        if !process::below(node.guardian())?.iter().any(|process| is_ours(process, config)) {
            return Err(failed(config, "ended before it served"));
        }
        if begin.elapsed() > PATIENCE {
            return Err(failed(config, &format!("did not serve within {PATIENCE:?}: {why}")));
        }
        std::thread::sleep(PAUSE);
    }
}

fn is_ours(process: &Process, config: &Path) -> bool {
    process.args.iter().any(|arg| Path::new(arg) == config)
}

fn failed(config: &Path, what: &str) -> Error {
    let log = fs::read_to_string(config.with_file_name(LOG)).unwrap_or_else(|error| error.to_string());
    let lines: Vec<&str> = log.lines().collect();
    let tail = lines[lines.len().saturating_sub(TAIL)..].join("\n");
    Error::new(ErrorKind::Daemon, format!("dockerd {what}; its log ends with:\n{tail}"))
}

/// `28.5.2` of `28.5.2+dfsg4`.
fn plain(version: &str) -> String {
    version.split(['+', '~', '-']).next().unwrap_or_default().to_owned()
}

/// Below the node's folder; a socket's path must be short.
const SOCKET: &str = "d.sock";
const FOLDER: &str = "docker";
const CONFIG: &str = "daemon.json";
const LOG: &str = "log";
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);
const TAIL: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_everything_below_the_nodes_folder_and_makes_no_network() {
        let text = settings(Path::new("/tmp/shimmer-1"), "shimmer-1");
        let settings: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
        for name in ["data-root", "exec-root", "pidfile", "containerd"] {
            assert!(
                settings[name].as_str().is_some_and(|path| path.starts_with("/tmp/shimmer-1/")),
                "{name}: {text}"
            );
        }
        assert_eq!(settings["hosts"], json!(["unix:///tmp/shimmer-1/d.sock"]));
        assert_eq!((&settings["bridge"], &settings["iptables"]), (&json!("none"), &json!(false)));
        assert_eq!(settings["cgroup-parent"], "/shimmer-1");
    }

    #[test]
    fn reads_the_version_that_a_distribution_prints() {
        assert_eq!(plain("28.5.2+dfsg4"), "28.5.2");
        assert_eq!(plain("29.0.1"), "29.0.1");
    }
}
