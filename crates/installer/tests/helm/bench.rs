//! A cluster of two bare nodes, Helm, and what is asked of both.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shimmer_node::{Cluster, ClusterNode, Helm, helm, if_buildable};
use tempfile::TempDir;

use crate::release::{self, Files};
use crate::{UNBEARABLE, image};

/// For what comes by itself unless something is wrong, on a machine that does much else as well; as Helm and kubectl read it.
const SOON: Duration = Duration::from_secs(900);
const SOON_ENOUGH: &str = "--timeout=900s";
/// What kubectl says where it has not reached the API server, or not to the end.
const UNREACHED: [&str; 8] = [
    "Unable to connect to the server",
    "connection refused",
    "connection reset",
    "connection lost",
    "TLS handshake timeout",
    "i/o timeout",
    "EOF",
    "etcdserver: request timed out",
];

/// What a node says that went wrong there.
pub(crate) struct Problem {
    pub(crate) node: String,
    pub(crate) told: String,
}

pub(crate) struct Bench {
    cluster: Cluster,
    helm: PathBuf,
    folder: TempDir,
    containerd: PathBuf,
    /// Archives that a later node has to have as well.
    archives: Cell<Vec<PathBuf>>,
    before: Vec<Files>,
}

impl Bench {
    /// Nothing where this machine has no Go.
    pub(crate) fn new(version: Helm) -> Option<Self> {
        let cache = shimmer_node::cache().expect("a cache");
        let built = if_buildable(helm(version, &cache, &|_| ()));
        let helm = built.unwrap_or_else(|error| panic!("Helm is needed: {error}"))?;
        // Below /tmp, which nodes see as well.
        let folder = tempfile::tempdir_in("/tmp").expect("a folder");
        let containerd = folder.path().join("containerd");
        fs::create_dir(&containerd).expect("it is ours");
        let is_too_much = format!("/bin/grep -qs {UNBEARABLE} /etc/containerd/conf.d/*.toml");
        crate::moody::containerd(&containerd, &is_too_much);
        let cluster = Cluster::builder().nodes(2).bare().containerd(&containerd).start(&|_| ());
        let cluster = cluster.unwrap_or_else(|error| panic!("a cluster is needed: {error}"));
        let before = cluster.nodes().iter().map(files).collect();
        Some(Self { cluster, helm, folder, containerd, archives: Cell::default(), before })
    }

    /// Makes a release and its image known to all nodes; gives the value that names it.
    pub(crate) fn image(&self, version: &str, release: impl Fn(&Path, &str) -> PathBuf) -> String {
        let archive = image::archive(self.folder.path(), version, &release(self.folder.path(), version));
        self.cluster.import(&archive).expect("it is imported");
        let mut archives = self.archives.take();
        archives.push(archive);
        self.archives.set(archives);
        format!("image.tag={version}")
    }

    fn helm(&self, arguments: &[&str]) -> Output {
        let mut helm = Command::new(&self.helm);
        helm.args(arguments).args(["--namespace", "shimmer", SOON_ENOUGH, "--kubeconfig"]);
        helm.arg(self.cluster.kubeconfig()).env_clear().env("HOME", self.folder.path());
        if arguments[0] == "install" {
            helm.arg("--create-namespace");
        }
        if ["install", "upgrade"].contains(&arguments[0]) {
            helm.args(["--set", "containerd.restart=signal"]);
        }
        helm.output().expect("helm runs")
    }

    #[track_caller]
    pub(crate) fn succeeds(&self, arguments: &[&str]) -> String {
        let output = self.helm(arguments);
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "helm {}: {stdout}{stderr}\n{}", arguments.join(" "), self.story());
        stdout
    }

    #[track_caller]
    pub(crate) fn fails(&self, arguments: &[&str]) -> String {
        let output = self.helm(arguments);
        assert!(!output.status.success(), "helm {}: {}", arguments.join(" "), text(&output.stdout));
        text(&output.stderr)
    }

    /// What the containers of the chart say, for whoever reads of a failure.
    fn story(&self) -> String {
        let all =
            ["--all-containers", "--prefix", "--tail=20", "--selector=app.kubernetes.io/instance=shimmer"];
        let log = self.kubectl(&[&["logs"], &all[..]].concat());
        text(&self.kubectl(&["get", "pods,nodes", "--show-labels"]).stdout)
            + &text(&log.stdout)
            + &text(&log.stderr)
    }

    fn kubectl(&self, arguments: &[&str]) -> Output {
        let mut kubectl = Command::new(self.cluster.kubectl());
        kubectl.arg("--kubeconfig").arg(self.cluster.kubeconfig()).args(["--namespace", "shimmer"]);
        kubectl.args(arguments).output().expect("kubectl runs")
    }

    /// What kubectl prints. It is asked again where it has not reached the server: all that it is asked here may be said twice.
    #[track_caller]
    fn ask(&self, arguments: &[&str]) -> String {
        let begin = Instant::now();
        loop {
            let output = self.kubectl(arguments);
            if output.status.success() {
                return text(&output.stdout);
            }
            let said = text(&output.stderr);
            let may_pass = UNREACHED.iter().any(|unreached| said.contains(unreached));
            assert!(may_pass && begin.elapsed() < SOON, "{}: {said}\n{}", arguments.join(" "), self.story());
        }
    }

    #[track_caller]
    fn nodes(&self) -> Vec<Value> {
        let nodes: Value = serde_json::from_str(&self.ask(&["get", "nodes", "--output=json"])).expect("JSON");
        nodes["items"].as_array().expect("nodes").clone()
    }

    /// Waits until it is so.
    #[track_caller]
    pub(crate) fn agrees_that_all_nodes_have(&self, version: &str) {
        let told = format!("--for=jsonpath={{.metadata.annotations.shimmer\\.dev/release}}={version}");
        self.ask(&["wait", "node", "--all", &told, SOON_ENOUGH]);
        for node in self.nodes() {
            let labels = node["metadata"]["labels"].as_object().expect("labels");
            let ours =
                labels.iter().filter(|(name, value)| name.starts_with("shimmer.dev/") && *value == "ready");
            assert_eq!(ours.count(), 3, "{labels:?}");
        }
    }

    /// A kubelet says of its node that it is not ready while containerd is started again, and nothing is undone on a node that is
    /// not.
    #[track_caller]
    pub(crate) fn waits_until_all_nodes_are_ready(&self) {
        self.ask(&["wait", "node", "--all", "--for=condition=Ready", SOON_ENOUGH]);
    }

    /// How often the lease of the only slot has changed hands.
    pub(crate) fn turns(&self) -> u64 {
        let lease: Value =
            serde_json::from_str(&self.ask(&["get", "lease", "shimmer-0", "--output=json"])).expect("JSON");
        lease["spec"]["leaseTransitions"].as_u64().unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn start_a_pod_on_every_node(&self, class: &str) -> Vec<String> {
        let names = self.cluster.nodes().iter().map(ClusterNode::name);
        let pods: Vec<_> =
            names.map(|node| self.apply(&format!("waits-{node}"), class, &["/wait.wat"], &node)).collect();
        for pod in &pods {
            self.ask(&["wait", "pod", pod, "--for=condition=Ready", SOON_ENOUGH]);
        }
        pods
    }

    /// By the shims that stay there: while an attempt that will fail is at work, containerd starts those that it tries, and it
    /// may be started again itself.
    #[track_caller]
    pub(crate) fn runs_a_pod_on(&self, node: &str, class: &str) {
        let found =
            self.cluster.nodes().iter().find(|found| found.name() == node).expect("it is one of ours");
        let _lock = lock(&root(found));
        let pod = self.apply("once", class, &["/hello.wasm"], node);
        self.ask(&["wait", "pod", &pod, "--for=jsonpath={.status.phase}=Succeeded", SOON_ENOUGH]);
        assert_eq!(self.ask(&["logs", &pod]), "hello from wasm: world\n");
        self.delete(&[pod]);
    }

    #[track_caller]
    fn apply(&self, name: &str, class: &str, command: &[&str], node: &str) -> String {
        let container =
            json!({ "name": "wasm", "image": "localhost/shimmer-installer:1.0.0", "command": command });
        let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name }, "spec": {
            "runtimeClassName": class, "restartPolicy": "Never", "nodeName": node, "containers": [container],
            "terminationGracePeriodSeconds": 1 } });
        let file = self.folder.path().join("pod.json");
        fs::write(&file, pod.to_string()).expect("it is ours");
        self.ask(&["apply", "--validate=strict", "--filename", &file.display().to_string()]);
        name.to_owned()
    }

    #[track_caller]
    pub(crate) fn agrees_that_they_run(&self, pods: &[String]) {
        for pod in pods {
            let state = "jsonpath={.status.phase} {.status.containerStatuses[0].restartCount}";
            assert_eq!(self.ask(&["get", "pod", pod, "--output", state]), "Running 0", "{pod}");
        }
    }

    #[track_caller]
    pub(crate) fn delete(&self, pods: &[String]) {
        let pods: Vec<&str> = pods.iter().map(String::as_str).collect();
        self.ask(&[&["delete", "pod", "--wait", "--ignore-not-found"], &pods[..]].concat());
    }

    /// Waits until a node says that something went wrong, and gives what.
    #[track_caller]
    pub(crate) fn waits_for_a_problem(&self) -> Problem {
        let output = "jsonpath={.metadata.name} {.metadata.annotations.shimmer\\.dev/problem}{\"\\n\"}";
        let line = self.watches(&["nodes", "--output", output], |line| {
            line.split_once(' ').is_some_and(|(_, problem)| !problem.is_empty())
        });
        let (node, told) = line.split_once(' ').expect("it has both");
        Problem { node: node.to_owned(), told: told.to_owned() }
    }

    /// Waits for a line about objects that is what is looked for, and gives that. A watch begins with what is there, so that a
    /// connection which ends loses nothing.
    #[track_caller]
    fn watches(&self, what: &[&str], is_it: impl Fn(&str) -> bool) -> String {
        let begin = Instant::now();
        loop {
            if let Some(line) = self.watched(what, &is_it) {
                return line;
            }
            assert!(begin.elapsed() < SOON, "get {}: nothing came of it: {}", what.join(" "), self.story());
        }
    }

    fn watched(&self, what: &[&str], is_it: impl Fn(&str) -> bool) -> Option<String> {
        let mut kubectl = Command::new(self.cluster.kubectl());
        kubectl.arg("--kubeconfig").arg(self.cluster.kubeconfig()).args(["--namespace", "shimmer"]);
        kubectl.arg("get").args(what).args(["--watch", "--request-timeout=900s"]);
        let mut watch = kubectl.stdout(Stdio::piped()).spawn().expect("kubectl runs");
        let lines = BufReader::new(watch.stdout.take().expect("it was asked for")).lines();
        let found = lines.map_while(Result::ok).find(|line| is_it(line));
        watch.kill().and_then(|()| watch.wait()).expect("it ends");
        found
    }

    pub(crate) fn nodes_with_a_problem(&self) -> Vec<String> {
        let mut nodes = self.nodes();
        nodes.retain(|node| node["metadata"]["annotations"]["shimmer.dev/problem"].is_string());
        nodes.iter().map(|node| node["metadata"]["name"].as_str().expect("a name").to_owned()).collect()
    }

    /// What the installer has put on each node, once every node is as it should be.
    #[track_caller]
    pub(crate) fn settled_files(&self) -> Vec<Files> {
        self.ask(&["rollout", "status", "daemonset/shimmer", SOON_ENOUGH]);
        self.lasting_files()
    }

    /// Of each node while no installer is at work there.
    fn lasting_files(&self) -> Vec<Files> {
        let files = |root: PathBuf| {
            let _lock = lock(&root);
            // Without what pods leave, which come and go meanwhile.
            release::files_in(&root, &["etc/containerd", "opt"])
        };
        self.cluster.nodes().iter().map(root).map(files).collect()
    }

    /// Lets the installer fail on `node` once more, and compares all nodes with what they were before the first time.
    #[track_caller]
    pub(crate) fn agrees_that_a_further_attempt_leaves(&self, before: &[Files], node: &str) {
        self.waits_for_the_end_of_a_further_attempt(node);
        for (before, now) in before.iter().zip(&self.lasting_files()) {
            release::agrees_that_they_are_the_same(before, now, || self.story());
        }
    }

    /// A containerd that is started again takes its time to tell a kubelet, and a kubelet the server: the attempt after that
    /// may be at work by the time at which this one is known to have ended.
    #[track_caller]
    fn waits_for_the_end_of_a_further_attempt(&self, node: &str) {
        let container = ".status.initContainerStatuses[0]";
        let output =
            format!("jsonpath={{{container}.restartCount}} {{{container}.state.waiting.reason}}{{\"\\n\"}}");
        let on_node = format!("--field-selector=spec.nodeName={node}");
        let ours = "--selector=app.kubernetes.io/instance=shimmer";
        self.watches(&["pods", ours, &on_node, "--output", &output], |line| {
            let (restarts, reason) = line.split_once(' ').unwrap_or_default();
            reason == "CrashLoopBackOff" && restarts.parse().is_ok_and(|restarts: u32| restarts > 0)
        });
    }

    pub(crate) fn add_a_node(&mut self) {
        let builder = Cluster::builder().bare().containerd(&self.containerd);
        let node = self.cluster.add(&builder).expect("a node");
        self.before.push(files(node));
        for archive in self.archives.get_mut() {
            node.node().import(archive).expect("it is imported");
        }
    }

    pub(crate) fn log_of_the_job(&self) -> String {
        self.ask(&["logs", "--tail=-1", "--selector=app.kubernetes.io/component=retire"])
    }

    #[track_caller]
    pub(crate) fn agrees_that_nothing_is_left(&self) {
        for node in self.nodes() {
            let metadata = node["metadata"].to_string();
            assert!(!metadata.contains("shimmer.dev"), "{metadata}");
        }
        self.waits_until_no_object_is_left();
        for (node, before) in self.cluster.nodes().iter().zip(&self.before) {
            release::agrees_that_they_are_the_same(before, &files(node), || node.name());
        }
    }

    /// A Job is gone before its pod is, which goes by the garbage collector.
    #[track_caller]
    fn waits_until_no_object_is_left(&self) {
        let kinds = "all,configmaps,leases,serviceaccounts,roles,rolebindings";
        let begin = Instant::now();
        loop {
            let left = self.ask(&["get", kinds, "--output=name"]);
            let left: Vec<_> = left.lines().filter(|name| name.contains("shimmer")).collect();
            if left.is_empty() {
                return;
            }
            assert!(begin.elapsed() < SOON, "{left:?}");
        }
    }

    pub(crate) fn stop(self) {
        self.cluster.stop().expect("nothing is left");
    }
}

fn files(node: &ClusterNode) -> Files {
    release::files(&root(node))
}

fn root(node: &ClusterNode) -> PathBuf {
    node.node().root().expect("it lives")
}

/// The installer's own lock on a node: as long as this is open, another attempt waits for it.
fn lock(root: &Path) -> File {
    let lock = File::open(root.join("opt/shimmer/lock")).expect("it is installed");
    lock.lock().expect("whoever has it ends");
    lock
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
