//! What containerd tells about tasks.

use std::time::Duration;

use shimmer_node::{ContainerSpec, ErrorKind, Event, Events, ExecSpec};

use crate::{RUNC, SIGKILL, SOON, import, node, running};

/// The topics of what was told about a container.
#[track_caller]
fn topics(events: &Events, id: &str) -> Vec<String> {
    let events = events.so_far().expect("events");
    events.into_iter().filter(|event| event.container_id == id).map(|event| event.topic).collect()
}

fn is<'a>(topic: &'a str, id: &'a str) -> impl Fn(&Event) -> bool + 'a {
    move |event| event.topic == topic && event.container_id == id
}

#[test]
fn tells_the_life_of_a_container_and_of_its_second_process_in_order() {
    let node = node();
    let image = import(&node);
    let events = node.events().expect("a subscription");
    let mut task = running(&node, &image, "c");
    let mut exec = task.exec("e", ExecSpec::new(["/bin/sh", "-c", "exit 3"])).expect("a process");
    exec.start().expect("it starts");
    let ended = events.wait_for(|event| event.exec_id == "e" && event.exit_status.is_some(), SOON);
    assert_eq!(ended.expect("it ends").exit_status, Some(3));
    exec.wait(SOON).expect("it ends");
    exec.delete().expect("it is deleted");
    task.pause().expect("it is frozen");
    task.resume().expect("it goes on");
    task.kill(SIGKILL).expect("it is killed");
    task.wait(SOON).expect("it ends");
    let pid = task.pid();
    let ended = |event: &Event| event.pid == Some(pid) && event.topic == "/tasks/exit";
    assert_eq!(events.wait_for(ended, SOON).expect("it is told").exit_status, Some(128 + SIGKILL));
    let expected = ["create", "start", "exec-added", "exec-started", "exit", "paused", "resumed", "exit"];
    assert_eq!(topics(&events, "c"), expected.map(|topic| format!("/tasks/{topic}")));
    let told = events.wait_for(is("/tasks/start", "c"), Duration::ZERO).expect("it was told long ago");
    assert_eq!((told.pid, told.exit_status, told.namespace.as_str()), (Some(pid), None, "k8s.io"));
}

#[test]
fn tells_that_memory_was_short() {
    let node = node();
    let image = import(&node);
    let events = node.events().expect("a subscription");
    let greedy = ["/bin/sh", "-c", "sleep 1; x=y; while true; do x=$x$x; done"];
    let spec = ContainerSpec::new("greedy", &image, RUNC).args(greedy).memory(32 << 20);
    let container = node.container(spec).expect("a container");
    let mut task = container.create().expect("a task");
    task.start().expect("it starts");
    // Of a container that is deleted runc's shim tells nothing any more.
    events.wait_for(is("/tasks/oom", "greedy"), SOON).expect("it is told");
    assert_eq!(task.wait(SOON).expect("it ends").code, 128 + SIGKILL);
}

#[test]
fn says_what_happened_instead_of_what_was_awaited() {
    let node = node();
    let events = node.events().expect("a subscription");
    import(&node);
    events.wait_for(|event| event.topic == "/images/create", SOON).expect("it is told");
    let error =
        events.wait_for(is("/tasks/oom", "none"), Duration::from_millis(100)).expect_err("there is none");
    assert_eq!(error.kind(), &ErrorKind::Timeout);
    assert!(error.to_string().contains("/images/create"), "{error}");
}

#[test]
fn ends_when_containerd_is_restarted_and_can_be_had_again() {
    let node = node();
    let events = node.events().expect("a subscription");
    node.restart_containerd().expect("it serves again");
    let error = events.wait_for(|_| false, SOON).expect_err("the subscription has ended");
    assert!(matches!(error.kind(), ErrorKind::Containerd { .. }), "{error:?}");
    let events = node.events().expect("a new one");
    import(&node);
    events.wait_for(|event| event.topic == "/images/create", SOON).expect("it is told");
}
