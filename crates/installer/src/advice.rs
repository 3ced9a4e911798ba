//! What in containerd's settings would break WebAssembly images or pods, and what sets it right.

use std::fmt;

use crate::check::Dump;
use crate::config::Wanted;
use crate::distribution::{Node, Site};
use crate::error::Result;

/// A warning.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Advice {
    pub(crate) kind: Kind,
    /// What is wrong, what comes of it, and what to do.
    pub(crate) text: String,
}

/// What a warning is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// Images are pulled by the transfer service: `--fix` sets `Settings::local_image_pull`.
    Transfer,
    /// runc, our shims and the kubelet do not make their cgroups in the same way.
    Cgroups,
}

impl fmt::Display for Advice {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

/// All warnings for `wanted`; `before` is the configuration without it.
pub(crate) fn advise(node: &Node<'_>, site: &Site, before: &Dump, wanted: &Wanted) -> Result<Vec<Advice>> {
    let _ = (node, site, before, wanted);
    Ok(Vec::new())
}
