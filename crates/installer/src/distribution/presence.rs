//! Which distributions a node shows signs of, and which of them is meant.

use std::fmt;
use std::path::{Path, PathBuf};

use super::places::Place;
use super::{Declared, Distribution, Node};
use crate::error::{Error, Result};

/// The one distribution that a node has, or the one that was declared if that does not contradict what is there.
///
/// A containerd in /etc beside one of the others is usual: Docker brings one. The other one then is the kubelet's, as long as
/// it serves and nothing of kubeadm's is there.
pub(super) fn decide(node: &Node<'_>, declared: &Declared) -> Result<Distribution> {
    if let Some(config) = &declared.config {
        return of_file(config, declared.distribution);
    }
    let mut found = Vec::new();
    for distribution in ALL {
        if let Some(sign) = Sign::of(node, distribution)? {
            found.push(sign);
        }
    }
    match declared.distribution {
        Some(declared) => confirm(declared, &found),
        None => choose(node, &found),
    }
}

/// Whose a file is that the operator has named.
fn of_file(config: &Path, declared: Option<Distribution>) -> Result<Distribution> {
    let usual = ALL.into_iter().find(|distribution| Place::of(*distribution, None).config == config);
    match (usual, declared) {
        (Some(usual), Some(declared)) if usual != declared => {
            Err(Error::refused(format!("{declared} was declared, and {} is {usual}'s", config.display())))
        }
        (None, None) if config.ends_with("agent/etc/containerd/config.toml") => Err(Error::refused(format!(
            "{} is where k3s and RKE2 write theirs, and they write it anew at every start: say by --distribution whose it is",
            config.display()
        ))),
        (usual, declared) => Ok(declared.or(usual).unwrap_or(Distribution::Containerd)),
    }
}

const ALL: [Distribution; 5] = [
    Distribution::Containerd,
    Distribution::K3s,
    Distribution::Rke2,
    Distribution::K0s,
    Distribution::Microk8s,
];

/// A distribution that has left a file.
struct Sign {
    distribution: Distribution,
    file: PathBuf,
    socket: PathBuf,
    serves: bool,
}

impl Sign {
    fn of(node: &Node<'_>, distribution: Distribution) -> Result<Option<Self>> {
        let place = Place::of(distribution, None);
        let signs = match distribution {
            Distribution::Containerd => {
                std::iter::once(&place.config).chain(&place.binaries).cloned().collect()
            }
            _ => vec![place.config.clone()],
        };
        for file in signs {
            if node.has(&file)? {
                let serves = node.has(&place.socket)?;
                return Ok(Some(Self { distribution, file, socket: place.socket, serves }));
            }
        }
        Ok(None)
    }
}

impl fmt::Display for Sign {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let serves = if self.serves { "serves" } else { "does not serve" };
        let (file, socket) = (self.file.display(), self.socket.display());
        write!(out, "{} ({file} is there, and it {serves} at {socket})", self.distribution)
    }
}

fn confirm(declared: Distribution, found: &[Sign]) -> Result<Distribution> {
    let all = || listed(found);
    let Some(sign) = found.iter().find(|sign| sign.distribution == declared) else {
        return Err(Error::refused(format!("{declared} was declared, and this node has {}", all())));
    };
    if !sign.serves && found.iter().any(|other| other.serves && other.socket != sign.socket) {
        return Err(Error::refused(format!(
            "{declared} was declared, and something else serves: this node has {}",
            all()
        )));
    }
    Ok(declared)
}

fn choose(node: &Node<'_>, found: &[Sign]) -> Result<Distribution> {
    let plain = found.iter().find(|sign| sign.distribution == Distribution::Containerd);
    let others: Vec<&Sign> =
        found.iter().filter(|sign| sign.distribution != Distribution::Containerd).collect();
    let unsure = |why: &str| {
        Err(Error::refused(format!(
            "{why}: this node has {}. Say which is meant by --distribution",
            listed(found)
        )))
    };
    match (plain, others.as_slice()) {
        (None, []) => Err(Error::refused(
            "no containerd was found on this node: is this the host's root? Where it is elsewhere, say so by --config",
        )),
        (Some(_), []) => Ok(Distribution::Containerd),
        (plain, [other]) => {
            let kubeadm = node.has(Path::new("/etc/kubernetes/kubelet.conf"))?;
            match plain {
                Some(_) if kubeadm => {
                    unsure("two clusters' files are here (/etc/kubernetes/kubelet.conf is kubeadm's)")
                }
                Some(plain) if plain.serves && !other.serves => {
                    unsure("it is unclear which containerd is the kubelet's")
                }
                _ => Ok(other.distribution),
            }
        }
        _ => unsure("more than one distribution is here"),
    }
}

fn listed(found: &[Sign]) -> String {
    let all: Vec<String> = found.iter().map(Sign::to_string).collect();
    if all.is_empty() { "none that is known".to_owned() } else { all.join(" and ") }
}
