//! A cluster of bare nodes: what an installer that comes as pods finds there.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use shimmer_node::{Cluster, ClusterNode};

use crate::{SOON, import, kubectl, start, try_kubectl};

/// A pod as an installer's: it has the host's files and processes.
const INSTALLER: &str = r#"{"spec":{"nodeName":"NODE","hostPID":true,"containers":[{"name":"installer","image":"IMAGE",
    "imagePullPolicy":"IfNotPresent","command":["/bin/sh","-c","exec sleep 1000"],"securityContext":{"privileged":true},
    "volumeMounts":[{"name":"host","mountPath":"/host","mountPropagation":"HostToContainer"}]}],
    "volumes":[{"name":"host","hostPath":{"path":"/"}}]}}"#;
/// One that asks the API server who it is, by a token of its own.
const CLIENT: &str = r#"{"spec":{"restartPolicy":"Never","automountServiceAccountToken":false,"containers":[{"name":"client",
    "image":"IMAGE","imagePullPolicy":"IfNotPresent","command":["/bin/sh","-c","SCRIPT"],"volumeMounts":[
    {"name":"programs","mountPath":"/programs"},
    {"name":"token","mountPath":"/var/run/secrets/kubernetes.io/serviceaccount"}]}],
    "volumes":[{"name":"programs","hostPath":{"path":"FOLDER"}},{"name":"token","projected":{"sources":[
    {"serviceAccountToken":{"path":"token","expirationSeconds":3600}},
    {"configMap":{"name":"kube-root-ca.crt","items":[{"key":"ca.crt","path":"ca.crt"}]}},
    {"downwardAPI":{"items":[{"path":"namespace","fieldRef":{"fieldPath":"metadata.namespace"}}]}}]}}]}}"#;

#[test]
fn a_pod_with_its_nodes_host_writes_it_and_ends_containerd_which_comes_back() {
    let Some(mut cluster) = start(&Cluster::builder().nodes(2).bare()) else { return };
    let image = import(&cluster);
    assert_eq!(kubectl(&cluster, &["get", "runtimeclasses", "-o=name"]), "", "nobody has made one");
    cluster.add(&Cluster::builder().bare()).expect("a third node");
    assert_eq!(import(&cluster), image, "the new node has it, too");
    for (number, node) in cluster.nodes().iter().enumerate() {
        let pod = install(&cluster, node, &image);
        let config = kubectl(&cluster, &["exec", &pod, "--", "cat", "/host/etc/containerd/config.toml"]);
        assert_eq!(config, fs::read_to_string(below(node, "etc/containerd/config.toml")).expect("a file"));
        let write = format!("mkdir /host/opt/shimmer-test && echo {number} > /host/opt/shimmer-test/file");
        shell(&cluster, &pod, &write);
        let written = fs::read_to_string(below(node, "opt/shimmer-test/file")).expect("a file");
        assert_eq!(written, format!("{number}\n"));
        let others = cluster.nodes().iter().skip(number + 1);
        assert!(others.map(|other| below(other, "opt/shimmer-test")).all(|path| !path.exists()));
        end_containerd(&cluster, node, &pod);
        assert_eq!(shell(&cluster, &pod, "echo $((6 * 7))"), "42\n", "it goes on, and CRI knows it");
    }
    assert!(!Path::new("/opt/shimmer-test").exists(), "the machine has none of it");
    let nodes = kubectl(&cluster, &["get", "nodes", "-o=name"]);
    assert_eq!(nodes.lines().count(), 3, "{nodes}");
    cluster.stop().expect("nothing of it is left");
}

#[test]
fn a_pod_reaches_the_api_server_by_its_address_and_by_its_name() {
    let Some(cluster) = start(&Cluster::builder().nodes(2).bare()) else { return };
    let image = import(&cluster);
    let program = cluster.kubectl();
    let folder = program.parent().expect("a folder").display().to_string();
    let account = "/var/run/secrets/kubernetes.io/serviceaccount";
    let whoami = "auth whoami -o=jsonpath={.status.userInfo.username}";
    let by_name = format!(
        "--server=https://kubernetes.default.svc --certificate-authority={account}/ca.crt --token=$(cat {account}/token)"
    );
    // kube-proxy and CoreDNS need a moment for what is new, and tell nobody when they have had it.
    let ask = |options: &str| {
        format!(
            "until who=$(/programs/kubectl {options} {whoami} 2>/dev/null); do sleep 0.1; done; echo $who"
        )
    };
    let script = format!("{}; {}", ask(""), ask(&by_name));
    for node in ["node1", "node2"] {
        let pod = CLIENT.replace("IMAGE", &image).replace("SCRIPT", &script).replace("FOLDER", &folder);
        let pod = pod.replace(r#""restartPolicy""#, &format!(r#""nodeName":"{node}","restartPolicy""#));
        let name = format!("client-{node}");
        kubectl(&cluster, &["run", &name, "--image", &image, "--restart=Never", "--overrides", &pod]);
        let finished = "--for=jsonpath={.status.phase}=Succeeded";
        kubectl(&cluster, &["wait", &format!("pod/{name}"), finished, "--timeout=300s"]);
        let account = "system:serviceaccount:default:default\n";
        assert_eq!(kubectl(&cluster, &["logs", &name]), account.repeat(2), "on {node}");
    }
    cluster.stop().expect("nothing of it is left");
}

/// Makes an installer's pod on a node, and gives its name.
#[track_caller]
fn install(cluster: &Cluster, node: &ClusterNode, image: &str) -> String {
    let pod = INSTALLER.replace("NODE", &node.name()).replace("IMAGE", image);
    let name = format!("installer-{}", node.name());
    kubectl(cluster, &["run", &name, "--image", image, "--overrides", &pod]);
    kubectl(cluster, &["wait", &format!("pod/{name}"), "--for=condition=Ready", "--timeout=300s"]);
    name
}

/// Ends containerd by a pod of the node, and waits until it serves again.
#[track_caller]
fn end_containerd(cluster: &Cluster, node: &ClusterNode, pod: &str) {
    let id = || node.node().containerd().expect("a look");
    let before = id().expect("containerd runs");
    let kill = format!("kill -TERM {}", before.node_pid);
    let begin = Instant::now();
    while id().is_some_and(|now| now.pid == before.pid) {
        // It carries the command's own streams, so that its end may break the connection; and a kubelet may not have
        // served yet.
        let told = try_kubectl(cluster, &["exec", pod, "--", "/bin/sh", "-c", &kill]);
        assert!(begin.elapsed() < SOON, "containerd ends: {}", String::from_utf8_lossy(&told.stderr));
    }
    node.node().wait_until_ready().expect("it serves again");
}

#[track_caller]
fn shell(cluster: &Cluster, pod: &str, script: &str) -> String {
    kubectl(cluster, &["exec", pod, "--", "/bin/sh", "-c", script])
}

/// A path of the node's, as this machine has it.
fn below(node: &ClusterNode, path: &str) -> PathBuf {
    node.node().root().expect("it lives").join(path)
}
