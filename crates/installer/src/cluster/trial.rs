//! All of it on a private Kubernetes of two nodes, as accounts that may do what the table says and nothing else. Needs what
//! `shimmer-node`'s own tests need; without Go it is left out, and says so.

mod ending;
mod labels;
mod turns;

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cluster::{Cluster, DURATION, Slots};

/// A cluster that tests use one after the other, and that ends with the last of them.
struct Ground {
    cluster: shimmer_node::Cluster,
    folder: TempDir,
}

static GROUND: Mutex<Weak<Mutex<Ground>>> = Mutex::new(Weak::new());

/// The namespace of everything.
const NAMESPACE: &str = "shimmer";
/// The names of leases that `join` may use here.
const LEASES: [&str; 6] = ["one-0", "two-0", "two-1", "killed-0", "broken-0", "ending-0"];

/// The cluster, or nothing where this machine has no Go.
fn ground() -> Option<Arc<Mutex<Ground>>> {
    let mut ground = GROUND.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(ground) = ground.upgrade() {
        return Some(ground);
    }
    let started = shimmer_node::if_buildable(shimmer_node::Cluster::builder().nodes(2).start(&|_| ()));
    let cluster = started.unwrap_or_else(|error| panic!("a cluster is needed: {error}"))?;
    let new = Ground { cluster, folder: tempfile::tempdir().expect("a folder") };
    new.make_accounts();
    let new = Arc::new(Mutex::new(new));
    *ground = Arc::downgrade(&new);
    Some(new)
}

/// Where no other test is.
fn alone(ground: &Mutex<Ground>) -> MutexGuard<'_, Ground> {
    ground.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ground {
    /// The cluster as the account of a command sees it.
    fn connect(&self, command: &str) -> Cluster {
        Cluster::connect(Some(&self.kubeconfig(command)), NAMESPACE).expect("a connection")
    }

    fn kubeconfig(&self, command: &str) -> PathBuf {
        self.folder.path().join(command)
    }

    /// What kubectl prints, as the administrator.
    #[track_caller]
    fn kubectl(&self, arguments: &[&str]) -> String {
        self.kubectl_with(arguments, &Value::Null)
    }

    #[track_caller]
    fn kubectl_with(&self, arguments: &[&str], object: &Value) -> String {
        let mut kubectl = Command::new(self.cluster.kubectl());
        kubectl.arg("--kubeconfig").arg(self.cluster.kubeconfig()).args(["-n", NAMESPACE]).args(arguments);
        let mut kubectl = kubectl
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kubectl");
        kubectl.stdin.take().expect("a pipe").write_all(object.to_string().as_bytes()).expect("it reads");
        let output = kubectl.wait_with_output().expect("kubectl ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kubectl {arguments:?}: {said}");
        String::from_utf8(output.stdout).expect("text")
    }

    fn create(&self, object: &Value) {
        self.kubectl_with(&["create", "-f", "-"], object);
    }

    fn read(&self, kind: &str, name: &str) -> Value {
        serde_json::from_str(&self.kubectl(&["get", kind, name, "-o=json"])).expect("JSON")
    }

    fn names(&self, kind: &str) -> Vec<String> {
        self.kubectl(&["get", kind, "-o=name"]).lines().map(str::to_owned).collect()
    }

    /// A node that nobody runs: only its object.
    fn make_node(&self, name: &str) {
        self.create(&json!({ "apiVersion": "v1", "kind": "Node",
            "metadata": { "name": name, "labels": { "disk": "ssd" }, "annotations": { "note": "mine" } } }));
    }

    fn delete_nodes(&self, names: &[&str]) {
        self.kubectl(&[&["delete", "node"], names].concat());
    }

    /// What of a node's labels and annotations is ours, in lines.
    fn said(&self, node: &str) -> Vec<String> {
        let node = self.read("node", node);
        let metadata = [&node["metadata"]["labels"], &node["metadata"]["annotations"]];
        let pairs = metadata.into_iter().filter_map(Value::as_object).flatten();
        let ours = pairs.filter(|(key, _)| key.starts_with("shimmer.dev/"));
        ours.map(|(key, value)| format!("{key}={}", value.as_str().expect("text"))).collect()
    }

    /// An account for each command, with the rights that the table gives it.
    fn make_accounts(&self) {
        self.create(&json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE } }));
        let nodes = |verbs: &[&str]| json!([{ "apiGroups": [""], "resources": ["nodes"], "verbs": verbs }]);
        let leases = |verbs: &[&str], names: &[&str]| {
            json!({ "apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": verbs,
                "resourceNames": names })
        };
        let pods = ["get", "list", "watch", "create", "delete"];
        self.make_account(
            "join",
            &nodes(&["get", "patch"]),
            &json!([leases(&["get", "update", "watch"], &LEASES), leases(&["create"], &[])]),
        );
        self.make_account("leave", &nodes(&["get", "patch"]), &json!([]));
        self.make_account(
            "retire",
            &nodes(&["get", "list", "patch"]),
            &json!([
                leases(&["delete"], &[]),
                { "apiGroups": ["apps"], "resources": ["daemonsets"], "verbs": ["delete"] },
                { "apiGroups": [""], "resources": ["pods"], "verbs": pods },
                { "apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"] },
            ]),
        );
    }

    fn make_account(&self, name: &str, everywhere: &Value, here: &Value) {
        let named = |kind: &str, version: &str| json!({ "apiVersion": version, "kind": kind, "metadata": { "name": name, "namespace": NAMESPACE } });
        self.create(&named("ServiceAccount", "v1"));
        for (kind, rules) in [("ClusterRole", everywhere), ("Role", here)] {
            let mut role = named(kind, "rbac.authorization.k8s.io/v1");
            role["rules"] = rules.clone();
            self.create(&role);
            let mut binding = named(&format!("{kind}Binding"), "rbac.authorization.k8s.io/v1");
            binding["roleRef"] =
                json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name });
            binding["subjects"] = json!([{ "kind": "ServiceAccount", "name": name, "namespace": NAMESPACE }]);
            self.create(&binding);
        }
        let token = self.kubectl(&["create", "token", name, "--duration=2h"]);
        let admin = fs::read_to_string(self.cluster.kubeconfig()).expect("a kubeconfig");
        let mut kubeconfig: Value = serde_json::from_str(&admin).expect("JSON");
        kubeconfig["users"][0]["user"]["token"] = token.trim().into();
        fs::write(self.kubeconfig(name), kubeconfig.to_string()).expect("a file");
    }
}

fn slots<'a>(node: &'a str, lease: &'a str) -> Slots<'a> {
    Slots { node, lease, count: 1, duration: DURATION }
}
