//! A private Kubernetes of two nodes, on runc. Needs root, containerd, runc, the CNI plugins, and Go for the first time;
//! without Go it is left out, and says so.

#[path = "../node/archive.rs"]
#[expect(dead_code, reason = "the tests of the task API use all of it")]
mod archive;
mod bare;

use std::net::{SocketAddrV4, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use shimmer_node::{Cluster, ClusterBuilder, Traces, if_buildable};

const SOON: Duration = Duration::from_secs(300);
const SERVER: &str = r#"{"spec":{"nodeName":"node1","containers":[{"name":"server","image":"IMAGE","imagePullPolicy":"Never",
    "command":["/bin/sh","-c","echo from node1 > /tmp/file; exec httpd -f -p 80 -h /tmp"],"ports":[{"containerPort":80}]}]}}"#;

/// Two nodes, or nothing where this machine has no Go.
fn cluster() -> Option<Cluster> {
    start(&Cluster::builder().nodes(2))
}

fn start(builder: &ClusterBuilder) -> Option<Cluster> {
    if_buildable(builder.start(&|_| ())).unwrap_or_else(|error| panic!("a cluster is needed: {error}"))
}

#[test]
fn pods_of_two_nodes_talk_and_nothing_is_left_when_it_stops() {
    let Some(cluster) = cluster() else { return };
    let traces: Vec<Traces> = cluster.nodes().iter().map(|node| node.node().traces()).collect();
    let image = import(&cluster);
    let server = SERVER.replace("IMAGE", &image);
    kubectl(&cluster, &["run", "server", "--image", &image, "--labels=app=server", "--overrides", &server]);
    kubectl(&cluster, &["wait", "pod/server", "--for=condition=Ready", "--timeout=300s"]);
    kubectl(&cluster, &["expose", "pod/server", "--port=8080", "--target-port=80"]);
    // kube-proxy and CoreDNS need a moment for what is new, and tell nobody when they have had it.
    let fetch =
        "until wget -qO- http://server.default.svc.cluster.local:8080/file 2>/dev/null; do sleep 0.1; done";
    let client = format!(
        r#"{{"spec":{{"nodeName":"node2","restartPolicy":"Never","containers":[{{"name":"client","image":"{image}",
            "imagePullPolicy":"Never","command":["/bin/sh","-c","{fetch}"]}}]}}}}"#
    );
    kubectl(&cluster, &["run", "client", "--image", &image, "--restart=Never", "--overrides", &client]);
    let finished = "--for=jsonpath={.status.phase}=Succeeded";
    kubectl(&cluster, &["wait", "pod/client", finished, "--timeout=300s"]);
    assert_eq!(kubectl(&cluster, &["logs", "client"]), "from node1\n");
    let kubeconfig = cluster.kubeconfig();
    cluster.stop().expect("nothing of it is left");
    assert!(!kubeconfig.exists(), "its folder is gone");
    for traces in traces {
        assert_eq!(traces.leftovers().expect("a look"), Vec::<String>::new());
    }
}

#[test]
fn a_pod_survives_its_kubelet_and_a_third_node_joins() {
    let Some(mut cluster) = cluster() else { return };
    let image = import(&cluster);
    let sleep = ["--command", "--", "/bin/sh", "-c", "exec sleep 1000"];
    kubectl(
        &cluster,
        &[&["run", "pod", "--image", &image, "--image-pull-policy=Never"], &sleep[..]].concat(),
    );
    kubectl(&cluster, &["wait", "pod/pod", "--for=condition=Ready", "--timeout=300s"]);
    let started = "-o=jsonpath={.status.containerStatuses[0].containerID}";
    let before = kubectl(&cluster, &["get", "pod/pod", started]);
    for node in cluster.nodes() {
        node.restart_kubelet().expect("it starts again");
    }
    kubectl(&cluster, &["exec", "pod", "--", "/bin/sh", "-c", ":"]);
    assert_eq!(kubectl(&cluster, &["get", "pod/pod", started]), before, "the container was not made anew");
    assert_eq!(cluster.add(&Cluster::builder()).expect("a third node").name(), "node3");
    let nodes = kubectl(&cluster, &["get", "nodes", "-o=name"]);
    assert_eq!(nodes.lines().count(), 3, "{nodes}");
    cluster.stop().expect("nothing of it is left");
}

#[test]
fn the_machine_is_as_it_was() {
    let settings = || {
        ["kernel/panic", "kernel/panic_on_oops", "vm/overcommit_memory"]
            .map(|name| std::fs::read_to_string(Path::new("/proc/sys").join(name)).expect("a setting"))
    };
    let before = settings();
    let Some(cluster) = cluster() else { return };
    let address = kubectl(&cluster, &["config", "view", "-o=jsonpath={.clusters[0].cluster.server}"]);
    let address = address.trim_start_matches("https://").to_owned();
    assert!(TcpStream::connect(&address).is_ok(), "the API server is reached at {address}");
    let gate = listener(&address);
    assert_eq!(settings(), before, "a kubelet has set its own settings only");
    cluster.stop().expect("nothing of it is left");
    // The port is free again, and may be another cluster's by now.
    assert!(TcpStream::connect(&address).is_err() || listener(&address) != gate, "{address} is closed");
    assert_eq!(settings(), before);
}

fn import(cluster: &Cluster) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("busybox.tar");
    archive::busybox().save(&path);
    cluster.import(&path).expect("every node has it");
    let image = cluster.nodes()[0].node().import(&path).expect("it is there").remove(0);
    image.name().to_owned()
}

/// The socket that listens at an address, as the inode that no later one gets.
fn listener(address: &str) -> Option<String> {
    let address: SocketAddrV4 = address.parse().expect("an address");
    let (host, port) = (u32::from_ne_bytes(address.ip().octets()), address.port());
    let local = format!("{host:08X}:{port:04X}");
    let sockets = std::fs::read_to_string("/proc/net/tcp").expect("the sockets");
    sockets.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let listens = fields.get(1) == Some(&local.as_str()) && fields.get(3) == Some(&"0A");
        listens.then(|| fields[9].to_owned())
    })
}

/// What kubectl prints. It is tried again while a kubelet that was restarted does not serve yet.
#[track_caller]
fn kubectl(cluster: &Cluster, arguments: &[&str]) -> String {
    let begin = Instant::now();
    loop {
        let output = try_kubectl(cluster, arguments);
        if output.status.success() {
            return String::from_utf8(output.stdout).expect("text");
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let may_pass = said.contains("connection refused") || said.contains("unable to upgrade");
        assert!(may_pass && begin.elapsed() < SOON, "kubectl {arguments:?}: {said}");
    }
}

fn try_kubectl(cluster: &Cluster, arguments: &[&str]) -> Output {
    let mut kubectl = Command::new(cluster.kubectl());
    let output = kubectl.arg("--kubeconfig").arg(cluster.kubeconfig()).args(arguments).output();
    output.expect("kubectl runs")
}
