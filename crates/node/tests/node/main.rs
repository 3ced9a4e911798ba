//! Real nodes, containers on runc, and what is left when they go. Needs root, containerd and runc.

mod archive;
mod bare;
mod connection;
mod container;
mod daemon;
mod event;
mod exec;
mod image;
mod leftovers;
mod streams;
mod task;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use shimmer_node::{Code, ContainerSpec, Error, ErrorKind, Image, Node, Output, Task};

const RUNC: &str = "io.containerd.runc.v2";
const SOON: Duration = Duration::from_secs(30);
const SIGKILL: u32 = 9;
const SIGTERM: u32 = 15;

fn node() -> Node {
    Node::builder().start().unwrap_or_else(|error| panic!("a node is needed: {error}"))
}

/// Puts a program at `path`, by another process: while this one has it open for writing, a child of another thread has it
/// open as well, and nobody can execute it.
#[track_caller]
fn put_program(path: &Path, text: &str) {
    let mut install = Command::new("install");
    install.args(["-m", "755", "/dev/stdin"]).arg(path).stdin(Stdio::piped());
    let mut install = install.spawn().expect("coreutils");
    install.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("it reads");
    assert!(install.wait().expect("it ends").success(), "{} is written", path.display());
}

fn import(node: &Node) -> Image {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("busybox.tar");
    archive::busybox().save(&path);
    node.import(&path).expect("the archive is imported").remove(0)
}

fn shell(image: &Image, id: &str, script: &str) -> ContainerSpec {
    ContainerSpec::new(id, image, RUNC).args(["/bin/sh", "-c", script])
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

#[track_caller]
fn assert_success(output: &Output) {
    assert_eq!((output.code, text(&output.stderr)), (0, ""), "stdout: {}", text(&output.stdout));
}

/// A task that sleeps.
#[track_caller]
fn running(node: &Node, image: &Image, id: &str) -> Task {
    start(node, shell(image, id, "echo up; exec sleep 1000"))
}

/// A task that has said `up`. Its container stays until the node goes.
#[track_caller]
fn start(node: &Node, spec: ContainerSpec) -> Task {
    let container = node.container(spec).expect("a container");
    let mut task = container.create().expect("a task");
    std::mem::forget(container);
    task.start().expect("it starts");
    task.wait_for("up", SOON).expect("it runs");
    task
}

#[track_caller]
fn assert_code(error: &Error, wanted: Code) {
    assert!(matches!(error.kind(), ErrorKind::Containerd { code, .. } if *code == wanted), "{error:?}");
}
