//! Nodes on a containerd that is not theirs, for which a private one stands in.

use std::fs;

use shimmer_node::{Code, ErrorKind, Image, Node};

use crate::{archive, assert_code, assert_success, import, node, running, shell};

#[track_caller]
fn artifact(node: &Node, module: &[u8]) -> shimmer_node::Result<Image> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("artifact.tar");
    archive::artifact(module).save(&path);
    node.import(&path).map(|mut images| images.remove(0))
}

#[test]
fn runs_containers_and_leaves_nothing_in_it() {
    let theirs = node();
    let ours = Node::connect(&theirs.socket()).expect("a connection");
    assert_eq!((ours.version(), ours.socket()), (theirs.version(), theirs.socket()));
    let traces = ours.traces();
    let image = import(&ours);
    let output = ours.run(shell(&image, "c", "echo out; cat /proc/self/cgroup")).expect("it runs");
    assert_success(&output);
    assert!(!traces.leftovers().expect("a look").is_empty(), "what we made is there while we are");
    ours.stop().expect("nothing of it is left");
    assert_eq!(traces.leftovers().expect("a look"), Vec::<String>::new());
    assert_eq!(theirs.content().expect("the content"), [], "the image is gone");
    assert_eq!(theirs.tasks().expect("the tasks"), []);
    theirs.stop().expect("nothing of the other is left either");
}

#[test]
fn leaves_images_and_tasks_of_others_alone() {
    let theirs = node();
    let image = import(&theirs);
    let task = running(&theirs, &image, "theirs");
    artifact(&theirs, b"\0asm\x01\0\0\0").expect("it is imported");
    let ours = Node::connect(&theirs.socket()).expect("a connection");
    let same = import(&ours);
    assert_success(&ours.run(shell(&same, "ours", "exit 0")).expect("it runs"));
    let error = artifact(&ours, b"\0asm\x0d\0\x01\0").expect_err("the name stands for another image");
    assert_code(&error, Code::AlreadyExists);
    ours.stop().expect("nothing of it is left");
    assert_success(&theirs.run(shell(&image, "again", "exit 0")).expect("their image is there"));
    assert_eq!(task.state().expect("a state"), shimmer_node::State::Running);
}

#[test]
fn replaces_its_own_images() {
    let theirs = node();
    let ours = Node::connect(&theirs.socket()).expect("a connection");
    let old = artifact(&ours, b"\0asm\x01\0\0\0").expect("it is imported");
    let new = artifact(&ours, b"\0asm\x0d\0\x01\0").expect("it is imported again");
    assert_ne!(old.digest(), new.digest());
    drop(ours);
    assert_eq!(theirs.content().expect("the content"), [], "dropping it removes them as well");
}

#[test]
fn refuses_what_only_a_private_node_can_do() {
    let theirs = node();
    let ours = Node::connect(&theirs.socket()).expect("a connection");
    let refused = [
        ours.log().map(drop),
        ours.log_len().map(drop),
        ours.processes().map(drop),
        ours.leftovers().map(drop),
        ours.restart_containerd(),
    ];
    for outcome in refused {
        let error = outcome.expect_err("it is not private");
        assert_eq!(error.kind(), &ErrorKind::NotPrivate);
        assert!(error.to_string().contains("private"), "{error}");
    }
}

#[test]
fn says_where_nobody_serves() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("none.sock");
    let error = Node::connect(&socket).expect_err("nobody listens");
    assert_eq!(error.kind(), &ErrorKind::Io);
    assert!(error.to_string().contains("none.sock"), "{error}");
    fs::write(&socket, "").expect("a file");
    assert!(Node::connect(&socket).is_err(), "a file is no socket");
}
