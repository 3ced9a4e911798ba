//! Two nodes are retired by pods that stand in for the installer: a script that knows its arguments, and a folder that
//! says how it goes.

use std::fs::{self, File};
use std::path::Path;

use serde_json::{Value, json};
use shimmer_oci::{Archive, Platform, Rootfs};

use super::{Ground, NAMESPACE, alone, ground, slots};
use crate::cluster::{Join, Retirement, join, retire};
use crate::error::ErrorKind;

const IMAGE: &str = "shimmer.test/busybox:1";
/// `/state` is the same folder on both nodes.
const SCRIPT: &str = r#"echo "$NODE $*" >> /state/calls
case "$*" in
  *--check*) if [ -e /state/used-$NODE ]; then echo "the pod x uses wasmtime" >&2; exit 3; fi;;
  *) if [ -e /state/fails-$NODE ]; then echo "the disk is full" >&2; exit 1; fi; echo "it is as it was";;
esac"#;

#[test]
fn nodes_are_asked_first_and_undone_one_after_the_other() {
    let Some(ground) = ground() else { return };
    let ground = alone(&ground);
    let state = tempfile::tempdir().expect("a folder");
    prepare(&ground);
    let retires = |force| {
        let template = template(state.path()).to_string();
        let plan =
            Retirement { daemonset: "shimmer", template: template.as_bytes(), lease: Some("ending"), force };
        retire(&ground.connect("retire"), &plan)
    };
    let calls = || fs::read_to_string(state.path().join("calls")).unwrap_or_default();

    ground.make_node("away");
    join(&ground.connect("join"), &joining("away"), || Ok(vec!["wasmtime".into()])).expect("it joins");
    let error = retires(false).expect_err("a node is not ready");
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    assert!(error.to_string().contains("away"), "{error}");
    assert_eq!(calls(), "", "nothing was asked");
    ground.delete_nodes(&["away"]);

    File::create(state.path().join("used-node2")).expect("a file");
    let error = retires(false).expect_err("a pod uses it");
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    let said = error.to_string();
    assert!(said.ends_with("\n  node2: the pod x uses wasmtime") && !said.contains("node1"), "{said}");
    assert_eq!(lines(&calls()), ["node1 leave --check", "node2 leave --check"]);
    assert_eq!(ground.names("daemonset"), ["daemonset.apps/shimmer"]);
    assert_eq!(ground.said("node1"), ["shimmer.dev/wasmtime=ready", "shimmer.dev/release=1"]);
    fs::remove_file(state.path().join("used-node2")).expect("it was there");

    File::create(state.path().join("fails-node2")).expect("a file");
    fs::remove_file(state.path().join("calls")).expect("it was there");
    let error = retires(false).expect_err("a node fails");
    assert_eq!(error.kind(), ErrorKind::Failed, "{error}");
    assert!(error.to_string().contains("\n  node2: the disk is full"), "{error}");
    let asked = ["node1 leave", "node1 leave --check", "node2 leave", "node2 leave --check"];
    assert_eq!(lines(&calls()), asked);
    assert_eq!((ground.names("daemonset"), ground.names("pods")), (Vec::new(), Vec::new()));
    assert_eq!(ground.said("node1"), [""; 0]);
    assert_eq!(ground.said("node2"), ["shimmer.dev/retiring=true"], "it is found again");
    fs::remove_file(state.path().join("fails-node2")).expect("it was there");

    fs::remove_file(state.path().join("calls")).expect("it was there");
    retires(true).expect("the rest is undone");
    assert_eq!(lines(&calls()), ["node2 leave --force"], "where it was, and by force without asking");
    assert_eq!(ground.said("node2"), [""; 0]);
    assert_eq!(ground.names("pods"), [""; 0]);
    assert!(!ground.names("lease").contains(&"lease.coordination.k8s.io/ending-0".to_owned()));
    retires(false).expect("there is nothing to do");
}

/// A DaemonSet that runs on both nodes, of which one is labelled.
fn prepare(ground: &Ground) {
    let busybox = fs::read("/bin/busybox").expect("/bin/busybox, static, is needed: run `cargo xtask setup`");
    let image = Rootfs::new(Platform::host()).file("/bin/busybox", 0o755, busybox).build().expect("an image");
    let archive = ground.folder.path().join("busybox.tar");
    let file = File::create(&archive).expect("a file");
    Archive::default().image(IMAGE, image).write(file).expect("an archive");
    ground.cluster.import(&archive).expect("every node has it");
    join(&ground.connect("join"), &joining("node1"), || Ok(vec!["wasmtime".into()])).expect("it joins");
    let labels = json!({ "app": "shimmer" });
    ground.create(&json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": { "name": "shimmer" },
        "spec": { "selector": { "matchLabels": labels }, "template": {
            "metadata": { "labels": labels },
            "spec": { "terminationGracePeriodSeconds": 0, "containers": [{ "name": "sleep", "image": IMAGE,
                "imagePullPolicy": "Never", "command": ["/bin/busybox", "sleep", "100000"] }] },
        } },
    }));
    ground.kubectl(&["rollout", "status", "daemonset/shimmer", "--timeout=120s"]);
}

fn joining(node: &str) -> Join<'_> {
    Join { slots: slots(node, "ending"), release: "1" }
}

fn template(state: &Path) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "generateName": "shimmer-", "namespace": NAMESPACE },
        "spec": {
            "automountServiceAccountToken": false,
            "tolerations": [{ "operator": "Exists" }],
            "volumes": [{ "name": "state", "hostPath": { "path": state, "type": "Directory" } }],
            "containers": [{
                "name": "leave", "image": IMAGE, "imagePullPolicy": "Never",
                "command": ["/bin/busybox", "sh", "-c", SCRIPT, "installer"], "args": ["leave"],
                "env": [{ "name": "NODE", "valueFrom": { "fieldRef": { "fieldPath": "spec.nodeName" } } }],
                "volumeMounts": [{ "name": "state", "mountPath": "/state" }],
            }],
        },
    })
}

fn lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}
