//! Tasks while they run: signals, states, limits, and what is seen by id.

use std::fs;
use std::time::{Duration, Instant};

use shimmer_node::{Code, ErrorKind, Resources, State};

use crate::{SIGKILL, SOON, assert_code, import, node, running, shell, start, text};

#[test]
fn kills_what_runs_and_knows_its_state() {
    let node = node();
    let image = import(&node);
    let script = "echo ready; while :; do sleep 1000; done";
    let container = node.container(shell(&image, "endless", script)).expect("a container");
    let mut task = container.create().expect("a task");
    assert_eq!(task.state().expect("a state"), State::Created);
    task.start().expect("it starts");
    task.wait_for("ready", SOON).expect("it says so");
    assert_eq!(task.state().expect("a state"), State::Running);
    let processes = node.processes().expect("processes");
    let found = processes.iter().find(|process| process.node_pid == task.pid()).expect("its process");
    let command = fs::read_to_string(format!("/proc/{}/cmdline", found.pid)).expect("its command line");
    assert_eq!(command, format!("/bin/sh\0-c\0{script}\0"), "the process is found on this machine");
    let timeout = task.wait(Duration::from_millis(1)).expect_err("it does not end by itself");
    assert_eq!(timeout.kind(), &ErrorKind::Timeout);
    task.kill(SIGKILL).expect("it is killed");
    assert_eq!(task.wait(SOON).expect("it ends").code, 128 + SIGKILL);
    assert_eq!(task.delete().expect("it is deleted").code, 128 + SIGKILL);
    container.delete().expect("so is the container");
}

#[test]
fn measures_and_changes_limits_while_it_runs() {
    let node = node();
    let spec = shell(&import(&node), "c", "echo up; while :; do :; done");
    let task = start(&node, spec.memory(64 << 20).pids(50).cpu(5000, 100_000));
    assert_eq!(task.pids().expect("ids"), [task.pid()]);
    let metrics = task.metrics().expect("metrics");
    assert_eq!((metrics.memory_limit, metrics.pids, metrics.pids_limit), (64 << 20, 1, 50), "{metrics:?}");
    assert!(metrics.memory_bytes > 0, "{metrics:?}");
    let begin = Instant::now();
    let throttled = |metrics: &shimmer_node::Metrics| metrics.throttled_periods > 0 && metrics.cpu_nanos > 0;
    while !throttled(&task.metrics().expect("metrics")) {
        assert!(begin.elapsed() < SOON, "it is never held back: {:?}", task.metrics());
    }
    let fewer = Resources { memory: Some(32 << 20), pids: Some(40), ..Resources::default() };
    task.update(fewer).expect("the limits are changed");
    let metrics = task.metrics().expect("metrics");
    assert_eq!((metrics.memory_limit, metrics.pids_limit), (32 << 20, 40), "{metrics:?}");
}

#[test]
fn signals_all_of_its_processes_where_asked() {
    let node = node();
    let second = "trap 'echo second; exit' USR1; echo up; while :; do sleep 0.05; done";
    let first = "trap 'wait; echo first; exit' USR1; sh -c \"$SECOND\" & while :; do sleep 0.05; done";
    let mut task = start(&node, shell(&import(&node), "c", first).env("SECOND", second));
    task.kill_all(10).expect("the signal is sent");
    task.wait(SOON).expect("it ends");
    let output = task.delete().expect("it is deleted");
    assert_eq!(text(&output.stdout), "up\nsecond\nfirst\n");
}

#[test]
fn is_not_deleted_while_it_runs_and_only_once_after() {
    let node = node();
    let mut task = running(&node, &import(&node), "c");
    let refused = task.try_delete().expect_err("it runs");
    assert!(matches!(refused.kind(), ErrorKind::Containerd { .. }), "{refused:?}");
    assert!(refused.to_string().contains("running process"), "{refused}");
    assert_eq!(task.state().expect("a state"), State::Running, "it was not harmed");
    task.kill(SIGKILL).expect("it is killed");
    task.wait(SOON).expect("it ends");
    assert_eq!(task.try_delete().expect("it is deleted").stdout, b"up\n");
    assert_code(&task.try_delete().expect_err("it is gone"), Code::NotFound);
    assert_code(&node.delete_task("c").expect_err("it is gone"), Code::NotFound);
}

#[test]
fn is_seen_and_driven_by_its_id() {
    let node = node();
    let image = import(&node);
    let (mut one, _other) = (running(&node, &image, "one"), running(&node, &image, "other"));
    let seen = node.tasks().expect("a list");
    let seen: Vec<_> = seen.iter().map(|task| (task.id.as_str(), task.pid, task.state)).collect();
    assert_eq!(seen, [("one", one.pid(), State::Running), ("other", _other.pid(), State::Running)]);
    assert_eq!(node.task_state("one").expect("a state"), State::Running);
    node.kill_task("one", SIGKILL).expect("it is killed");
    one.wait(SOON).expect("it ends");
    assert_eq!(node.delete_task("one").expect("it is deleted").code, 128 + SIGKILL);
    for error in [node.task_state("one").map(drop), node.kill_task("one", SIGKILL), one.kill(SIGKILL)] {
        assert_code(&error.expect_err("there is no such task"), Code::NotFound);
    }
}

#[test]
fn is_waited_for_by_several_at_once() {
    let node = node();
    let mut task = running(&node, &import(&node), "c");
    let waiters = [task.waiter(), task.waiter()];
    let threads = waiters.map(|waiter| std::thread::spawn(move || waiter.wait(SOON)));
    task.kill(SIGKILL).expect("it is killed");
    let status = task.wait(SOON).expect("it ends");
    for thread in threads {
        assert_eq!(thread.join().expect("no panic").expect("it ends"), status);
    }
}
