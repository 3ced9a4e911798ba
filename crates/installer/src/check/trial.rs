//! What to dump before anything is in its place.

use std::path::{Path, PathBuf};

use crate::config::Writing;
use crate::distribution::{Node, Site};
use crate::error::{Error, Result};

/// Files in a folder of our own, and the two configurations to dump: `containerd --config before config dump`, and `after`.
///
/// Both stay right when everything is in place, apart from what a distribution renders: dump `site.config` then as well.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Trial {
    /// To be written first: paths below the folder that was given, as the node names them.
    pub(crate) files: Vec<(PathBuf, Vec<u8>)>,
    pub(crate) before: PathBuf,
    pub(crate) after: PathBuf,
}

impl Trial {
    /// What to try for `writing` at `site`; `folder` is a folder of our own on the node, in which nothing else is.
    pub(crate) fn new(node: &Node<'_>, site: &Site, writing: &Writing, folder: &Path) -> Result<Self> {
        let _ = (node, site, writing, folder);
        Err(Error::refused("not yet"))
    }
}
