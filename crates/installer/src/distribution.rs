//! Whose containerd a node has, which file configures it, and where our part of that goes.

mod imports;
mod places;
mod presence;
mod system;

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::host::Host;
use crate::schema::{Schema, Version};

/// Who brought the node's containerd.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Distribution {
    /// containerd as a service of its own: kubeadm, EKS, AKS, GKE with Ubuntu
    Containerd,
    /// k3s, which has a containerd inside
    K3s,
    /// RKE2, which has a containerd inside
    Rke2,
    /// k0s, which has a containerd inside
    K0s,
    /// MicroK8s, a snap with a containerd inside
    Microk8s,
}

/// What the operator has said; what is missing is looked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Declared {
    pub(crate) distribution: Option<Distribution>,
    pub(crate) config: Option<PathBuf>,
    pub(crate) socket: Option<PathBuf>,
}

/// Where to write, and how to ask containerd about it. All paths are the node's own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Site {
    pub(crate) distribution: Distribution,
    /// The root configuration, which containerd is started with.
    pub(crate) config: PathBuf,
    /// Whether `config` is there. If it is not, containerd runs on its defaults.
    pub(crate) configured: bool,
    /// What `Placement`'s file is written in.
    pub(crate) schema: Schema,
    pub(crate) placement: Placement,
    /// What the distribution makes of `Placement`'s file, and containerd reads: a candidate is this with our tables.
    pub(crate) rendered: Option<PathBuf>,
    /// The binary to run for `config dump`.
    pub(crate) containerd: PathBuf,
    pub(crate) version: Version,
    pub(crate) socket: PathBuf,
}

/// How our tables reach containerd's configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Placement {
    /// A file of our own in a folder that the root imports. The folder may be missing.
    DropIn(PathBuf),
    /// Into a file that somebody else has written.
    Edit(PathBuf),
    /// The root itself, which there is none of.
    New(PathBuf),
    /// A template of our own, which begins with the distribution's.
    Template(PathBuf),
    /// A template that somebody else has written: nothing can be written, only said.
    Foreign(PathBuf),
}

impl Placement {
    /// The file that is written.
    pub(crate) fn file(&self) -> &Path {
        match self {
            Self::DropIn(file)
            | Self::Edit(file)
            | Self::New(file)
            | Self::Template(file)
            | Self::Foreign(file) => file,
        }
    }
}

/// A node's files as they would be without what an earlier install wrote, so that an upgrade finds the same place again
/// and nothing has to be taken away before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node<'a> {
    host: &'a Host,
    instead: Option<(&'a Path, Option<&'a [u8]>)>,
}

impl<'a> Node<'a> {
    /// The files as they are.
    pub(crate) fn new(host: &'a Host) -> Self {
        Self { host, instead: None }
    }

    /// The files with `content` in `file`, or without that file.
    pub(crate) fn with(self, file: &'a Path, content: Option<&'a [u8]>) -> Self {
        Self { instead: Some((file, content)), ..self }
    }

    /// As `Host::read`.
    pub(crate) fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        match self.instead {
            Some((file, content)) if file == path => Ok(content.map(<[u8]>::to_vec)),
            _ => self.host.read(path),
        }
    }
}

impl Site {
    /// Finds the node's containerd. `version` runs `containerd --version` for a binary of the node's.
    pub(crate) fn detect(
        node: &Node<'_>,
        declared: &Declared,
        version: &dyn Fn(&Path) -> Result<Version>,
    ) -> Result<Self> {
        let _ = (node, declared, version);
        Err(Error::refused("not yet"))
    }
}
