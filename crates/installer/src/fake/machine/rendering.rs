//! Distributions that make what their containerd reads, at every start.

use std::path::{Path, PathBuf};

use toml_edit::DocumentMut;

use super::merge;
use crate::distribution::Distribution;
use crate::error::{Error, Result};

/// The file that a distribution's containerd is started with.
pub(super) fn config(distribution: Distribution) -> &'static str {
    match distribution {
        Distribution::Containerd => "/etc/containerd/config.toml",
        Distribution::K3s => "/var/lib/rancher/k3s/agent/etc/containerd/config.toml",
        Distribution::Rke2 => "/var/lib/rancher/rke2/agent/etc/containerd/config.toml",
        Distribution::K0s => "/etc/k0s/containerd.toml",
        Distribution::Microk8s => "/var/snap/microk8s/current/args/containerd.toml",
    }
}

/// How it is made.
#[derive(Debug)]
pub(super) enum Rendering {
    /// k3s and RKE2: by a template beside it, if there is one, which may have in it what they write without one.
    Template { file: PathBuf, base: String },
    /// k0s: from its own and what is in its folder of drop-ins.
    Merged { file: PathBuf, base: String },
    /// MicroK8s: by words in a template.
    Words { file: PathBuf, template: PathBuf },
}

type Read<'a> = &'a dyn Fn(&Path) -> Option<String>;

impl Rendering {
    /// As it is done on a node on which nothing of ours is.
    pub(super) fn of(distribution: Distribution, read: Read<'_>) -> Option<Self> {
        let file = PathBuf::from(config(distribution));
        match distribution {
            Distribution::Containerd => None,
            Distribution::K3s | Distribution::Rke2 => read(&file).map(|base| Self::Template { file, base }),
            Distribution::K0s => {
                // Newer ones have containerd merge.
                let file = PathBuf::from("/run/k0s/containerd-cri.toml");
                read(&file).map(|base| Self::Merged { file, base })
            }
            Distribution::Microk8s => {
                Some(Self::Words { template: file.with_file_name("containerd-template.toml"), file })
            }
        }
    }

    /// The file that is made.
    pub(super) fn file(&self) -> &Path {
        match self {
            Self::Template { file, .. } | Self::Merged { file, .. } | Self::Words { file, .. } => file,
        }
    }

    /// What will be in it. `matching` gives the files that a pattern means.
    pub(super) fn made(&self, read: Read<'_>, matching: &dyn Fn(&Path) -> Vec<PathBuf>) -> Result<String> {
        match self {
            Self::Template { file, base } => {
                let templates =
                    ["config-v3.toml.tmpl", "config.toml.tmpl"].map(|name| file.with_file_name(name));
                let template = templates.iter().find_map(|template| read(template));
                Ok(template
                    .map_or_else(|| base.clone(), |text| text.replace("{{ template \"base\" . }}", base)))
            }
            Self::Merged { base, .. } => {
                merged(base, read, &matching(Path::new("/etc/k0s/containerd.d/*.toml")))
            }
            Self::Words { template, .. } => {
                let text = read(template).ok_or_else(|| Error::refused("the template is gone"))?;
                Ok(WORDS.iter().fold(text, |text, (word, meaning)| text.replace(word, meaning)))
            }
        }
    }
}

/// What MicroK8s has for the words of its template.
const WORDS: [(&str, &str); 4] = [
    ("${SNAPSHOTTER}", "overlayfs"),
    ("${RUNTIME}", "runc"),
    ("${RUNTIME_TYPE}", "io.containerd.runc.v2"),
    ("${SNAP_DATA}", "/var/snap/microk8s/current"),
];

fn merged(base: &str, read: Read<'_>, drop_ins: &[PathBuf]) -> Result<String> {
    if drop_ins.is_empty() {
        return Ok(base.to_owned());
    }
    let parsed = |text: &str| -> Result<DocumentMut> {
        text.parse().map_err(|error| Error::refused(format!("{error}")))
    };
    let mut document = parsed(base)?;
    for drop_in in drop_ins {
        let text = read(drop_in).unwrap_or_default();
        merge(document.as_table_mut(), parsed(&text)?.as_table(), usize::MAX);
    }
    Ok(document.to_string())
}
