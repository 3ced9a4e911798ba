//! The suite in an emulated machine, on runc, which every machine with containerd has. Needs QEMU and, once, a package
//! source.

use std::fs;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const SUITE: &str = env!("CARGO_BIN_EXE_shimmer-conformance");

#[test]
fn plays_cases_in_a_machine_with_cgroup_v2_and_brings_the_report_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let shim = shimmer_node::runc_shim().unwrap_or_else(|error| panic!("{error}"));
    let mut run = Command::new(SUITE);
    run.args(["run", "--node", "vm", "--shim"]).arg(shim).arg("--report").arg(folder.path());
    run.args(["--driver", "task", "--filter", "limits/out-of-memory-is-an-event", "--filter", "exit/one"]);
    let output = run.output().expect("the suite");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let report = fs::read_to_string(folder.path().join("runc.json")).expect("a report");
    let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
    let machine = &report["machine"];
    assert_eq!((&machine["node"], &machine["cgroup"]), (&"vm".into(), &"v2".into()), "{machine}");
    assert!(report["results"].as_array().is_some_and(|results| !results.is_empty()), "{report}");
}

#[test]
fn the_machine_ends_with_whoever_is_killed_that_has_started_it() {
    let mut owner = Command::new(SUITE);
    owner.args(["vm", "sh", "-c", "echo runs; sleep 100000"]).stdout(Stdio::piped());
    let mut owner = owner.spawn().expect("the suite");
    let mut output = owner.stdout.take().expect("its output");
    let mut seen = [0; 4];
    output.read_exact(&mut seen).expect("the command runs");
    assert_eq!(&seen, b"runs");
    let machines = children(owner.id());
    assert_eq!(machines.len(), 1, "one QEMU");
    owner.kill().expect("a signal");
    assert_eq!(owner.wait().expect("its end").signal(), Some(9));
    let begin = Instant::now();
    while fs::metadata(format!("/proc/{}", machines[0])).is_ok() {
        assert!(begin.elapsed() < Duration::from_secs(60), "QEMU goes on");
        std::thread::yield_now();
    }
}

fn children(parent: u32) -> Vec<u32> {
    let children =
        fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).expect("its children");
    children.split_whitespace().map(|id| id.parse().expect("an id")).collect()
}
