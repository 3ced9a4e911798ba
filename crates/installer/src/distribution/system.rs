//! Operating systems on which nothing can be installed.

use std::path::Path;

use super::Node;
use crate::error::{Error, Result};

/// Refuses systems whose files are made elsewhere, with what to do there.
pub(super) fn refuse_read_only(node: &Node<'_>) -> Result<()> {
    let advice = match name(node)?.as_deref() {
        Some("bottlerocket") => {
            "Bottlerocket makes containerd's configuration from its API, and its root is read-only: build the shims into a \
             variant of it, or use nodes with another image"
        }
        Some("talos") => {
            "Talos has a read-only root, and its machine configuration is the only way in: build the shims into a system \
             extension, and give the runtimes under machine.files as /etc/cri/conf.d/20-customization.part"
        }
        Some("cos") => {
            "Container-Optimized OS has a read-only root and gives no way to add a runtime: use a node pool whose image type is \
             UBUNTU_CONTAINERD"
        }
        Some("nixos") => {
            "NixOS makes /etc from its own configuration: give the runtimes under virtualisation.containerd.settings, and the \
             shims as a package"
        }
        _ => return Ok(()),
    };
    Err(Error::refused(format!("nothing can be installed on this node: {advice}")))
}

/// Whether containerd's configuration is not where it is elsewhere, unless somebody has made one.
pub(super) fn hides_its_config(node: &Node<'_>) -> Result<bool> {
    Ok(name(node)?.as_deref() == Some("flatcar"))
}

/// `ID` of os-release.
fn name(node: &Node<'_>) -> Result<Option<String>> {
    for file in ["/etc/os-release", "/usr/lib/os-release"] {
        if let Some(bytes) = node.read(Path::new(file))? {
            let text = String::from_utf8_lossy(&bytes);
            let id = text.lines().find_map(|line| line.trim().strip_prefix("ID="));
            return Ok(id.map(|id| id.trim_matches(['"', '\'']).to_ascii_lowercase()));
        }
    }
    Ok(None)
}
