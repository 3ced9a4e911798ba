//! The installer by hand, on a node with a containerd of its own: pods by every handler, upgrades under running pods, and
//! what happens when something is broken. Needs root, containerd, runc and the CNI plugins.

mod moody;
mod release;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;
use shimmer_node::cri::{Cri, CriContainerSpec, Pod, PodSpec};
use shimmer_node::{Image, Node};
use shimmer_oci::{Archive, Platform, Rootfs};
use tempfile::TempDir;

use crate::release::Files;

const SOON: Duration = Duration::from_secs(600);

/// A node, and what is used on it.
struct Bench {
    node: Node,
    cri: Cri,
    image: Image,
    releases: TempDir,
    before: Files,
}

impl Bench {
    fn new(node: Node) -> Self {
        let cri = node.cri().expect("its CRI");
        // Below /tmp, which nodes see as well.
        let releases = tempfile::tempdir_in("/tmp").expect("a folder");
        let archive = releases.path().join("hello.tar");
        let image =
            Rootfs::new(Platform::host()).file("/hello.wat", 0o644, HELLO).file("/wait.wat", 0o644, WAIT);
        let image = image.build().expect("an image");
        let file = fs::File::create(&archive).expect("it is ours");
        Archive::default().image("localhost/hello:1", image).write(file).expect("it is written");
        let image = node.import(&archive).expect("it is imported").remove(0);
        let before = files(&node);
        Self { node, cri, image, releases, before }
    }

    #[track_caller]
    fn has_what_was_there_before(&self) {
        release::agrees_that_they_are_the_same(&self.before, &files(&self.node), String::new);
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut installer = Command::new(env!("CARGO_BIN_EXE_shimmer-installer"));
        installer.args(arguments).args(["--host-root", "/", "--restart", "signal", "--json"]);
        self.node.execute(installer).expect("it is executed")
    }

    fn install(&self, release: &Path) -> Output {
        self.install_within("120", release)
    }

    /// Where containerd may take so many seconds to return.
    fn install_within(&self, seconds: &str, release: &Path) -> Output {
        self.run(&["install", "--timeout", seconds, "--release", release.to_str().expect("a path")])
    }

    /// What it says when it has done what it was told.
    #[track_caller]
    fn does(&self, output: &Output) -> Value {
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{}: {stdout}{stderr}{}", output.status, self.log());
        serde_json::from_str(&stdout).expect("it speaks JSON")
    }

    /// What it says when it has not.
    #[track_caller]
    fn fails(output: &Output, status: i32) -> String {
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(status), "{stdout}{stderr}");
        stderr
    }

    fn log(&self) -> String {
        let log = self.node.log().unwrap_or_default();
        let tail: Vec<_> = log.lines().rev().take(20).collect();
        tail.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    fn pod(&self, handler: &str) -> Pod {
        // A connection that has broken says so once.
        self.cri.version().or_else(|_broken| self.cri.version()).expect("containerd serves");
        self.cri.pod(PodSpec::new(format!("by-{handler}"), handler)).expect("a pod")
    }

    /// Runs a program of WebAssembly to its end in a new pod.
    #[track_caller]
    fn says_hello(&self, handler: &str) {
        let pod = self.pod(handler);
        let spec = CriContainerSpec::new("hello", &self.image).command(["/hello.wat"]);
        let container = pod.container(spec).expect("a container");
        container.start().expect("it starts");
        let ended = container.wait(SOON).expect("it ends");
        assert_eq!(
            (ended.code, text(&container.log().expect("a log").stdout)),
            (0, "hello\n".to_owned()),
            "{handler}"
        );
        container.delete().expect("it is deleted");
        pod.delete().expect("it is deleted");
    }

    fn containerd(&self) -> u32 {
        self.node.containerd().expect("a look").expect("it runs").pid
    }

    fn versions(&self) -> usize {
        fs::read_dir(self.node.root().expect("it lives").join("opt/shimmer/versions"))
            .expect("a folder")
            .count()
    }
}

fn files(node: &Node) -> Files {
    release::files(&node.root().expect("it lives"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Prints a line.
const HELLO: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "hello\n")
  (func (export "_start")
    (i32.store (i32.const 0) (i32.const 16))
    (i32.store (i32.const 4) (i32.const 6))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#;

/// Sleeps for ever.
const WAIT: &str = include_str!("wait.wat");

#[test]
fn installs_a_pod_by_every_handler_upgrades_under_it_and_leaves_nothing() {
    let bench = Bench::new(Node::builder().bare().start().expect("a node"));
    let (one, two) =
        (release::good(bench.releases.path(), "1.0.0"), release::good(bench.releases.path(), "1.1.0"));
    let installed = bench.does(&bench.install(&one));
    assert_eq!(installed["handlers"], serde_json::json!(release::engines()));
    assert_eq!(installed["restarted"], "whoever started it");
    for engine in release::engines() {
        bench.says_hello(&engine);
    }
    let containerd = bench.containerd();
    let again = bench.does(&bench.install(&one));
    assert_eq!((&again["changed"], bench.containerd()), (&Value::Bool(false), containerd), "{again}");

    let pod = bench.pod("wasmtime");
    let container = pod.container(CriContainerSpec::new("wait", &bench.image).command(["/wait.wat"]));
    let container = container.expect("a container");
    container.start().expect("it starts");
    let upgraded = bench.does(&bench.install(&two));
    assert_eq!((&upgraded["version"], &upgraded["restarted"]), (&"1.1.0".into(), &Value::Null), "{upgraded}");
    assert_eq!((bench.containerd(), bench.versions()), (containerd, 2), "the pod's version stays");
    bench.says_hello("wasmtime");
    let status = bench.does(&bench.run(&["status"]));
    assert_eq!(
        (&status["pods"][0]["name"], &status["faults"]),
        (&"by-wasmtime".into(), &serde_json::json!([])),
        "{status}"
    );
    let refused = Bench::fails(&bench.run(&["uninstall"]), 3);
    assert!(refused.contains("by-wasmtime") && refused.contains("--force"), "{refused}");
    bench.does(&bench.run(&["verify"]));
    container.stop(Duration::ZERO).expect("it is stopped");
    container.delete().expect("it is deleted");
    pod.delete().expect("it is deleted");
    bench.does(&bench.install(&one));
    assert_eq!(bench.versions(), 1, "nobody uses the other one any more");

    let uninstalled = bench.does(&bench.run(&["uninstall"]));
    assert_eq!(uninstalled["restarted"], "whoever started it");
    bench.has_what_was_there_before();
    bench.cri.pod(PodSpec::new("after", "wasmtime")).expect_err("there is no such handler any more");
    assert!(Bench::fails(&bench.run(&["status"]), 5).contains("nothing"), "it is not installed");
    bench.node.stop().expect("nothing is left");
}

#[test]
fn a_forced_uninstall_ends_no_container_and_the_next_one_leaves_nothing() {
    let bench = Bench::new(Node::builder().bare().start().expect("a node"));
    bench.does(&bench.install(&release::good(bench.releases.path(), "1.0.0")));
    let pod = bench.pod("wasmedge");
    let container = pod.container(CriContainerSpec::new("wait", &bench.image).command(["/wait.wat"]));
    let container = container.expect("a container");
    container.start().expect("it starts");
    bench.does(&bench.run(&["uninstall", "--force"]));
    bench.cri.version().or_else(|_broken| bench.cri.version()).expect("containerd serves");
    container.stop(Duration::ZERO).expect("it is stopped");
    let ended = container.wait(SOON).expect("it has ended");
    assert_eq!(ended.code, 137, "by nobody but us");
    container.delete().expect("it is deleted");
    pod.delete().expect("it is deleted");
    bench.does(&bench.run(&["uninstall"]));
    bench.has_what_was_there_before();
    bench.node.stop().expect("nothing is left");
}

#[test]
fn puts_a_node_back_on_which_a_release_makes_no_pod() {
    let bench = Bench::new(Node::builder().bare_without_imports().start().expect("a node"));
    let broken = release::broken(bench.releases.path(), "2.0.0");
    let told = Bench::fails(&bench.install(&broken), 1);
    assert!(told.contains("cannot make a pod") && told.contains("it is broken"), "{told}");
    bench.has_what_was_there_before();
    bench.does(&bench.install(&release::good(bench.releases.path(), "1.0.0")));
    bench.says_hello("wasmer");
    Bench::fails(&bench.install(&broken), 1);
    bench.says_hello("wasmer");
    assert_eq!(bench.does(&bench.run(&["status"]))["version"], "1.0.0");
    bench.does(&bench.run(&["uninstall"]));
    bench.has_what_was_there_before();
    bench.node.stop().expect("nothing is left");
}

#[test]
fn puts_a_node_back_on_which_containerd_does_not_return() {
    let folder = tempfile::tempdir_in("/tmp").expect("a folder");
    moody::containerd(folder.path(), "[ -e /etc/containerd/conf.d/50-shimmer.toml ]");
    let bench = Bench::new(Node::builder().bare().containerd(folder.path()).start().expect("a node"));
    let good = release::good(bench.releases.path(), "1.0.0");
    let told = Bench::fails(&bench.install_within("60", &good), 1);
    assert!(told.contains("within 60 s"), "{told}");
    bench.has_what_was_there_before();
    bench.pod("runc").delete().expect("it is deleted");
    bench.node.stop().expect("nothing is left");
}
