//! A containerd that starts, or does not, as it is told by what is on its node.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use shimmer_node::Node;

/// Puts a containerd into `folder` that passes every check of its configuration, and does not start where the shell's
/// `condition` is true.
pub(crate) fn containerd(folder: &Path, condition: &str) {
    let node = Node::builder().bare().start().expect("a node");
    let pid = node.containerd().expect("a look").expect("it runs").pid;
    let real = fs::read_link(format!("/proc/{pid}/exe")).expect("it runs");
    node.stop().expect("nothing is left");
    let beside = real.parent().expect("a folder").join("containerd-shim-runc-v2");
    symlink(beside, folder.join("containerd-shim-runc-v2")).expect("it is ours");
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *dump*|*--version*) ;; *) if {condition}; then exit 1; fi ;; esac\nexec {} \"$@\"\n",
        real.display()
    );
    fs::write(folder.join("containerd"), script).expect("it is ours");
    fs::set_permissions(folder.join("containerd"), fs::Permissions::from_mode(0o755)).expect("it is ours");
}
