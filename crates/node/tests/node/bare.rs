//! Bare nodes: a host of their own, and a containerd that comes back, as an installer expects it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use shimmer_node::cri::PodSpec;
use shimmer_node::{Node, Process, State};
use tempfile::TempDir;

use crate::{SOON, assert_success, import, put_program, running, shell, text};

const CONFIG: &str = "etc/containerd/config.toml";

fn bare() -> Node {
    Node::builder().bare().start().unwrap_or_else(|error| panic!("a node is needed: {error}"))
}

/// Runs a line of a shell in the node.
#[track_caller]
fn execute(node: &Node, script: &str) -> String {
    let output = node.execute(busybox(script)).expect("it is executed");
    let (stdout, stderr) = (text(&output.stdout).to_owned(), text(&output.stderr).to_owned());
    assert!(output.status.success(), "{script} ends with {}: {stdout}{stderr}", output.status);
    stdout
}

fn busybox(script: &str) -> Command {
    let mut command = Command::new("/bin/busybox");
    command.args(["sh", "-c", script]);
    command
}

/// The containerd of all nodes.
fn containerd_program() -> String {
    let node = bare();
    let program = containerd(&node).args.remove(0);
    node.stop().expect("nothing is left");
    program
}

fn containerd(node: &Node) -> Process {
    node.containerd().expect("a look").expect("containerd runs")
}

/// Ends containerd as an installer may, from inside, and waits until it has ended.
#[track_caller]
fn end_containerd(node: &Node) {
    let before = containerd(node);
    execute(node, &format!("kill -TERM {}", before.node_pid));
    let gone = || node.containerd().expect("a look").is_none_or(|now| now.pid != before.pid);
    until("containerd ends", gone);
}

#[track_caller]
fn until(what: &str, condition: impl Fn() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < SOON, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn its_containerd_stands_where_kubeadm_puts_it_and_knows_runc_alone() {
    let node = bare();
    let root = node.root().expect("it lives");
    let names: Vec<_> = fs::read_dir(root.join("etc/containerd")).expect("a folder").flatten().collect();
    let names: Vec<_> = names.iter().map(fs::DirEntry::file_name).collect();
    assert_eq!(names, ["config.toml"], "nothing of the machine's");
    let config = fs::read_to_string(root.join(CONFIG)).expect("a file");
    let wanted =
        ["address = \"/run/containerd/containerd.sock\"", "imports = [\"/etc/containerd/conf.d/*.toml\"]"];
    assert!(wanted.iter().all(|line| config.contains(line)), "{config}");
    assert_eq!(config.matches("runtime_type").count(), 1, "{config}");
    assert_eq!(containerd(&node).args.len(), 1, "it finds its configuration by itself");
    assert_eq!(execute(&node, "test -S /run/containerd/containerd.sock && echo served"), "served\n");
    assert!(root.join("etc/passwd").exists(), "what it does not hide is there");
    assert_success(&node.run(shell(&import(&node), "c", "exit 0")).expect("it runs"));
    let cri = node.cri().expect("CRI");
    cri.pod(PodSpec::new("native", "runc")).expect("a pod");
    let error = cri.pod(PodSpec::new("wasm", "wasmtime")).expect_err("there is no such handler");
    assert!(error.to_string().contains("wasmtime"), "{error}");
    node.stop().expect("nothing is left");
}

#[test]
fn containerd_comes_back_under_a_container_that_goes_on() {
    let node = bare();
    let image = import(&node);
    let task = running(&node, &image, "c");
    let mut ids = vec![containerd(&node).pid];
    for _ in 0..3 {
        end_containerd(&node);
        node.wait_until_ready().expect("it serves again");
        ids.push(containerd(&node).pid);
        assert_eq!(task.state().expect("a state"), State::Running);
    }
    node.restart_containerd().expect("the owner may restart it as well");
    ids.push(containerd(&node).pid);
    ids.dedup();
    assert_eq!(ids.len(), 5, "each is another one: {ids:?}");
    assert_success(&node.run(shell(&image, "new", "exit 0")).expect("new containers run"));
    node.stop().expect("nothing is left");
}

#[test]
fn a_broken_config_keeps_containerd_away_until_it_is_mended() {
    let node = bare();
    let path = node.root().expect("it lives").join(CONFIG);
    let config = fs::read(&path).expect("a file");
    put(&path, b"version = [");
    let start = node.log_len().expect("a length");
    end_containerd(&node);
    // It is tried more than once, and its owner sees why it fails.
    until("containerd refuses it again and again", || {
        node.log_since(start).expect("the log").matches("containerd: failed").count() > 2
    });
    node.plugins().expect_err("nobody serves");
    put(&path, &config);
    node.wait_until_ready().expect("it serves again");
    assert_success(&node.run(shell(&import(&node), "c", "exit 0")).expect("it runs"));
    node.stop().expect("nothing is left");
}

/// At once, since containerd is started again and again and may read it at any moment.
fn put(path: &Path, content: &[u8]) {
    let beside = path.with_extension("new");
    fs::write(&beside, content).expect("it is written");
    fs::rename(&beside, path).expect("it is in its place");
}

#[test]
fn files_beside_its_config_are_imported_unless_it_imports_none() {
    let without = Node::builder().bare_without_imports().start().expect("a node");
    for (node, imports) in [(bare(), true), (without, false)] {
        let folder = node.root().expect("it lives").join("etc/containerd/conf.d");
        fs::create_dir(&folder).expect("a folder");
        let version = if node.version().starts_with("1.") { 2 } else { 3 };
        let settings = format!("version = {version}\n[debug]\nlevel = \"debug\"\n");
        fs::write(folder.join("verbose.toml"), settings).expect("a file");
        let start = node.log_len().expect("a length");
        end_containerd(&node);
        node.wait_until_ready().expect("it serves again");
        assert_eq!(node.log_since(start).expect("the log").contains("level=debug"), imports);
        node.stop().expect("nothing is left");
    }
}

#[test]
fn what_is_written_below_etc_and_opt_is_seen_by_that_node_alone() {
    let before = machine();
    let (one, other) = (bare(), bare());
    let name = one.traces();
    let own = |node: &Node, path: &str| node.root().expect("it lives").join(path);
    execute(
        &one,
        "mkdir /opt/shimmer-test && echo one > /opt/shimmer-test/file && echo one > /etc/shimmer-test",
    );
    execute(
        &one,
        "mv /opt/shimmer-test/file /opt/shimmer-test/moved && rm /etc/hostname /etc/containerd/config.toml",
    );
    fs::write(own(&one, "opt/shimmer-test/outside"), "from outside").expect("it is written");
    assert_eq!(execute(&one, "cat /opt/shimmer-test/moved /opt/shimmer-test/outside"), "one\nfrom outside");
    assert!(!own(&one, "etc/hostname").exists() && !own(&one, CONFIG).exists(), "they are removed there");
    for path in ["opt/shimmer-test", "etc/shimmer-test"] {
        assert!(!own(&other, path).exists(), "{path} is on the other node");
        assert!(!Path::new("/").join(path).exists(), "{path} is on the machine");
    }
    assert!(own(&other, CONFIG).exists(), "the other node has its own");
    execute(&one, "echo one > /var/lib/shimmer-test && test ! -e /var/lib/dpkg");
    let output = one.execute(busybox("echo one > /usr/shimmer-test")).expect("it is executed");
    assert!(text(&output.stderr).contains("Read-only file system"), "{output:?}");
    assert_eq!(machine(), before);
    one.stop().expect("nothing is left");
    other.stop().expect("nothing is left");
    assert_eq!(name.leftovers().expect("a look"), Vec::<String>::new());
    assert_eq!(machine(), before);
}

/// When what the node changed was changed on the machine, and what is in its files of containerd. All of /etc would be
/// too much: others write there, too.
fn machine() -> BTreeMap<PathBuf, (SystemTime, Vec<u8>)> {
    let inside = ["/etc/containerd", "/opt"].map(|folder| fs::read_dir(folder).into_iter().flatten());
    let entries = inside.into_iter().flatten().map(|entry| entry.expect("an entry").path());
    let folders = ["/etc/hostname", "/opt"].map(PathBuf::from);
    let state = |path: &Path| {
        let changed = path.symlink_metadata().expect("it is there").modified().expect("a time");
        let is_containerds = path.starts_with("/etc/containerd") && path.is_file();
        (changed, if is_containerds { fs::read(path).expect("it can be read") } else { Vec::new() })
    };
    entries.chain(folders).map(|path| (path.clone(), state(&path))).collect()
}

#[test]
fn says_why_containerd_does_not_start_and_does_not_try_again() {
    let folder = wrapped("echo on fire >&2; exit 3");
    let error = Node::builder().bare().containerd(folder.path()).start().expect_err("it does not serve");
    assert_eq!(error.to_string().matches("on fire").count(), 1, "{error}");
}

#[test]
fn containerd_can_be_kept_from_coming_back_by_what_is_installed() {
    let folder =
        wrapped("if [ -e /opt/shimmer-test ]; then echo on fire >&2; exit 3; fi; exec CONTAINERD \"$@\"");
    let node = Node::builder().bare().containerd(folder.path()).start().expect("a node");
    let start = node.log_len().expect("a length");
    execute(&node, "touch /opt/shimmer-test");
    end_containerd(&node);
    until("it fails again and again", || {
        node.log_since(start).expect("the log").matches("on fire").count() > 2
    });
    execute(&node, "rm /opt/shimmer-test");
    node.wait_until_ready().expect("it serves again");
    assert_success(&node.run(shell(&import(&node), "c", "exit 0")).expect("it runs"));
    node.stop().expect("nothing is left");
}

/// A folder with a script that stands in for containerd.
fn wrapped(script: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let (real, program) = (containerd_program(), folder.path().join("containerd"));
    // Both are of one release.
    let shim = Path::new(&real).with_file_name("containerd-shim-runc-v2");
    std::os::unix::fs::symlink(shim, folder.path().join("containerd-shim-runc-v2")).expect("a link");
    let script = script.replace("CONTAINERD", &real);
    let script = format!("#!/bin/sh\n[ \"$1\" = --version ] && exec {real} --version\n{script}\n");
    put_program(&program, &script);
    folder
}

#[test]
fn executes_programs_and_tells_how_they_end() {
    let node = bare();
    let output = node.execute(busybox("echo out; echo err >&2; exit 7")).expect("it is executed");
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("out\n", "err\n"));
    assert_eq!(output.status.code(), Some(7));
    let seen = execute(&node, "tr '\\0' ' ' < /proc/2/cmdline");
    assert!(seen.trim().ends_with("containerd"), "its second process is {seen}");
    assert_eq!(execute(&node, "pwd"), "/\n");
    let mut command = busybox("pwd");
    command.current_dir("/opt");
    assert_eq!(text(&node.execute(command).expect("it is executed").stdout), "/opt\n");
    assert!(node.execute(Command::new("/no/such/program")).is_err(), "there is no such program");
}

#[test]
fn leaves_nothing_when_containerd_cannot_start_as_the_node_stops() {
    let node = bare();
    fs::write(node.root().expect("it lives").join(CONFIG), "version = [").expect("it is written");
    end_containerd(&node);
    let begin = Instant::now();
    node.stop().expect("nothing is left");
    assert!(
        begin.elapsed() < Duration::from_secs(50),
        "nobody waits for containerd, which has a minute to start"
    );
}
