//! Whose containerd a node has, which file configures it, and where our part of that goes.

pub(crate) mod imports;
mod places;
mod placing;
mod presence;
mod system;

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::host::Host;
use crate::schema::{Schema, Version};
use crate::tree;
use places::Place;
use placing::Found;

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

impl fmt::Display for Distribution {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Containerd => "containerd",
            Self::K3s => "k3s",
            Self::Rke2 => "rke2",
            Self::K0s => "k0s",
            Self::Microk8s => "microk8s",
        })
    }
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

impl Site {
    /// Whether the distribution itself restarts containerd when the file changes that is written: k0s watches its folder of
    /// drop-ins, and no other file.
    pub(crate) fn is_watched(&self) -> bool {
        self.distribution == Distribution::K0s && matches!(self.placement, Placement::DropIn(_))
    }
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

    /// As `Host::has`.
    pub(crate) fn has(&self, path: &Path) -> Result<bool> {
        match self.instead {
            Some((file, content)) if file == path => Ok(content.is_some()),
            _ => self.host.has(path),
        }
    }

    /// As `Host::names`.
    pub(crate) fn names(&self, folder: &Path) -> Result<Vec<OsString>> {
        let mut names = self.host.names(folder)?;
        if let Some((file, content)) = self.instead
            && let (Some(parent), Some(name)) = (file.parent(), file.file_name())
            && parent == folder
        {
            names.retain(|other| other != name);
            names.extend(content.map(|_| name.to_owned()));
            names.sort();
        }
        Ok(names)
    }
}

impl Site {
    /// Finds the node's containerd. `version` runs `containerd --version` for a binary of the node's.
    ///
    /// # Errors
    /// Refused wherever it is unclear which containerd is meant, or how to add to its configuration.
    pub(crate) fn detect(
        node: &Node<'_>,
        declared: &Declared,
        version: &dyn Fn(&Path) -> Result<Version>,
    ) -> Result<Self> {
        system::refuse_read_only(node)?;
        let distribution = presence::decide(node, declared)?;
        let place = Place::of(distribution, declared.config.as_deref());
        if let Some(config) = &declared.config
            && !node.has(config)?
        {
            return Err(Error::refused(format!(
                "there is no {}, which was declared by --config",
                config.display()
            )));
        }
        let containerd = binary(node, &place)?;
        let version = version(&containerd)?;
        let config = config(node, &place.config)?;
        let found = Found { node, distribution, version, config: config.as_ref(), file: &place.config };
        let schema = found.schema()?;
        let (placement, rendered) = match distribution {
            Distribution::Containerd => (found.plain(schema)?, None),
            Distribution::K3s | Distribution::Rke2 => found.rancher(schema)?,
            Distribution::K0s => found.k0s(schema)?,
            Distribution::Microk8s => found.microk8s()?,
        };
        let listens = match &rendered {
            Some(file) => self::config(node, file)?.as_ref().and_then(socket),
            None => None,
        };
        let listens = listens.or_else(|| config.as_ref().and_then(socket));
        Ok(Self {
            distribution,
            configured: config.is_some(),
            schema,
            placement,
            rendered,
            containerd,
            version,
            socket: declared.socket.clone().or(listens).unwrap_or(place.socket),
            config: place.config,
        })
    }
}

/// The values of a configuration; `None` where there is no such file.
pub(crate) fn config(node: &Node<'_>, file: &Path) -> Result<Option<Value>> {
    let Some(bytes) = node.read(file)? else { return Ok(None) };
    let parsed =
        String::from_utf8(bytes).map_err(|error| error.to_string()).and_then(|text| tree::parse(&text));
    parsed.map(Some).map_err(|error| {
        Error::refused(format!(
            "{} is not TOML, and containerd would not start with it: {error}",
            file.display()
        ))
    })
}

/// Where a configuration says that containerd listens.
pub(crate) fn socket(config: &Value) -> Option<PathBuf> {
    let old = tree::at(config, &["grpc", "address"]);
    let new = || tree::at(config, &["plugins", "io.containerd.server.v1.grpc", "address"]);
    let address = old.or_else(new).and_then(Value::as_str)?;
    let path = Path::new(address.strip_prefix("unix://").unwrap_or(address));
    path.is_absolute().then(|| path.to_owned())
}

/// Refuses a containerd that serves no kubelet.
pub(crate) fn refuse_without_cri(config: &Value, file: &Path) -> Result<()> {
    let disabled = config.get("disabled_plugins").and_then(Value::as_array);
    let off = |name: &&Value| name.as_str().is_some_and(|name| CRI.contains(&name));
    match disabled.and_then(|all| all.iter().find(off)) {
        None => Ok(()),
        Some(name) => Err(Error::refused(format!(
            "{} turns CRI off (disabled_plugins has {name}), so no kubelet uses this containerd: remove it there, or say \
             which containerd is meant",
            file.display()
        ))),
    }
}

/// The names by which CRI is turned off.
const CRI: [&str; 4] =
    ["cri", "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime", "io.containerd.cri.v1.images"];

fn binary(node: &Node<'_>, place: &Place) -> Result<PathBuf> {
    for file in &place.binaries {
        if node.has(file)? {
            return Ok(file.clone());
        }
    }
    let tried: Vec<String> = place.binaries.iter().map(|file| file.display().to_string()).collect();
    Err(Error::refused(format!("no containerd is at {}: is this the host's root?", tried.join(" or "))))
}
