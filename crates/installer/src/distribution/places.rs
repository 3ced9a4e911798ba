//! Where each distribution has its files.

use std::path::{Path, PathBuf};

use super::Distribution;

/// The paths of a distribution.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// What is edited, or says where to write. For MicroK8s it is the template.
    pub(super) config: PathBuf,
    pub(super) binaries: Vec<PathBuf>,
    pub(super) socket: PathBuf,
}

impl Place {
    /// Where `distribution` has them, or what follows from where the operator says that its configuration is.
    pub(super) fn of(distribution: Distribution, config: Option<&Path>) -> Self {
        let config = config.unwrap_or_else(|| {
            Path::new(match distribution {
                Distribution::Containerd => "/etc/containerd/config.toml",
                Distribution::K3s => "/var/lib/rancher/k3s/agent/etc/containerd/config.toml",
                Distribution::Rke2 => "/var/lib/rancher/rke2/agent/etc/containerd/config.toml",
                Distribution::K0s => "/etc/k0s/containerd.toml",
                Distribution::Microk8s => "/var/snap/microk8s/current/args/containerd-template.toml",
            })
        });
        // k3s and RKE2 have <data>/agent/etc/containerd/config.toml, and the data may be anywhere (--data-dir).
        let data = config.ancestors().nth(4).unwrap_or_else(|| Path::new("/"));
        let (binaries, socket): (Vec<PathBuf>, &str) = match distribution {
            Distribution::Containerd => (
                ["/usr/bin", "/usr/local/bin", "/usr/sbin", "/usr/local/sbin", "/opt/bin"]
                    .map(|folder| Path::new(folder).join("containerd"))
                    .into(),
                "/run/containerd/containerd.sock",
            ),
            Distribution::K3s | Distribution::Rke2 => (
                ["data/current/bin/containerd", "bin/containerd"].map(|file| data.join(file)).into(),
                "/run/k3s/containerd/containerd.sock",
            ),
            Distribution::K0s => (vec!["/var/lib/k0s/bin/containerd".into()], "/run/k0s/containerd.sock"),
            Distribution::Microk8s => (
                vec!["/snap/microk8s/current/bin/containerd".into()],
                "/var/snap/microk8s/common/run/containerd.sock",
            ),
        };
        Self { config: config.to_owned(), binaries, socket: socket.into() }
    }
}
