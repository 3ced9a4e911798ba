//! A dockerd on a node's containerd, with runc. Needs root, containerd, runc and dockerd.

#[path = "node/archive.rs"]
#[expect(dead_code, reason = "the tests of the task API use all of it")]
mod archive;

use std::time::Duration;

use shimmer_node::docker::{Docker, DockerContainer, DockerSpec};
use shimmer_node::{Access, ErrorKind, ExecSpec, Node, Process};

const SOON: Duration = Duration::from_secs(30);
const RUNC: &str = "io.containerd.runc.v2";

fn node() -> (Node, Docker, String) {
    let node = Node::builder().start().unwrap_or_else(|error| panic!("a node is needed: {error}"));
    let docker = node.docker().unwrap_or_else(|error| panic!("dockerd is needed: {error}"));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("busybox.tar");
    archive::busybox().save(&path);
    let image = docker.load(&path).expect("the archive is loaded").remove(0);
    (node, docker, image)
}

fn shell(image: &str, script: &str) -> DockerSpec {
    DockerSpec::new("shell", image, RUNC).entrypoint("/bin/sh").args(["-c", script])
}

/// Runs a container to its end: its status, its stdout and its stderr.
#[track_caller]
fn run(docker: &Docker, spec: &DockerSpec) -> (u32, String, String) {
    let container = docker.container(spec).expect("a container");
    container.start().expect("it starts");
    let code = container.wait(SOON).expect("it ends");
    let (stdout, stderr) = container.output().expect("its output");
    container.remove().expect("it is removed");
    (code, text(&stdout), text(&stderr))
}

/// A container that has printed `ready`.
#[track_caller]
fn ready(docker: &Docker, spec: &DockerSpec) -> DockerContainer {
    let container = docker.container(spec).expect("a container");
    container.start().expect("it starts");
    container.wait_for("ready", SOON).expect("it says so");
    container
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

#[test]
fn runs_containers_and_leaves_nothing_when_the_node_ends() {
    let (node, docker, image) = node();
    assert!(docker.version().starts_with(|digit: char| digit.is_ascii_digit()), "{}", docker.version());
    let folder = tempfile::tempdir().expect("a folder");
    let spec = shell(&image, "read line; echo $line; echo $A >&2; pwd; exit 3").stdin("text\n").env("A", "b");
    let spec = spec.mount(folder.path(), "/data", Access::Read).cwd("/data");
    assert_eq!(run(&docker, &spec), (3, "text\n/data\n".into(), "b\n".into()));
    // One that still runs when its node ends.
    let running = ready(&docker, &shell(&image, "echo ready; exec /bin/busybox sleep 1000").host_network());
    assert_eq!(running.inspect().expect("its state").status, "running");
    node.stop().expect("nothing is left, of dockerd either");
}

#[test]
fn gives_the_same_dockerd_to_everybody() {
    let (node, _docker, image) = node();
    let other = node.docker().expect("the same");
    assert_eq!(run(&other, &shell(&image, "echo here")).1, "here\n", "the image is there");
    let mut dockerds = node.processes().expect("processes");
    // What it has forked has its name until it executes another program.
    dockerds.retain(|process| process.name == "dockerd");
    let is_forked = |process: &Process| dockerds.iter().any(|dockerd| dockerd.pid == process.parent);
    let own = dockerds.iter().filter(|process| !is_forked(process));
    assert_eq!(own.count(), 1, "the node's init has adopted one");
    node.stop().expect("nothing is left");
}

#[test]
fn tells_what_dockerd_refuses() {
    let (_node, docker, image) = node();
    let missing =
        docker.container(&DockerSpec::new("missing", "nobody/nothing:1", RUNC)).expect_err("no such image");
    assert!(matches!(missing.kind(), ErrorKind::Docker { status: 404, .. }), "{missing}");
    let container = ready(&docker, &shell(&image, "echo ready; exec /bin/busybox sleep 1000"));
    let exec = container.exec(ExecSpec::new(["/no/such"]), SOON).expect_err("no such program");
    assert!(exec.to_string().contains("/no/such"), "{exec}");
    let exec =
        container.exec(ExecSpec::new(["/bin/sh", "-c", "read word; echo $word; exit 4"]).stdin("in\n"), SOON);
    let exec = exec.expect("a program");
    assert_eq!((exec.code, text(&exec.stdout)), (4, "in\n".to_owned()));
}

#[test]
fn asks_no_containerd_of_somebody_else() {
    let (node, _docker, _image) = node();
    let connected = Node::connect(&node.socket()).expect("a connection");
    let refused = connected.docker().expect_err("it is not ours");
    assert_eq!(*refused.kind(), ErrorKind::NotPrivate);
}
