//! An emulated machine: what goes in, what comes out, and that it goes with its owner. Needs QEMU and, once, a package
//! source.

use std::fs;
use std::path::Path;

use shimmer_node::machine::{Flavour, LEFT, Machine, machine_folder};

/// What a machine prints that runs this script, and its exit code.
fn run(machine: &Machine, script: &str) -> (u8, String) {
    let mut output = Vec::new();
    let command = ["sh", "-c", script].map(Into::into);
    let code = machine.run(&command, &mut |bytes| output.extend_from_slice(bytes));
    (code.unwrap_or_else(|error| panic!("{error}")), String::from_utf8_lossy(&output).into_owned())
}

#[test]
fn a_small_machine_has_cgroup_v2_and_a_containerd_and_brings_back_what_a_command_leaves() {
    let folder = tempfile::tempdir().expect("a folder");
    let (given, brought) = (folder.path().join("given"), folder.path().join("brought"));
    fs::write(&given, "what was given\n").expect("a file");
    let cache = machine_folder().expect("a home");
    let machine = Machine::new(Flavour::Small, cache).unwrap_or_else(|error| panic!("{error}"));
    let machine =
        machine.file(&given, Path::new("/shimmer/given")).expect("a file").bring(&brought).containerd();
    let script = format!(
        "cat /sys/fs/cgroup/cgroup.controllers; ctr namespaces list; \
         cat /shimmer/given; echo complaint >&2; mkdir {LEFT}/deep; cp /shimmer/given {LEFT}/deep/copy; exit 7"
    );
    let (code, output) = run(&machine, &script);
    assert_eq!(code, 7, "{output}");
    let controllers: Vec<&str> = output.lines().next().unwrap_or_default().split(' ').collect();
    for controller in ["cpu", "memory", "pids"] {
        assert!(controllers.contains(&controller), "{output}");
    }
    for line in ["NAME LABELS ", "what was given", "complaint"] {
        assert!(output.lines().any(|seen| seen.trim_end() == line.trim_end()), "{output}");
    }
    assert_eq!(fs::read_to_string(brought.join("deep/copy")).expect("a file"), "what was given\n");
}
