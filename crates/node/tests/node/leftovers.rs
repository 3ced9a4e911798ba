//! What is left of a node that goes, however it goes: nothing.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use shimmer_node::{Node, State, Traces};

use crate::{SOON, assert_success, import, node, shell};

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
fn leaves_no_process_of_a_container_that_is_deleted() {
    let node = node();
    assert_success(&node.run(shell(&import(&node), "c", "exit 0")).expect("it runs"));
    let begin = Instant::now();
    let rest = || node.processes().expect("processes").into_iter().filter(|process| process.node_pid > 2);
    while rest().count() > 0 {
        assert!(
            begin.elapsed() < SOON,
            "besides init and containerd there is {:?}",
            rest().collect::<Vec<_>>()
        );
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
        signal_an_owner("owns_a_node_until_it_is_killed", signal);
    }
}

#[test]
fn leaves_nothing_of_a_bare_node_when_its_owner_is_killed() {
    signal_an_owner("owns_a_bare_node_until_it_is_killed", "KILL");
}

#[track_caller]
fn signal_an_owner(test: &str, signal: &str) {
    let (mut owner, traces) = owner(test);
    assert!(!traces.leftovers().expect("a look").is_empty(), "the node lives before SIG{signal}");
    let sent =
        Command::new("/bin/busybox").args(["kill", &format!("-{signal}"), &owner.id().to_string()]).status();
    assert!(sent.expect("busybox").success(), "the signal is sent");
    owner.wait().expect("it ends");
    traces.wait_until_gone(SOON).unwrap_or_else(|error| panic!("after SIG{signal}: {error}"));
}

/// This very test program, made to run one test alone, which owns a node.
fn owner(test: &str) -> (Child, Traces) {
    // Where this test runs in the background of a shell, SIGINT is ignored, and would be by this one.
    let mut child = Command::new("env")
        .arg("--default-signal=INT")
        .arg(std::env::current_exe().expect("this program"))
        .args(["--exact", &format!("leftovers::{test}"), "--nocapture", "--ignored"])
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
    wait_to_be_killed(&node());
}

#[test]
#[ignore = "it waits to be killed by leaves_nothing_of_a_bare_node_when_its_owner_is_killed"]
fn owns_a_bare_node_until_it_is_killed() {
    wait_to_be_killed(&Node::builder().bare().start().expect("a node"));
}

fn wait_to_be_killed(node: &Node) {
    let container =
        node.container(shell(&import(node), "c", "echo up; exec sleep 1000")).expect("a container");
    let mut task = container.create().expect("a task");
    task.start().expect("it starts");
    task.wait_for("up", SOON).expect("it runs");
    println!("owns {}", node.compiled().expect("it is private").parent().expect("a folder").display());
    task.wait(Duration::from_secs(600)).expect("somebody kills this process");
}
