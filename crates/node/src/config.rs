//! The files that containerd and CNI read: made for one node, below its folder, for containerd 1.7 and for
//! 2.x.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::bare::Bare;
use crate::environment::{Environment, Version};
use crate::error::{Error, ErrorKind, Result};
use crate::network::Network;

/// What the settings of one node depend on.
#[derive(Debug)]
pub(crate) struct Settings<'a> {
    pub(crate) environment: &'a Environment,
    pub(crate) folder: &'a Path,
    /// Where containerd serves, as the node sees it.
    pub(crate) socket: &'a Path,
    pub(crate) handlers: &'a [String],
    pub(crate) sandbox_image: &'a str,
    pub(crate) bridge: &'a str,
    pub(crate) network: &'a Network,
    /// Whether systemd makes the cgroups of pods.
    pub(crate) systemd: bool,
    /// What a bare node's has besides.
    pub(crate) bare: Option<Bare>,
}

impl Settings<'_> {
    /// The text of containerd's configuration file.
    pub(crate) fn containerd(&self) -> Result<String> {
        let modern = self.environment.version.major >= 2;
        let (version, plugins) = if modern { (3, self.modern_cri()) } else { (2, self.legacy_cri()) };
        let mut plugins = plugins;
        plugins.insert("io.containerd.internal.v1.opt".into(), json!({ "path": self.below("opt") }));
        let mut config = json!({
            "version": version,
            "root": self.below("root"),
            "state": self.below("state"),
            "disabled_plugins": UNUSED,
            "grpc": { "address": self.socket },
            "plugins": plugins,
            "timeouts": timeouts(),
        });
        if let Some(imports) = self.bare.and_then(Bare::imports) {
            config["imports"] = json!([imports]);
        }
        let text = toml::to_string(&config).map_err(|error| {
            Error::new(ErrorKind::Environment, format!("cannot write containerd's configuration: {error}"))
        })?;
        Ok(if self.bare.is_some() { format!("{HEADING}{text}") } else { text })
    }

    /// The text of the CNI network that pods of this node are attached to.
    pub(crate) fn network(&self) -> String {
        let ipam = json!({
            "type": "host-local",
            "dataDir": self.below("ipam"),
            "ranges": [[{ "subnet": self.network.pods() }]],
            "routes": [{ "dst": "0.0.0.0/0" }],
        });
        let bridge = json!({ "type": "bridge", "bridge": self.bridge, "isGateway": true, "hairpinMode": true,
            "ipMasq": false, "ipam": ipam });
        let mut plugins = vec![bridge, json!({ "type": "loopback" })];
        // The ports of pods are for whoever has the node's network to himself.
        if let Network::Own(_) = self.network {
            plugins.push(json!({ "type": "portmap", "capabilities": { "portMappings": true } }));
        }
        json!({ "cniVersion": "1.0.0", "name": "pods", "plugins": plugins }).to_string()
    }

    fn legacy_cri(&self) -> Map<String, Value> {
        let cri = json!({
            "sandbox_image": self.sandbox_image,
            "restrict_oom_score_adj": !self.environment.may_lower_oom_score,
            "netns_mounts_under_state_dir": true,
            "cni": { "bin_dir": self.environment.cni, "conf_dir": self.below(CNI) },
            "containerd": { "runtimes": self.runtimes() },
        });
        Map::from_iter([("io.containerd.grpc.v1.cri".to_owned(), cri)])
    }

    fn modern_cri(&self) -> Map<String, Value> {
        let cni = if self.environment.version > (Version { major: 2, minor: 0 }) {
            json!({ "bin_dirs": [self.environment.cni], "conf_dir": self.below(CNI) })
        } else {
            json!({ "bin_dir": self.environment.cni, "conf_dir": self.below(CNI) })
        };
        let runtime = json!({
            "restrict_oom_score_adj": !self.environment.may_lower_oom_score,
            "netns_mounts_under_state_dir": true,
            "cni": cni,
            "containerd": { "runtimes": self.runtimes() },
        });
        let images = json!({ "pinned_images": { "sandbox": self.sandbox_image } });
        Map::from_iter([
            ("io.containerd.cri.v1.runtime".to_owned(), runtime),
            ("io.containerd.cri.v1.images".to_owned(), images),
        ])
    }

    fn runtimes(&self) -> Value {
        let runtime = |kind: String| {
            let plain = json!({ "runtime_type": kind });
            let chosen = json!({ "runtime_type": kind, "options": { "SystemdCgroup": self.systemd } });
            // kubeadm's nodes say it in either case.
            if self.systemd || self.bare.is_some() { chosen } else { plain }
        };
        let mut runtimes = Map::from_iter([("runc".to_owned(), runtime("io.containerd.runc.v2".into()))]);
        for handler in self.handlers {
            runtimes.insert(handler.clone(), runtime(format!("io.containerd.{handler}.v1")));
        }
        Value::Object(runtimes)
    }

    fn below(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }
}

/// containerd's socket, below the node's folder.
pub(crate) const SOCKET: &str = "c.sock";
/// The folder of CNI networks, below the node's folder.
pub(crate) const CNI: &str = "cni";

/// A comment, as people write them, which an installer has to leave where it is.
const HEADING: &str = "# containerd of a private node. This comment is to outlive all that is installed.\n";

/// Snapshotters that nobody here uses and that probe the machine when they start.
const UNUSED: [&str; 5] = [
    "io.containerd.snapshotter.v1.blockfile",
    "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper",
    "io.containerd.snapshotter.v1.erofs",
    "io.containerd.snapshotter.v1.zfs",
];

fn timeouts() -> Map<String, Value> {
    TIMEOUTS.iter().map(|name| (format!("io.containerd.timeout.{name}"), json!(PATIENT))).collect()
}

/// What containerd gives a shim 2 to 5 s for by itself: after that it says of a container that it knows nothing of it, or
/// kills it when it is itself started again. A busy machine can take longer.
const TIMEOUTS: [&str; 4] = ["shim.cleanup", "shim.load", "shim.shutdown", "task.state"];
const PATIENT: &str = "60s";

#[cfg(test)]
mod tests {
    use super::*;

    fn config(major: u32, minor: u32) -> toml::Table {
        config_with(major, minor, false)
    }

    fn config_with(major: u32, minor: u32, systemd: bool) -> toml::Table {
        text(major, minor, systemd, None).parse().expect("it is TOML")
    }

    fn text(major: u32, minor: u32, systemd: bool, bare: Option<Bare>) -> String {
        let environment = Environment {
            containerd: "/usr/bin/containerd".into(),
            version: Version { major, minor },
            path: "/usr/bin".into(),
            cni: "/usr/lib/cni".into(),
            may_lower_oom_score: false,
        };
        let handlers = ["wasmtime".to_owned()];
        let settings = Settings {
            environment: &environment,
            folder: Path::new("/tmp/node"),
            socket: Path::new("/tmp/node/c.sock"),
            handlers: &handlers,
            sandbox_image: "localhost/pause:1",
            bridge: "bridge0",
            network: &Network::Own("10.88.1.0/24".into()),
            systemd,
            bare,
        };
        settings.containerd().expect("a configuration")
    }

    #[test]
    fn writes_version_2_for_containerd_1_7() {
        let config = config(1, 7);
        let cri = &config["plugins"]["io.containerd.grpc.v1.cri"];
        assert_eq!(config["version"].as_integer(), Some(2));
        assert_eq!(cri["sandbox_image"].as_str(), Some("localhost/pause:1"));
        assert_eq!(
            cri["containerd"]["runtimes"]["wasmtime"]["runtime_type"].as_str(),
            Some("io.containerd.wasmtime.v1")
        );
    }

    #[test]
    fn writes_version_3_for_containerd_2() {
        let config = config(2, 1);
        let runtime = &config["plugins"]["io.containerd.cri.v1.runtime"];
        assert_eq!(config["version"].as_integer(), Some(3));
        assert_eq!(runtime["restrict_oom_score_adj"].as_bool(), Some(true), "we lack CAP_SYS_RESOURCE");
        assert_eq!(runtime["cni"]["bin_dirs"][0].as_str(), Some("/usr/lib/cni"));
        assert!(
            self::config(2, 0)["plugins"]["io.containerd.cri.v1.runtime"]["cni"].get("bin_dirs").is_none()
        );
    }

    #[test]
    fn tells_every_runtime_who_makes_cgroups() {
        for (major, plugin) in [(1, "io.containerd.grpc.v1.cri"), (2, "io.containerd.cri.v1.runtime")] {
            for handler in ["runc", "wasmtime"] {
                let option = |systemd| {
                    let config = config_with(major, 7, systemd);
                    let runtime = &config["plugins"][plugin]["containerd"]["runtimes"][handler];
                    runtime.get("options").and_then(|options| options["SystemdCgroup"].as_bool())
                };
                assert_eq!((option(true), option(false)), (Some(true), None), "{handler} under {major}");
            }
        }
    }

    #[test]
    fn a_bare_nodes_has_a_comment_its_imports_and_says_that_systemd_makes_no_cgroups() {
        for (major, plugin) in [(1, "io.containerd.grpc.v1.cri"), (2, "io.containerd.cri.v1.runtime")] {
            let text = |imports| text(major, 7, false, Some(Bare { imports }));
            assert!(text(true).starts_with("# "), "{}", text(true));
            let with: toml::Table = text(true).parse().expect("it is TOML");
            let without: toml::Table = text(false).parse().expect("it is TOML");
            assert_eq!(with["imports"][0].as_str(), Some("/etc/containerd/conf.d/*.toml"));
            assert!(without.get("imports").is_none(), "{without}");
            let runc = &with["plugins"][plugin]["containerd"]["runtimes"]["runc"];
            assert_eq!(runc["options"]["SystemdCgroup"].as_bool(), Some(false));
        }
    }

    #[test]
    fn keeps_everything_below_the_nodes_folder() {
        let text = config(2, 1).to_string();
        for name in ["root", "state", "c.sock", "opt", "cni"] {
            assert!(text.contains(&format!("/tmp/node/{name}")), "{name} is not in the folder:\n{text}");
        }
    }
}
