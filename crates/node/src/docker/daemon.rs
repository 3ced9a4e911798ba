//! The private dockerd: its settings, and its process in the node's namespaces.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use super::Docker;
use super::api::Api;
use crate::PATIENCE;
use crate::companion::Companion;
use crate::daemon::Daemon;
use crate::environment::Dockerd;
use crate::error::{Error, Result};

/// Starts a dockerd on the node's containerd; returns once it serves. No call to it takes longer than `limit`.
pub(crate) fn start(node: &Daemon, limit: Duration) -> Result<Docker> {
    let program = Dockerd::detect()?;
    let folder = node.folder.join(FOLDER);
    let config = folder.join(CONFIG);
    let write = |error| Error::io(format!("write {}", config.display()), error);
    fs::create_dir(&folder).map_err(write)?;
    fs::write(&config, settings(&node.folder, &node.socket, node.traces.name())).map_err(write)?;
    let mut command = Command::new(&program.file);
    command.arg("--config-file").arg(&config).env_clear().env("PATH", &program.path);
    let dockerd = Companion::start(node, command, &folder.join(LOG))?;
    ready(node, &dockerd, limit)
}

/// Everything is below the node's folder, and containers are in the node's cgroup. No bridge and no rule of a firewall
/// is made, since those would be the machine's.
fn settings(folder: &Path, containerd: &Path, cgroup: &str) -> String {
    let below = |name: &str| folder.join(FOLDER).join(name).display().to_string();
    json!({
        "bridge": "none",
        "cgroup-parent": format!("/{cgroup}"),
        "containerd": containerd,
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

#[expect(clippy::disallowed_methods, reason = "dockerd gives no sign when it begins to serve")]
fn ready(node: &Daemon, dockerd: &Companion, limit: Duration) -> Result<Docker> {
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
        if dockerd.has_ended()? {
            return Err(dockerd.failed("ended before it served"));
        }
        if begin.elapsed() > PATIENCE {
            return Err(dockerd.failed(&format!("did not serve within {PATIENCE:?}: {why}")));
        }
        std::thread::sleep(PAUSE);
    }
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
const PAUSE: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_everything_below_the_nodes_folder_and_makes_no_network() {
        let text = settings(Path::new("/tmp/shimmer-1"), Path::new("/tmp/shimmer-1/c.sock"), "shimmer-1");
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
