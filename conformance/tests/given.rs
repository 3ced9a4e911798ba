//! A run in a cluster and a namespace that others have made, with the rights of `conformance/role.yaml` and no more.
//! Needs what the private cluster of `shimmer-node` does; without Go it is left out, and says so.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;
use shimmer_node::{Cluster, if_buildable};

const SUITE: &str = env!("CARGO_BIN_EXE_shimmer-conformance");
const ROLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/role.yaml");
const NAMESPACE: &str = "theirs";
/// One for each right of the role, and what is left in the end.
const PLAYED: [&str; 11] = [
    "exit/proc-exit-42",
    "files/read-only-root",
    "kubernetes/a-create-error-is-an-event",
    "kubernetes/a-job-completes",
    "kubernetes/attach",
    "kubernetes/drain-keeps-what-a-budget-asks-for",
    "kubernetes/ephemeral-container",
    "kubernetes/exec-tells-the-exit-code",
    "kubernetes/port-forward",
    "kubernetes/resize-of-a-running-pod",
    "resilience/nothing-is-left-on-the-machine",
];
/// It looks at a cgroup.
const LEFT_OUT: &str = "kubernetes/processor-limit-holds-back";
const SOON: Duration = Duration::from_secs(600);
const KINDS: &str = "cronjobs,jobs,deployments,pods,services,poddisruptionbudgets,configmaps,secrets";

#[test]
fn a_namespaces_rights_are_enough_and_nothing_is_left_in_it() {
    let Some(cluster) = cluster() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let kubeconfig = tenant(&cluster, folder.path());
    let output = run(&kubeconfig, folder.path());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("in the namespace theirs, which stays."), "it says where: {said}");
    let report = fs::read_to_string(folder.path().join("runc.json")).expect("a report");
    let report: Value = serde_json::from_str(&report).expect("JSON");
    let ids = |list: &str| -> BTreeSet<String> {
        let all = report[list].as_array().into_iter().flatten();
        all.map(|one| one["id"].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(ids("results"), PLAYED.map(str::to_owned).into());
    assert_eq!(ids("left_out"), [LEFT_OUT.to_owned()].into());
    let reason = report["left_out"][0]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("takes a cluster of this machine"), "{reason}");
    let left = kubectl(&cluster, &["get", KINDS, "--selector=shimmer-conformance", "--output=name"]);
    assert_eq!(left, "", "all of the run is gone");
    cluster.stop().expect("nothing of it is left");
}

/// A cluster of one node that has the suite's images, or nothing where this machine has no Go.
fn cluster() -> Option<Cluster> {
    let started = if_buildable(Cluster::builder().nodes(1).start(&|_| ()));
    let cluster = started.unwrap_or_else(|error| panic!("a cluster is needed: {error}"))?;
    let images = tempfile::tempdir().expect("a folder");
    let written = Command::new(SUITE).args(["images", "--archive"]).arg(images.path()).status();
    assert!(written.expect("the suite").success(), "the images are written");
    cluster.import(&images.path().join("images.tar")).expect("the node has them");
    Some(cluster)
}

/// A namespace of the restricted level, and the kubeconfig of one who has the role in it and nothing else.
fn tenant(cluster: &Cluster, folder: &Path) -> PathBuf {
    kubectl(cluster, &["create", "namespace", NAMESPACE]);
    // Without it pods are refused; a controller makes it.
    kubectl(cluster, &["wait", "--for=create", "serviceaccount/default", "--timeout=5m"]);
    kubectl(cluster, &["label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=restricted"]);
    kubectl(cluster, &["create", "serviceaccount", "suite"]);
    kubectl(cluster, &["apply", "--filename", ROLE]);
    let subject = format!("--serviceaccount={NAMESPACE}:suite");
    kubectl(cluster, &["create", "rolebinding", "suite", "--role=shimmer-conformance", &subject]);
    let token = kubectl(cluster, &["create", "token", "suite"]);
    let own = folder.join("kubeconfig");
    fs::copy(cluster.kubeconfig(), &own).expect("a copy");
    let token = format!("--token={}", token.trim());
    configure(cluster, &own, &["set-credentials", "suite", &token]);
    configure(cluster, &own, &["set-context", "--current", "--user=suite"]);
    await_rights(cluster, &own);
    own
}

/// Rights count a moment after they were made, and nobody is told when.
fn await_rights(cluster: &Cluster, kubeconfig: &Path) {
    let mut may = Command::new(cluster.kubectl());
    may.arg("--kubeconfig").arg(kubeconfig);
    may.args(["--namespace", NAMESPACE, "auth", "can-i", "create", "pods"]);
    let begin = Instant::now();
    while !may.output().expect("kubectl runs").status.success() {
        assert!(begin.elapsed() < SOON, "the rights do not count");
    }
}

fn run(kubeconfig: &Path, reports: &Path) -> Output {
    let mut run = Command::new(SUITE);
    run.args(["run", "--driver", "kube", "--runtime-class", "runc", "--namespace", NAMESPACE]);
    run.arg("--kubeconfig").arg(kubeconfig).arg("--report").arg(reports);
    run.args(PLAYED.iter().chain([&LEFT_OUT]).flat_map(|id| ["--filter", id]));
    run.output().expect("the suite")
}

/// What kubectl prints to the cluster's administrator.
#[track_caller]
fn kubectl(cluster: &Cluster, arguments: &[&str]) -> String {
    call(
        Command::new(cluster.kubectl())
            .arg("--kubeconfig")
            .arg(cluster.kubeconfig())
            .args(["--namespace", NAMESPACE].iter().chain(arguments)),
    )
}

#[track_caller]
fn configure(cluster: &Cluster, kubeconfig: &Path, arguments: &[&str]) {
    call(Command::new(cluster.kubectl()).arg("--kubeconfig").arg(kubeconfig).arg("config").args(arguments));
}

#[track_caller]
fn call(command: &mut Command) -> String {
    let output = command.output().expect("kubectl runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{:?}: {said}", command.get_args());
    String::from_utf8(output.stdout).expect("text")
}
