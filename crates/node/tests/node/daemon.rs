//! containerd itself: its start, its plugins, its log and its restart.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rustix::process::{Pid, Signal, kill_process};
use shimmer_node::{ErrorKind, Node, Process, State};

use crate::{SIGTERM, SOON, assert_success, import, node, put_program, shell, start, text};

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
fn says_why_containerd_does_not_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let script =
        "#!/bin/sh\n[ \"$1\" = --version ] && echo containerd x 2.1.0 && exit\necho on fire >&2\nexit 3\n";
    for name in ["containerd", "containerd-shim-runc-v2"] {
        put_program(&folder.path().join(name), script);
    }
    let error = Node::builder().containerd(folder.path()).start().expect_err("it does not serve");
    assert_eq!(error.kind(), &ErrorKind::Daemon);
    assert!(error.to_string().contains("on fire"), "{error}");
    let error = Node::builder().containerd(folder.path().join("none")).start().expect_err("it is not there");
    assert!(error.to_string().contains("none"), "{error}");
}

/// The processes with this name.
#[track_caller]
fn named(node: &Node, name: &str) -> Vec<Process> {
    let mut named = node.processes().expect("processes");
    named.retain(|process| process.name == name);
    // What one has forked has its name until it executes another program.
    let ids: Vec<_> = named.iter().map(|process| process.pid).collect();
    named.retain(|process| !ids.contains(&process.parent));
    named
}

#[test]
fn restarts_under_a_container_that_goes_on() {
    let node = node();
    let image = import(&node);
    let script =
        "trap 'echo bye; exit 5' TERM; echo up; n=0; while :; do n=$((n+1)); echo tick-$n-; sleep 0.02; done";
    let mut task = start(&node, shell(&image, "c", script));
    let (before, shims) = (named(&node, "containerd"), named(&node, "containerd-shim"));
    for round in 1..=2 {
        node.restart_containerd().expect("it serves again");
        task.wait_for(&format!("tick-{}-", round * 50), SOON).expect("the container goes on");
        assert_eq!(task.state().expect("a state"), State::Running);
    }
    let after = named(&node, "containerd");
    assert_eq!((before.len(), after.len()), (1, 1), "there is one containerd: {before:?} {after:?}");
    assert_ne!(before[0].pid, after[0].pid, "it is another one");
    assert_eq!(named(&node, "containerd-shim"), shims, "the shim is the same");
    task.kill(SIGTERM).expect("the signal is sent");
    assert_eq!(task.wait(SOON).expect("it ends").code, 5);
    let output = task.delete().expect("it is deleted");
    let lines: Vec<_> = text(&output.stdout).lines().collect();
    assert_eq!((lines[0], lines[lines.len() - 1]), ("up", "bye"));
    assert!(
        lines[1..lines.len() - 1].iter().enumerate().all(|(n, line)| *line == format!("tick-{}-", n + 1))
    );
    assert_success(&node.run(shell(&image, "new", "exit 0")).expect("new containers run"));
    node.stop().expect("nothing is left");
}

#[test]
fn gives_shims_folders_of_its_own_that_outlive_a_restart() {
    let node = node();
    let compiled = node.compiled().expect("it is private");
    let folder = compiled.parent().expect("it is in the node's folder").to_owned();
    let sockets = folder.join("shimmer");
    let kept = [compiled.join("kept"), sockets.join("kept")];
    for (own, kept) in [&compiled, &sockets].into_iter().zip(&kept) {
        let mode = fs::metadata(own).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{}", own.display());
        fs::write(kept, "").expect("a file");
    }
    assert!(sockets.as_os_str().len() <= 30, "{} leaves too little for a socket's name", sockets.display());
    for _ in 0..2 {
        let containerd = named(&node, "containerd").remove(0);
        let environment =
            fs::read_to_string(format!("/proc/{}/environ", containerd.pid)).expect("its environment");
        for (name, value) in [("SHIMMER_CACHE", &compiled), ("SHIMMER_RUN", &sockets)] {
            let variable = format!("{name}={}", value.display());
            assert!(environment.split('\0').any(|one| one == variable), "{variable} in {environment}");
        }
        assert!(kept.iter().all(|file| file.exists()), "they are as they were");
        node.restart_containerd().expect("it serves again");
    }
    node.stop().expect("nothing is left");
    assert!(!folder.exists(), "the folders went with the node");
}

#[test]
fn ends_the_node_where_it_ends_unasked() {
    for restarts in 0..2 {
        let node = node();
        for _ in 0..restarts {
            node.restart_containerd().expect("it serves again");
        }
        let containerd = named(&node, "containerd").remove(0);
        let id = Pid::from_raw(i32::try_from(containerd.pid).expect("an id")).expect("an id");
        kill_process(id, Signal::KILL).expect("it is killed");
        node.traces().wait_until_gone(SOON).unwrap_or_else(|error| panic!("{restarts} restarts: {error}"));
        let error = node.restart_containerd().expect_err("there is no containerd");
        assert_eq!(error.kind(), &ErrorKind::Daemon, "{error}");
    }
}

#[test]
fn shows_whose_shim_is_whose_and_what_was_logged_meanwhile() {
    let node = node();
    let image = import(&node);
    let one = start(&node, shell(&image, "one", "echo up; exec sleep 1000"));
    let mark = node.log_len().expect("a length");
    let other = start(&node, shell(&image, "other", "echo up; exec sleep 1000"));
    let shims = named(&node, "containerd-shim");
    for task in [&one, &other] {
        let processes = node.processes().expect("processes");
        let program = processes.iter().find(|process| process.node_pid == task.pid()).expect("its program");
        let shim = shims.iter().find(|shim| shim.pid == program.parent).expect("its shim");
        let id = shim.args.iter().skip_while(|arg| *arg != "-id").nth(1).expect("an id");
        assert!(id == if task.pid() == one.pid() { "one" } else { "other" }, "{shim:?}");
    }
    // More may be written meanwhile.
    let (later, all) = (node.log_since(mark).expect("its end"), node.log().expect("the log"));
    let end = all.get(usize::try_from(mark).expect("a length")..).expect("it only grows");
    assert!(mark > 0 && end.starts_with(&later), "it is the end of the log");
    assert!(all.contains("one"), "{all}");
}
