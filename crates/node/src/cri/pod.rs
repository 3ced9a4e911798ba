//! Pods: a sandbox with a network, in which containers run.

use std::collections::HashMap;
use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use k8s_cri::v1::security_profile::ProfileType;
use k8s_cri::v1::{
    LinuxPodSandboxConfig, LinuxSandboxSecurityContext, NamespaceMode, NamespaceOption, PodSandboxConfig,
    PodSandboxMetadata, PodSandboxStatsRequest, PodSandboxStatus, PodSandboxStatusRequest,
    RemovePodSandboxRequest, RunPodSandboxRequest, SecurityProfile, StopPodSandboxRequest,
};

use crate::cri::{Cri, CriContainerSpec, PodContainer, PodState, Stats};
use crate::error::{Error, Result};
use crate::image::unique;

/// What a pod is to be.
#[derive(Clone, Debug)]
pub struct PodSpec {
    name: String,
    handler: String,
    hostname: Option<String>,
    labels: HashMap<String, String>,
    annotations: HashMap<String, String>,
    shares_network: bool,
}

impl PodSpec {
    /// A pod run by the runtime handler that a RuntimeClass would name, for example `runc` or `wasmtime`.
    pub fn new(name: impl Into<String>, handler: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            handler: handler.into(),
            hostname: None,
            labels: HashMap::new(),
            annotations: HashMap::new(),
            shares_network: false,
        }
    }

    /// The hostname, in place of the pod's name.
    #[must_use]
    pub fn hostname(mut self, name: impl Into<String>) -> Self {
        self.hostname = Some(name.into());
        self
    }

    /// One more label.
    #[must_use]
    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.labels.insert(name.into(), value.into());
        self
    }

    /// One more annotation.
    #[must_use]
    pub fn annotation(mut self, name: &str, value: &str) -> Self {
        self.annotations.insert(name.into(), value.into());
        self
    }

    /// Uses this machine's network in place of one of its own.
    #[must_use]
    pub fn host_network(mut self) -> Self {
        self.shares_network = true;
        self
    }

    fn config(&self, cri: &Cri) -> PodSandboxConfig {
        let uid = unique(&self.name);
        let security = LinuxSandboxSecurityContext {
            namespace_options: Some(self.namespaces()),
            seccomp: Some(SecurityProfile {
                profile_type: ProfileType::RuntimeDefault.into(),
                localhost_ref: String::new(),
            }),
            ..LinuxSandboxSecurityContext::default()
        };
        let hostname = self.hostname.as_ref().unwrap_or(&self.name);
        PodSandboxConfig {
            hostname: if self.shares_network { String::new() } else { hostname.clone() },
            log_directory: cri.logs.join(&uid).display().to_string(),
            metadata: Some(PodSandboxMetadata {
                name: self.name.clone(),
                uid,
                namespace: NAMESPACE.into(),
                attempt: 0,
            }),
            labels: self.labels.clone(),
            annotations: self.annotations.clone(),
            linux: Some(LinuxPodSandboxConfig {
                cgroup_parent: cri.parent.clone().unwrap_or_default(),
                security_context: Some(security),
                ..LinuxPodSandboxConfig::default()
            }),
            ..PodSandboxConfig::default()
        }
    }

    fn namespaces(&self) -> NamespaceOption {
        let network = if self.shares_network { NamespaceMode::Node } else { NamespaceMode::Pod };
        NamespaceOption {
            network: network.into(),
            pid: NamespaceMode::Container.into(),
            ipc: NamespaceMode::Pod.into(),
            ..NamespaceOption::default()
        }
    }
}

/// A pod that was made. Dropped, it is stopped and removed, and all of its containers with it.
#[derive(Debug)]
pub struct Pod {
    cri: Cri,
    id: String,
    ip: Option<IpAddr>,
    config: PodSandboxConfig,
    namespaces: NamespaceOption,
    is_deleted: AtomicBool,
}

impl Pod {
    pub(super) fn new(cri: Cri, spec: PodSpec) -> Result<Self> {
        let config = spec.config(&cri);
        let folder = &config.log_directory;
        fs::create_dir_all(folder).map_err(|error| Error::io(format!("make {folder}"), error))?;
        let namespaces = spec.namespaces();
        let message = RunPodSandboxRequest { config: Some(config.clone()), runtime_handler: spec.handler };
        let doing = format!("run the pod {}", spec.name);
        let id = cri.client.wait(doing, cri.runtime().run_pod_sandbox(message))?.pod_sandbox_id;
        // From here on, dropping removes what was made.
        let mut pod = Self { cri, id, ip: None, config, namespaces, is_deleted: AtomicBool::new(false) };
        pod.ip = pod.status()?.network.and_then(|network| network.ip.parse().ok());
        Ok(pod)
    }

    /// The id that containerd gave it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its address in the pod network; none on this machine's network.
    pub fn ip(&self) -> Option<IpAddr> {
        self.ip
    }

    /// Makes a container in it, without running it.
    ///
    /// # Errors
    /// [`Timeout`](crate::ErrorKind::Timeout) where CRI does not accept the image's name,
    /// [`Containerd`](crate::ErrorKind::Containerd) where it refuses the container.
    pub fn container(&self, spec: CriContainerSpec) -> Result<PodContainer> {
        self.cri.adopt(&spec.image)?;
        let config = spec.config(self.namespaces.clone())?;
        PodContainer::new(self.cri.clone(), &self.id, config, &self.config)
    }

    /// Whether its sandbox runs.
    pub fn state(&self) -> Result<PodState> {
        Ok(PodState::from(self.status()?.state()))
    }

    /// What its sandbox and its containers use together.
    pub fn stats(&self) -> Result<Stats> {
        let message = PodSandboxStatsRequest { pod_sandbox_id: self.id.clone() };
        let doing = self.doing("measure");
        let answer = self.cri.client.wait(doing, self.cri.runtime().pod_sandbox_stats(message))?;
        Ok(answer.stats.and_then(|stats| stats.linux).map(Stats::from).unwrap_or_default())
    }

    /// Kills its containers and its sandbox and takes its network down. It can be stopped again.
    pub fn stop(&self) -> Result<()> {
        let message = StopPodSandboxRequest { pod_sandbox_id: self.id.clone() };
        let doing = self.doing("stop");
        self.cri.client.wait(doing, self.cri.runtime().stop_pod_sandbox(message)).map(drop)
    }

    /// Stops it and removes it, its containers and their logs. It can be deleted again.
    pub fn delete(&self) -> Result<()> {
        self.stop()?;
        let message = RemovePodSandboxRequest { pod_sandbox_id: self.id.clone() };
        let doing = self.doing("delete");
        self.cri.client.wait(doing, self.cri.runtime().remove_pod_sandbox(message))?;
        self.is_deleted.store(true, Ordering::Relaxed);
        let folder = PathBuf::from(&self.config.log_directory);
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io(format!("remove {}", folder.display()), error))
            }
            _ => Ok(()),
        }
    }

    fn status(&self) -> Result<PodSandboxStatus> {
        let message = PodSandboxStatusRequest { pod_sandbox_id: self.id.clone(), verbose: false };
        let doing = self.doing("look at");
        let answer = self.cri.client.wait(doing, self.cri.runtime().pod_sandbox_status(message))?;
        Ok(answer.status.unwrap_or_default())
    }

    fn doing(&self, verb: &str) -> String {
        let name = self.config.metadata.as_ref().map(|metadata| metadata.name.as_str()).unwrap_or_default();
        format!("{verb} the pod {name}")
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        if !self.is_deleted.load(Ordering::Relaxed) {
            // A destructor has nobody to report to, and the node ends what stays.
            let _unreported = self.delete();
        }
    }
}

/// The Kubernetes namespace that pods are said to be in; the runtime only notes it.
const NAMESPACE: &str = "default";
