//! What a real API server says of the chart: of its manifests, and of who may do what by its rights and its policy.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use shimmer_node::{Cluster, if_buildable};

use crate::{helm, helms, of_file, run, values};

const SOON: Duration = Duration::from_secs(600);

/// Applies manifests, without a field that the server does not know; `how` is for example `--dry-run=server`.
#[track_caller]
pub(crate) fn apply(cluster: &Cluster, manifests: &str, how: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("manifests.yaml");
    fs::write(&file, manifests).expect("it is ours");
    let file = file.display().to_string();
    let output = kubectl(cluster, &[&["apply", "--validate=strict", "--filename", &file], how].concat());
    assert!(output.status.success(), "{}\n{manifests}", String::from_utf8_lossy(&output.stderr));
}

fn kubectl(cluster: &Cluster, arguments: &[&str]) -> Output {
    let mut kubectl = Command::new(cluster.kubectl());
    kubectl.arg("--kubeconfig").arg(cluster.kubeconfig()).args(arguments).output().expect("kubectl runs")
}

/// A cluster with the namespace of the chart, or nothing where this machine has no Go.
fn cluster() -> Option<Cluster> {
    let started = if_buildable(Cluster::builder().start(&|_| ()));
    let cluster = started.unwrap_or_else(|error| panic!("a cluster is needed: {error}"))?;
    assert!(kubectl(&cluster, &["create", "namespace", "shimmer"]).status.success());
    // Pods are refused until the namespace has its service account.
    let account =
        ["wait", "--for=create", "serviceaccount/default", "--namespace", "shimmer", "--timeout=600s"];
    assert!(kubectl(&cluster, &account).status.success());
    Some(cluster)
}

fn template(helm: &Path, arguments: &[String]) -> String {
    String::from_utf8(run(helm, "template shimmer", arguments).stdout).expect("text")
}

#[test]
fn an_api_server_takes_every_manifest() {
    let (Some(helms), Some(cluster)) = (helms(), cluster()) else { return };
    for mut values in values() {
        // A pod is refused while its RuntimeClass does not exist, so these are made.
        values.push("--show-only=templates/runtimeclasses.yaml".to_owned());
        let classes = template(&helms[1], &values);
        apply(&cluster, &classes, &[]);
        values.pop();
        apply(&cluster, &template(&helms[1], &values), &["--dry-run=server"]);
        assert!(
            kubectl(&cluster, &["delete", "runtimeclass", "--selector=app.kubernetes.io/instance"])
                .status
                .success()
        );
    }
    cluster.stop().expect("nothing of it is left");
}

#[test]
fn helm_shows_the_first_pod_and_refuses_what_would_fail_later() {
    let (Some(helms), Some(cluster)) = (helms(), cluster()) else { return };
    let install = |program: &Path| {
        let arguments = [&of_file("renamed-values.yaml")[..], &["--dry-run=server".to_owned()]].concat();
        let mut install = helm(program, "install shimmer", &arguments);
        install.env("KUBECONFIG", cluster.kubeconfig()).output().expect("helm runs")
    };
    for program in &helms {
        let output = install(program);
        let text = String::from_utf8_lossy(&output.stdout);
        let (_, notes) = text.split_once("NOTES:").unwrap_or_else(|| panic!("{output:?}"));
        assert!(notes.contains("{\"runtimeClassName\":\"shimmer-wasmtime\"}"), "{notes}");
        assert!(notes.contains("shimmer.dev/shimmer-wasmtime,shimmer.dev/shimmer-wasmedge,"), "{notes}");
    }
    let refused = |reason: &str| {
        for program in &helms {
            let said = String::from_utf8_lossy(&install(program).stderr).into_owned();
            assert!(said.contains(reason), "{said}");
        }
    };
    let class = "{apiVersion: node.k8s.io/v1, kind: RuntimeClass, metadata: {name: wasix}, handler: other}";
    apply(&cluster, class, &[]);
    refused("the RuntimeClass wasix has the handler other, which Kubernetes does not let change to wasmer");
    let baseline = "pod-security.kubernetes.io/enforce=baseline";
    assert!(kubectl(&cluster, &["label", "namespace", "shimmer", baseline]).status.success());
    refused("the namespace shimmer enforces the pod security level baseline");
    cluster.stop().expect("nothing of it is left");
}

#[test]
fn a_node_agent_changes_labels_of_its_own_node_and_nothing_else() {
    let (Some(helms), Some(cluster)) = (helms(), cluster()) else { return };
    let rights = ["rbac", "admissionpolicy", "serviceaccounts"]
        .map(|name| format!("--show-only=templates/{name}.yaml"));
    apply(&cluster, &template(&helms[1], &rights), &[]);
    let may = |node: &str, command: &[&str]| {
        let extra = format!("--as-user-extra=authentication.kubernetes.io/node-name={node}");
        let who = ["--as=system:serviceaccount:shimmer:shimmer", &extra];
        let output = kubectl(&cluster, &[command, &who[..]].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(()) } else { Err(said) }
    };
    // Rights and a policy count a moment after they were made, and nobody is told when; without rights, all is refused. What
    // changes nothing is always allowed.
    let (mut tries, begin) = (0, Instant::now());
    let foreign =
        |tries: u32| may("node1", &["annotate", "node", "node1", "--overwrite", &format!("tries={tries}")]);
    while !foreign(tries).is_err_and(|said| said.contains("only annotations of shimmer.dev")) {
        assert!(begin.elapsed() < SOON, "the policy does not count");
        tries += 1;
    }
    assert_eq!(may("node1", &["label", "node", "node1", "shimmer.dev/wasmtime=ready"]), Ok(()));
    assert_eq!(may("node1", &["annotate", "node", "node1", "shimmer.dev/release=1"]), Ok(()));
    assert_eq!(may("node1", &["label", "node", "node1", "shimmer.dev/wasmtime-"]), Ok(()));
    for (node, command, why) in [
        ("node2", ["label", "node", "node1", "shimmer.dev/wasmtime=ready"], "only the node that it runs on"),
        ("", ["label", "node", "node1", "shimmer.dev/wasmtime=ready"], "only the node that it runs on"),
        ("node1", ["label", "node", "node1", "pool=wasm"], "only labels of shimmer.dev"),
        ("node1", ["label", "node", "node1", "kubernetes.io/os-"], "only labels of shimmer.dev"),
        ("node1", ["annotate", "node", "node1", "a=b"], "only annotations of shimmer.dev"),
        (
            "node1",
            ["patch", "node", "node1", "--patch={\"spec\":{\"unschedulable\":true}}"],
            "nothing of a node but",
        ),
        (
            "node1",
            ["patch", "node", "node1", "--patch={\"metadata\":{\"finalizers\":[\"a/b\"]}}"],
            "nothing of a node but",
        ),
        ("node1", ["delete", "node", "node1", "--wait=false"], "cannot delete resource"),
        ("node1", ["get", "pods", "--namespace", "shimmer"], "cannot list resource"),
        ("node1", ["get", "lease/other", "--namespace", "shimmer"], "cannot get resource"),
    ] {
        let said = may(node, &command).expect_err(why);
        assert!(said.contains(why), "{command:?}: {said}");
    }
    cluster.stop().expect("nothing of it is left");
}
