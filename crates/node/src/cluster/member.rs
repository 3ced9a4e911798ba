//! A node of a cluster: a private containerd in a network of its own, with a kubelet and a kube-proxy beside it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use serde_json::json;

use crate::cluster::cgroups;
use crate::cluster::control::FEATURES;
use crate::cluster::dns;
use crate::cluster::network::{self, ALL_PODS};
use crate::cluster::programs::Programs;
use crate::companion::Companion;
use crate::daemon::{Member, write};
use crate::environment;
use crate::error::{Error, Result};
use crate::{Node, NodeBuilder};

/// A node of a cluster, which is a private [`Node`] besides.
#[derive(Debug)]
pub struct ClusterNode {
    number: u8,
    parts: Option<Parts>,
    node: Node,
}

/// What makes the node one of the cluster.
#[derive(Debug)]
struct Parts {
    kubelet: Mutex<Companion>,
    /// What it is started with, to be started again.
    command: (PathBuf, Vec<String>),
    proxy: Companion,
}

impl ClusterNode {
    /// Starts the node's containerd; the node is not in the cluster yet.
    pub(crate) fn start_runtime(number: u8, builder: NodeBuilder) -> Result<Self> {
        let member = Member { pods: network::pods(number), empty: HIDDEN.to_vec(), files: SETTINGS.to_vec() };
        let node = builder.member(member).memory().start()?;
        // Sandboxes are made from an image that the kubelet does not know how to get.
        node.cri()?;
        Ok(Self { number, parts: None, node })
    }

    /// Its name in the cluster, as in `node1`.
    pub fn name(&self) -> String {
        format!("node{}", self.number)
    }

    /// The containerd of the node, its processes and images.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Which of the cluster's nodes it is, counted from 1.
    pub(crate) fn number(&self) -> u8 {
        self.number
    }

    /// Kills the kubelet and starts it again, while pods live on. The node is ready again some time later.
    ///
    /// # Errors
    /// [`Daemon`](crate::ErrorKind::Daemon) with the end of its log where it had ended by itself.
    pub fn restart_kubelet(&self) -> Result<()> {
        let Some(Parts { kubelet, command, .. }) = &self.parts else { return Ok(()) };
        let mut kubelet = kubelet.lock().unwrap_or_else(PoisonError::into_inner);
        if kubelet.has_ended()? {
            return Err(kubelet.failed("had ended before it was to be restarted"));
        }
        kubelet.kill()?;
        *kubelet = self.start_kubelet(command)?;
        Ok(())
    }

    /// The cgroup below which its pods are, as a path below each hierarchy.
    pub fn cgroup(&self) -> PathBuf {
        Path::new("/").join(self.node.name())
    }

    /// All that a program of Kubernetes has logged on this node: `kubelet` or `kube-proxy`.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io) where there is no such log.
    pub fn log_of(&self, program: &str) -> Result<String> {
        let path = self.log(program);
        let log = fs::read(&path).map_err(|error| Error::io(format!("read {}", path.display()), error))?;
        Ok(String::from_utf8_lossy(&log).into_owned())
    }

    /// Starts a program in the node's namespaces.
    pub(crate) fn start(&self, mut command: Command, log: &Path) -> Result<Companion> {
        command.env_clear().env("PATH", environment::extended(&self.node.path()?)?);
        self.node.companion(command, log)
    }

    /// Makes the node one of the cluster that `kubeconfig` is of; it is ready some time later.
    pub(crate) fn join(&mut self, programs: &Programs, kubeconfig: &Path) -> Result<()> {
        let folder = self.node.folder().to_owned();
        write(&folder.join("kubelet.json"), &self.settings(&folder))?;
        cgroups::make(self.node.name())?;
        let kubeconfig = format!("--kubeconfig={}", kubeconfig.display());
        let name = format!("--hostname-override={}", self.name());
        let arguments = vec![
            format!("--config={}", folder.join("kubelet.json").display()),
            kubeconfig.clone(),
            format!("--root-dir={}", folder.join("kubelet").display()),
            format!("--cert-dir={}", folder.join("kubelet-certificates").display()),
            name.clone(),
            format!("--node-ip={}", network::address(self.number)),
        ];
        let command = (programs.program("kubelet"), arguments);
        let kubelet = Mutex::new(self.start_kubelet(&command)?);
        let mut proxy = Command::new(programs.program("kube-proxy"));
        proxy.args([kubeconfig, name, format!("--cluster-cidr={ALL_PODS}")]).args(PROXY);
        let proxy = self.start(proxy, &self.log("kube-proxy"))?;
        self.parts = Some(Parts { kubelet, command, proxy });
        Ok(())
    }

    /// Fails where one of its programs has ended, with the end of its log.
    pub(crate) fn check(&self) -> Result<()> {
        let Some(Parts { kubelet, proxy, .. }) = &self.parts else { return Ok(()) };
        for part in [&*kubelet.lock().unwrap_or_else(PoisonError::into_inner), proxy] {
            if part.has_ended()? {
                return Err(part.failed("has ended"));
            }
        }
        Ok(())
    }

    /// Ends the node, and everything on it.
    pub(crate) fn stop(self) -> Result<()> {
        self.node.stop()
    }

    fn start_kubelet(&self, (program, arguments): &(PathBuf, Vec<String>)) -> Result<Companion> {
        let mut command = Command::new(program);
        command.args(arguments);
        self.start(command, &self.log("kubelet"))
    }

    fn log(&self, program: &str) -> PathBuf {
        self.node.folder().join(format!("{program}.log"))
    }

    /// The kubelet's configuration. JSON is YAML.
    fn settings(&self, folder: &Path) -> String {
        json!({
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": network::address(self.number),
            "authentication": { "anonymous": { "enabled": true }, "webhook": { "enabled": false } },
            "authorization": { "mode": "AlwaysAllow" },
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": format!("/{}", self.node.name()),
            "containerRuntimeEndpoint": format!("unix://{}", self.node.socket().display()),
            "podLogsDir": folder.join("pods").display().to_string(),
            "volumePluginDir": folder.join("volume-plugins").display().to_string(),
            "clusterDNS": [dns::ADDRESS],
            "clusterDomain": dns::DOMAIN,
            // No pod learns the names that this machine asks.
            "resolvConf": "",
            "failCgroupV1": false,
            "failSwapOn": false,
            "oomScoreAdj": 0,
            "featureGates": { FEATURES: true },
            "serializeImagePulls": false,
            // A machine that is nearly full is the user's affair, and no reason to evict.
            "evictionHard": { "imagefs.available": "1%", "nodefs.available": "1%", "memory.available": "100Mi" },
            "imageGCHighThresholdPercent": 100,
            "imageMaximumGCAge": "0s",
            "kubeAPIQPS": 200,
            "kubeAPIBurst": 400,
            "eventRecordQPS": 0,
        })
        .to_string()
    }
}

/// Folders of the host's that a kubelet writes into whatever its settings say.
const HIDDEN: [&str; 2] = ["/var/lib", "/var/log"];
/// Settings of the kernel that a kubelet wants to be so, and would make so for the whole machine.
const SETTINGS: [(&str, &str); 6] = [
    ("/proc/sys/kernel/keys/root_maxbytes", "25000000\n"),
    ("/proc/sys/kernel/keys/root_maxkeys", "1000000\n"),
    ("/proc/sys/kernel/panic", "10\n"),
    ("/proc/sys/kernel/panic_on_oops", "1\n"),
    ("/proc/sys/vm/overcommit_memory", "1\n"),
    ("/proc/sys/vm/panic_on_oom", "0\n"),
];
/// The machine's table of connections stays as it is.
const PROXY: [&str; 5] = [
    "--conntrack-max-per-core=0",
    "--conntrack-min=0",
    "--conntrack-tcp-timeout-close-wait=0s",
    "--conntrack-tcp-timeout-established=0s",
    "--bind-address=0.0.0.0",
];
