//! A containerd that starts, or does not, as it is told by what is on its node.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

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
    let written = folder.join("containerd.new");
    fs::write(&written, script).expect("it is ours");
    // By another process: while this one has a program open for writing, a child of another thread has it open as well,
    // and nobody can execute it.
    let installed =
        Command::new("install").args(["-m", "755"]).args([written, folder.join("containerd")]).status();
    assert!(installed.expect("install").success(), "it is ours");
}
