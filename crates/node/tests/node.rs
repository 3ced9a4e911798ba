//! Real nodes, containers on runc, and what is left when they go. Needs root, containerd and runc.

#[path = "node/archive.rs"]
mod archive;

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use shimmer_node::{Access, Code, ContainerSpec, ErrorKind, Image, Node, Output, State, Traces};

const RUNC: &str = "io.containerd.runc.v2";
const SOON: Duration = Duration::from_secs(30);
const SIGKILL: u32 = 9;

fn node() -> Node {
    Node::builder().start().unwrap_or_else(|error| panic!("a node is needed: {error}"))
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

#[test]
fn runs_a_container_and_gives_its_code_and_both_streams() {
    let node = node();
    let image = import(&node);
    let output = node.run(shell(&image, "a", "echo out; echo err >&2; exit 7")).expect("it runs");
    assert_eq!((output.code, text(&output.stdout), text(&output.stderr)), (7, "out\n", "err\n"));
    assert!(output.phases.create > Duration::ZERO, "phases are measured: {:?}", output.phases);
    let again = node.run(shell(&image, "a", "exit 0")).expect("the id is free again");
    assert_success(&again);
    node.stop().expect("nothing is left");
}

#[test]
fn gives_the_program_its_environment_folder_user_and_nothing_of_the_hosts() {
    let node = node();
    let image = import(&node);
    let spec =
        shell(&image, "env", "env | sort; pwd; id -u; id -g").env("GREETING", "hello world").cwd("/tmp");
    let output = node.run(spec.user(7, 8)).expect("it runs");
    assert_success(&output);
    let expected = "FROM_IMAGE=yes\nGREETING=hello world\nPATH=/bin\nPWD=/tmp\nSHLVL=1\n/tmp\n7\n8\n";
    let seen = text(&output.stdout).replace("HOME=/\n", "");
    assert_eq!(seen, expected);
}

#[test]
fn loses_no_byte_of_a_large_output() {
    let node = node();
    let image = import(&node);
    let output = node.run(shell(&image, "large", "head -c 8000000 /dev/zero")).expect("it runs");
    assert_eq!((output.code, output.stdout.len()), (0, 8_000_000));
}

#[test]
fn gives_the_program_its_input_and_then_its_end() {
    let node = node();
    let image = import(&node);
    let spec = || ContainerSpec::new("cat", &image, RUNC).args(["/bin/cat"]);
    let input = vec![b'x'; 300_000];
    let output = node.run(spec().stdin(input.clone())).expect("it runs");
    assert_success(&output);
    assert!(output.stdout == input, "{} bytes of {} came back", output.stdout.len(), input.len());
    let output = node.run(spec()).expect("it runs without any input");
    assert_eq!((output.code, output.stdout), (0, Vec::new()));
    let unread = ContainerSpec::new("true", &image, RUNC).args(["/bin/true"]).stdin(input);
    assert_success(&node.run(unread).expect("it runs and does not read"));
}

#[test]
fn mounts_what_may_be_written_and_what_may_not() {
    let node = node();
    let image = import(&node);
    let shared = tempfile::tempdir().expect("a folder");
    fs::write(shared.path().join("file"), "from the host").expect("a file");
    let script = "cat /ro/file; echo x > /ro/new || echo refused; echo written > /rw/new";
    let spec = shell(&image, "mounts", script).mount(shared.path(), "/ro", Access::Read).mount(
        shared.path(),
        "/rw",
        Access::Write,
    );
    let output = node.run(spec).expect("it runs");
    assert_eq!(text(&output.stdout), "from the hostrefused\n", "stderr: {}", text(&output.stderr));
    assert_eq!(fs::read_to_string(shared.path().join("new")).expect("the new file"), "written\n");
}

#[test]
fn kills_what_runs_and_knows_its_state() {
    let node = node();
    let image = import(&node);
    let container =
        node.container(shell(&image, "endless", "echo ready; exec sleep 1000")).expect("a container");
    let mut task = container.create().expect("a task");
    assert_eq!(task.state().expect("a state"), State::Created);
    task.start().expect("it starts");
    task.wait_for("ready", SOON).expect("it says so");
    assert_eq!(task.state().expect("a state"), State::Running);
    let processes = node.processes().expect("processes");
    let found = processes.iter().find(|process| process.node_pid == task.pid()).expect("its process");
    let command = fs::read_to_string(format!("/proc/{}/cmdline", found.pid)).expect("its command line");
    assert_eq!(command, "sleep\x001000\0", "the process is found on this machine");
    let timeout = task.wait(Duration::from_millis(1)).expect_err("it does not end by itself");
    assert_eq!(timeout.kind(), &ErrorKind::Timeout);
    task.kill(SIGKILL).expect("it is killed");
    assert_eq!(task.wait(SOON).expect("it ends").code, 128 + SIGKILL);
    assert_eq!(task.delete().expect("it is deleted").code, 128 + SIGKILL);
    container.delete().expect("so is the container");
}

#[test]
fn enforces_the_memory_limit() {
    let node = node();
    let image = import(&node);
    let greedy = ["/bin/sh", "-c", "x=y; while true; do x=$x$x; done"];
    let spec = ContainerSpec::new("greedy", &image, RUNC).args(greedy).memory(32 << 20);
    assert_eq!(node.run(spec).expect("it runs").code, 128 + SIGKILL, "the kernel ends it");
}

#[test]
fn keeps_containerds_code_and_words_and_removes_what_was_half_made() {
    let node = node();
    let image = import(&node);
    let missing = ContainerSpec::new("half", &image, RUNC).args(["/no/such/program"]);
    let error = node.run(missing).expect_err("there is no such program");
    let ErrorKind::Containerd { message, .. } = error.kind() else { panic!("{error:?}") };
    assert!(message.contains("/no/such/program"), "{message}");
    let error = node.run(ContainerSpec::new("half", &image, "io.containerd.none.v1").args(["x"]));
    let error = error.expect_err("there is no such shim");
    assert!(error.to_string().contains("half"), "{error}");
    assert_success(
        &node.run(shell(&image, "half", "exit 0")).expect("the id, its snapshot and its task are free"),
    );
    let taken = node.container(shell(&image, "taken", "exit 0")).expect("a container");
    let error = node.container(shell(&image, "taken", "exit 0")).expect_err("the id is taken");
    assert!(matches!(error.kind(), ErrorKind::Containerd { code: Code::AlreadyExists, .. }), "{error:?}");
    taken.delete().expect("the first one was not harmed");
}

#[test]
fn loads_cri() {
    let node = node();
    let plugins = node.plugins().expect("plugins");
    let cri: Vec<_> =
        plugins.iter().filter(|plugin| plugin.id == "cri" || plugin.kind.contains(".cri.")).collect();
    assert!(cri.iter().any(|plugin| plugin.kind == "io.containerd.grpc.v1"), "CRI is served: {cri:?}");
    assert!(cri.iter().all(|plugin| plugin.error.is_none()), "{cri:?}\n{}", node.log().expect("the log"));
}

#[test]
fn keeps_images_in_memory_where_asked() {
    let node = Node::builder().memory().start().expect("a node in memory");
    let image = import(&node);
    assert_success(&node.run(shell(&image, "a", "exit 0")).expect("it runs"));
    let root = node.socket().with_file_name("root");
    assert_eq!(fs::read_dir(root).expect("the folder").count(), 0, "nothing of it is on the disk");
    node.stop().expect("nothing is left");
}

#[test]
fn imports_the_platform_of_this_machine_from_an_index() {
    let node = node();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("index.tar");
    archive::index().save(&path);
    let images = node.import(&path).expect("it is imported");
    assert_eq!(images.len(), 1);
    assert_eq!(images[0].name(), "localhost/index:1");
    assert_success(&node.run(shell(&images[0], "a", "exit 0")).expect("it runs"));
}

#[test]
fn imports_a_wasm_artifact_which_has_no_root_filesystem() {
    let node = node();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("artifact.tar");
    archive::artifact(b"\0asm\x01\0\0\0").save(&path);
    let image = node.import(&path).expect("it is imported").remove(0);
    let blobs = node.content().expect("the content");
    assert!(blobs.iter().any(|blob| blob.size == 8), "the module is stored: {blobs:?}");
    let container = node.container(ContainerSpec::new("a", &image, RUNC).args(["/module.wasm"]));
    container.expect("a container of it can be made").delete().expect("and deleted");
}

#[test]
fn refuses_archives_that_are_none() {
    let node = node();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bad.tar");
    let nothing = node.import(&path).expect_err("there is no file");
    assert!(nothing.to_string().contains("bad.tar"), "{nothing}");
    archive::Archive::default().save(&path);
    let empty = node.import(&path).expect_err("there is no index.json");
    assert_eq!(empty.kind(), &ErrorKind::Image, "{empty}");
    assert!(empty.to_string().contains("index.json"), "{empty}");
    archive::corrupt().save(&path);
    let corrupt = node.import(&path).expect_err("a blob is not what its digest says");
    assert!(matches!(corrupt.kind(), ErrorKind::Containerd { .. }), "{corrupt:?}");
}

#[test]
fn says_why_containerd_does_not_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let script =
        "#!/bin/sh\n[ \"$1\" = --version ] && echo containerd x 2.1.0 && exit\necho on fire >&2\nexit 3\n";
    for name in ["containerd", "containerd-shim-runc-v2"] {
        let program = folder.path().join(name);
        fs::write(&program, script).expect("a script");
        fs::set_permissions(&program, Permissions::from_mode(0o755)).expect("its mode");
    }
    let error = Node::builder().containerd(folder.path()).start().expect_err("it does not serve");
    assert_eq!(error.kind(), &ErrorKind::Daemon);
    assert!(error.to_string().contains("on fire"), "{error}");
    let error = Node::builder().containerd(folder.path().join("none")).start().expect_err("it is not there");
    assert!(error.to_string().contains("none"), "{error}");
}

#[test]
fn leaves_nothing_of_two_nodes_at_once() {
    let (one, other) = (node(), node());
    let traces = [one.traces(), other.traces()];
    for node in [&one, &other] {
        let image = import(node);
        assert_success(&node.run(shell(&image, "same-id", "exit 0")).expect("it runs"));
    }
    let container =
        other.container(shell(&import(&other), "b", "echo up; exec sleep 1000")).expect("a container");
    let mut task = container.create().expect("a task");
    task.start().expect("it starts");
    task.wait_for("up", SOON).expect("it runs");
    one.stop().expect("nothing of the first is left");
    assert_eq!(task.state().expect("a state"), State::Running, "the second is unharmed");
    assert!(!other.leftovers().expect("a look").is_empty(), "a node that lives can be seen");
    drop(other);
    for traces in traces {
        assert_eq!(traces.leftovers().expect("a look"), Vec::<String>::new());
    }
}

#[test]
fn leaves_nothing_of_a_frozen_container() {
    let node = node();
    let traces = node.traces();
    let container =
        node.container(shell(&import(&node), "c", "echo up; exec sleep 1000")).expect("a container");
    let mut task = container.create().expect("a task");
    task.start().expect("it starts");
    task.wait_for("up", SOON).expect("it runs");
    task.pause().expect("it is paused");
    assert_eq!(task.state().expect("a state"), State::Paused);
    node.stop().expect("it does not wait for the frozen process");
    assert_eq!(traces.leftovers().expect("a look"), Vec::<String>::new());
}

#[test]
fn leaves_nothing_after_a_panic() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let owner = std::thread::spawn(move || {
        let node = node();
        sender.send(node.traces()).expect("somebody listens");
        let container = node.container(shell(&import(&node), "c", "exec sleep 1000")).expect("a container");
        container.create().expect("a task").start().expect("it starts");
        panic!("as intended");
    });
    let traces = receiver.recv().expect("the traces");
    owner.join().expect_err("it panics");
    assert_eq!(traces.leftovers().expect("a look"), Vec::<String>::new());
}

#[test]
fn leaves_nothing_when_its_owner_is_interrupted_terminated_or_killed() {
    for signal in ["INT", "TERM", "KILL"] {
        let (mut owner, traces) = owner();
        assert!(!traces.leftovers().expect("a look").is_empty(), "the node lives before SIG{signal}");
        let sent = Command::new("/bin/busybox")
            .args(["kill", &format!("-{signal}"), &owner.id().to_string()])
            .status();
        assert!(sent.expect("busybox").success(), "the signal is sent");
        owner.wait().expect("it ends");
        traces.wait_until_gone(SOON).unwrap_or_else(|error| panic!("after SIG{signal}: {error}"));
    }
}

/// This very test program, made to run `owns_a_node_until_it_is_killed` alone.
fn owner() -> (Child, Traces) {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "owns_a_node_until_it_is_killed", "--nocapture", "--ignored"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program starts");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let line =
        lines.find_map(|line| line.expect("a line").split_once("owns ").map(|(_, folder)| folder.to_owned()));
    (child, Traces::of(Path::new(&line.expect("it says what it owns"))).expect("traces"))
}

#[test]
#[ignore = "it waits to be killed by leaves_nothing_when_its_owner_is_interrupted_terminated_or_killed"]
fn owns_a_node_until_it_is_killed() {
    let node = node();
    let container =
        node.container(shell(&import(&node), "c", "echo up; exec sleep 1000")).expect("a container");
    let mut task = container.create().expect("a task");
    task.start().expect("it starts");
    task.wait_for("up", SOON).expect("it runs");
    println!("owns {}", node.socket().parent().expect("a folder").display());
    task.wait(Duration::from_secs(600)).expect("somebody kills this process");
}
