//! Two nodes are retired by pods that stand in for the installer: a script that knows its arguments, and a folder that
//! says how it goes.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::MutexGuard;

use serde_json::{Value, json};
use shimmer_oci::{Archive, Platform, Rootfs};
use tempfile::TempDir;

use super::{Ground, NAMESPACE, alone, ground, slots};
use crate::cluster::{Cluster, Join, Retirement, join, retire};
use crate::error::ErrorKind;

const IMAGE: &str = "shimmer.test/busybox:1";
/// `/state` is the same folder on both nodes.
const SCRIPT: &str = r#"echo "$NODE $*" >> /state/calls
case "$*" in
  *--check*) if [ -e /state/used-$NODE ]; then echo "the pod x uses wasmtime" >&2; exit 3; fi;;
  *) while [ -e /state/holds-$NODE ]; do /bin/busybox sleep 0.1; done
     if [ -e /state/fails-$NODE ]; then echo "the disk is full" >&2; exit 1; fi
     if [ -e /state/breaks-$NODE ]; then echo "containerd does not come back" >&2; exit 4; fi
     echo "it is as it was";;
esac"#;

#[test]
fn nodes_are_asked_first_and_nothing_is_touched_where_one_cannot_be_undone() {
    let Some(ground) = ground() else { return };
    let stage = Stage::new(alone(&ground));
    stage.ground.make_node("away");
    stage.join("away");
    let error = stage.retire(false).expect_err("a node is not ready");
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    assert!(error.to_string().contains("away"), "{error}");
    assert_eq!(stage.calls(), [""; 0], "nobody was asked");
    stage.ground.delete_nodes(&["away"]);

    stage.join("node1");
    stage.make_daemonset();
    stage.set("used-node2");
    let error = stage.retire(false).expect_err("a pod uses it");
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    let said = error.to_string();
    assert!(said.ends_with("\n  node2: the pod x uses wasmtime") && !said.contains("node1"), "{said}");
    assert_eq!(stage.calls(), ["node1 leave --check", "node2 leave --check"]);
    assert_eq!(stage.ground.names("daemonset"), ["daemonset.apps/shimmer"]);
    assert_eq!(stage.ground.said("node1"), ["shimmer.dev/wasmtime=ready", "shimmer.dev/release=1"]);
    assert_eq!(stage.ground.said("node2"), [""; 0]);

    stage.clear("used-node2");
    stage.retire(false).expect("nobody uses it any more");
    assert_eq!(stage.calls(), ["node1 leave", "node1 leave --check", "node2 leave", "node2 leave --check"]);
    stage.is_bare();
    stage.retire(false).expect("there is nothing to do");
    assert_eq!(stage.calls(), [""; 0]);
}

#[test]
fn what_failed_on_a_node_is_told_and_done_again_the_next_time() {
    let Some(ground) = ground() else { return };
    let stage = Stage::new(alone(&ground));
    stage.join("node1");
    stage.make_daemonset();
    stage.set("fails-node2");
    let error = stage.retire(false).expect_err("a node fails");
    assert_eq!(error.kind(), ErrorKind::Failed, "{error}");
    assert!(error.to_string().ends_with("\n  node2: the disk is full"), "{error}");
    assert_eq!(stage.ground.names("daemonset"), [""; 0]);
    assert_eq!(stage.ground.names("pods"), [""; 0]);
    assert_eq!(stage.ground.said("node1"), [""; 0]);
    assert_eq!(stage.ground.said("node2"), ["shimmer.dev/retiring=true"], "it is found again");
    stage.clear("fails-node2");
    stage.calls();
    stage.retire(true).expect("the rest is undone");
    assert_eq!(stage.calls(), ["node2 leave --force"], "where it was, and by force without asking");
    stage.is_bare();
}

#[test]
fn a_node_that_breaks_is_the_last_one() {
    let Some(ground) = ground() else { return };
    let stage = Stage::new(alone(&ground));
    ["node1", "node2"].iter().for_each(|node| stage.join(node));
    stage.set("breaks-node1");
    let error = stage.retire(true).expect_err("a node breaks");
    assert_eq!(error.kind(), ErrorKind::Broken, "{error}");
    let left = "\n  node1: containerd does not come back\n  node2: not tried after that";
    assert!(error.to_string().ends_with(left), "{error}");
    assert_eq!(stage.calls(), ["node1 leave --force"]);
    stage.clear("breaks-node1");
    stage.retire(true).expect("it was repaired");
    stage.is_bare();
}

#[test]
fn a_retirement_that_was_killed_goes_on_where_it_was() {
    let Some(ground) = ground() else { return };
    let stage = Stage::new(alone(&ground));
    stage.join("node1");
    stage.set("holds-node1");
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "cluster::trial::ending::retirement_in_a_process_of_its_own", "--ignored"]);
    let mut child = command.stdin(Stdio::piped()).spawn().expect("it starts");
    let template = template(stage.state.path()).to_string();
    let what = format!("{}\n{template}\n", stage.ground.kubeconfig("retire").display());
    child.stdin.as_mut().expect("a pipe").write_all(what.as_bytes()).expect("it reads");
    while !stage.state.path().join("calls").exists() {
        assert!(child.try_wait().expect("a child").is_none(), "it has not ended before its pod was at work");
        stage.ground.names("pods");
    }
    child.kill().expect("it is killed");
    child.wait().expect("it is gone");
    assert_eq!(stage.ground.names("pods").len(), 1, "its pod goes on");
    stage.clear("holds-node1");
    stage.retire(true).expect("it goes on");
    assert_eq!(stage.calls(), ["node1 leave --force"], "the pod that was there was not made anew");
    stage.is_bare();
}

#[test]
#[ignore = "it is what another test starts"]
fn retirement_in_a_process_of_its_own() {
    let mut lines = std::io::stdin().lines().map_while(Result::ok);
    let (Some(kubeconfig), Some(template)) = (lines.next(), lines.next()) else { return };
    let cluster = Cluster::connect(Some(Path::new(&kubeconfig)), NAMESPACE).expect("a connection");
    retire(&cluster, &plan(&template, true)).expect_err("it is killed");
}

#[test]
fn a_node_that_is_removed_meanwhile_is_no_error() {
    let Some(ground) = ground() else { return };
    let stage = Stage::new(alone(&ground));
    // A node that seems to be ready, but nobody runs the pods that are made for it.
    stage.ground.create(&json!({ "apiVersion": "v1", "kind": "Node",
        "metadata": { "name": "ghost", "labels": { "shimmer.dev/wasmtime": "ready" } },
        "status": { "conditions": [{ "type": "Ready", "status": "True" }] } }));
    let template = template(stage.state.path()).to_string();
    let cluster = stage.ground.connect("retire");
    std::thread::scope(|scope| {
        let retirement = scope.spawn(|| retire(&cluster, &plan(&template, false)));
        while stage.ground.names("pods").is_empty() {
            assert!(!retirement.is_finished(), "it has not ended without a pod");
        }
        stage.ground.delete_nodes(&["ghost"]);
        stage.ground.kubectl(&["delete", "pods", "--all", "--force", "--grace-period=0"]);
        retirement.join().expect("a thread").expect("there is nothing to do");
    });
    assert_eq!(stage.calls(), [""; 0]);
    stage.is_bare();
}

/// Two nodes that have the image, and a folder of theirs.
struct Stage<'a> {
    ground: MutexGuard<'a, Ground>,
    state: TempDir,
}

impl<'a> Stage<'a> {
    fn new(ground: MutexGuard<'a, Ground>) -> Self {
        let busybox =
            fs::read("/bin/busybox").expect("/bin/busybox, static, is needed: run `cargo xtask setup`");
        let image =
            Rootfs::new(Platform::host()).file("/bin/busybox", 0o755, busybox).build().expect("an image");
        let archive = ground.folder.path().join("busybox.tar");
        let file = File::create(&archive).expect("a file");
        Archive::default().image(IMAGE, image).write(file).expect("an archive");
        ground.cluster.import(&archive).expect("every node has it");
        Self { ground, state: tempfile::tempdir().expect("a folder") }
    }

    fn join(&self, node: &str) {
        let joining = Join { slots: slots(node, "ending"), release: "1" };
        join(&self.ground.connect("join"), &joining, || Ok(vec!["wasmtime".into()])).expect("it joins");
    }

    fn retire(&self, force: bool) -> crate::error::Result<()> {
        let template = template(self.state.path()).to_string();
        retire(&self.ground.connect("retire"), &plan(&template, force))
    }

    /// What the pods were told since this was asked last, in order.
    fn calls(&self) -> Vec<String> {
        let path = self.state.path().join("calls");
        let text = fs::read_to_string(&path).unwrap_or_default();
        let _nobody_was = fs::remove_file(path);
        let mut calls: Vec<String> = text.lines().map(str::to_owned).collect();
        calls.sort_unstable();
        calls
    }

    fn set(&self, name: &str) {
        File::create(self.state.path().join(name)).expect("a file");
    }

    fn clear(&self, name: &str) {
        fs::remove_file(self.state.path().join(name)).expect("it was there");
    }

    /// Nothing of ours is left.
    #[track_caller]
    fn is_bare(&self) {
        for node in ["node1", "node2"] {
            assert_eq!(self.ground.said(node), [""; 0]);
        }
        for kind in ["daemonset", "pods"] {
            assert_eq!(self.ground.names(kind), [""; 0]);
        }
        assert!(!self.ground.names("lease").contains(&"lease.coordination.k8s.io/ending-0".to_owned()));
    }

    /// Its pods run on both nodes.
    fn make_daemonset(&self) {
        let labels = json!({ "app": "shimmer" });
        self.ground.create(&json!({
            "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": { "name": "shimmer" },
            "spec": { "selector": { "matchLabels": labels }, "template": {
                "metadata": { "labels": labels },
                "spec": { "terminationGracePeriodSeconds": 0, "containers": [{ "name": "sleep", "image": IMAGE,
                    "imagePullPolicy": "Never", "command": ["/bin/busybox", "sleep", "100000"] }] },
            } },
        }));
        self.ground.kubectl(&["rollout", "status", "daemonset/shimmer", "--timeout=120s"]);
    }
}

fn plan(template: &str, force: bool) -> Retirement<'_> {
    Retirement { daemonset: "shimmer", template: template.as_bytes(), lease: Some("ending"), force }
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
