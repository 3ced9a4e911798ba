//! Second processes in a container.

use std::time::Duration;

use shimmer_node::{Code, ErrorKind, Exec, ExecSpec, State};

use crate::{SIGKILL, SOON, assert_code, import, node, running, text};

fn script(script: &str) -> ExecSpec {
    ExecSpec::new(["/bin/sh", "-c", script])
}

#[track_caller]
fn finish(mut exec: Exec) -> (u32, String, String) {
    exec.start().expect("it starts");
    exec.wait(SOON).expect("it ends");
    let output = exec.delete().expect("it is deleted");
    (output.code, text(&output.stdout).to_owned(), text(&output.stderr).to_owned())
}

#[test]
fn has_arguments_environment_folder_user_and_streams_of_its_own() {
    let node = node();
    let task = running(&node, &import(&node), "c");
    let spec = script("echo $MINE $FROM_IMAGE; pwd; id -u; id -g; cat; echo err >&2; exit 3");
    let spec = spec.env("MINE", "yes").cwd("/tmp").user(7, 8).stdin(*b"input");
    let seen = finish(task.exec("e", spec).expect("a process"));
    assert_eq!(seen, (3, "yes yes\n/tmp\n7\n8\ninput".into(), "err\n".into()));
    assert_eq!(task.state().expect("a state"), State::Running, "the container goes on");
    let again = finish(task.exec("e", script("exit 0")).expect("the id is free again"));
    assert_eq!(again, (0, String::new(), String::new()));
}

#[test]
fn is_killed_alone() {
    let node = node();
    let task = running(&node, &import(&node), "c");
    let mut exec = task.exec("e", script("echo up; exec sleep 1000")).expect("a process");
    assert_eq!((exec.state().expect("a state"), exec.pid()), (State::Created, None));
    exec.start().expect("it starts");
    exec.wait_for("up", SOON).expect("it runs");
    assert_eq!(exec.state().expect("a state"), State::Running);
    let pids = task.pids().expect("ids");
    assert!(pids.contains(&exec.pid().expect("an id")), "{pids:?} has {:?}", exec.pid());
    let refused = exec.try_delete().expect_err("it runs");
    assert!(matches!(refused.kind(), ErrorKind::Containerd { .. }), "{refused:?}");
    let timeout = exec.wait(Duration::from_millis(1)).expect_err("it does not end by itself");
    assert_eq!(timeout.kind(), &ErrorKind::Timeout);
    exec.kill(SIGKILL).expect("it is killed");
    assert_eq!(exec.wait(SOON).expect("it ends").code, 128 + SIGKILL);
    assert_eq!(task.state().expect("a state"), State::Running, "the container goes on");
    assert_eq!(exec.delete().expect("it is deleted").stdout, b"up\n");
}

#[test]
fn goes_with_its_handle() {
    let node = node();
    let task = running(&node, &import(&node), "c");
    let mut exec = task.exec("e", script("echo up; exec sleep 1000")).expect("a process");
    exec.start().expect("it starts");
    exec.wait_for("up", SOON).expect("it runs");
    drop(exec);
    assert_eq!(task.pids().expect("ids"), [task.pid()], "only the first process is left");
}

#[test]
fn is_refused_where_its_id_is_taken_its_program_missing_or_the_container_has_ended() {
    let node = node();
    let mut task = running(&node, &import(&node), "c");
    let first = task.exec("e", script("exit 0")).expect("a process");
    let taken = task.exec("e", script("exit 0")).expect_err("the id is taken");
    assert_code(&taken, Code::AlreadyExists);
    drop(first);
    let mut missing = task.exec("f", ExecSpec::new(["/no/such/program"])).expect("a process");
    let error = missing.start().expect_err("there is no such program");
    assert!(error.to_string().contains("/no/such/program"), "{error}");
    task.kill(SIGKILL).expect("it is killed");
    task.wait(SOON).expect("it ends");
    let late = task.exec("g", script("exit 0")).and_then(|mut exec| exec.start());
    assert!(matches!(late.expect_err("it has ended").kind(), ErrorKind::Containerd { .. }));
}

#[test]
fn reads_what_is_written_while_it_runs() {
    let node = node();
    let task = running(&node, &import(&node), "c");
    let spec = script("read line; echo got $line; cat; echo end").stdin_open();
    let mut exec = task.exec("e", spec).expect("a process");
    exec.start().expect("it starts");
    exec.write("one\n").expect("it is written");
    exec.wait_for("got one", SOON).expect("it is read");
    exec.write("two\n").expect("it is written");
    exec.close_stdin().expect("the input is closed");
    assert_eq!(exec.wait(SOON).expect("it ends").code, 0);
    assert_eq!(text(&exec.delete().expect("it is deleted").stdout), "got one\ntwo\nend\n");
}

#[test]
fn has_a_terminal_where_asked() {
    let node = node();
    let task = running(&node, &import(&node), "c");
    let spec = script("busybox tty; read line; busybox stty size; echo err >&2").terminal().stdin_open();
    let mut exec = task.exec("e", spec).expect("a process");
    exec.start().expect("it starts");
    exec.wait_for("/dev/pts/", SOON).expect("it has a terminal");
    exec.resize(123, 45).expect("its size is set");
    exec.write("\n").expect("it is written");
    assert_eq!(exec.wait(SOON).expect("it ends").code, 0);
    let output = exec.delete().expect("it is deleted");
    assert!(text(&output.stdout).contains("45 123\r\nerr\r\n"), "{:?}", text(&output.stdout));
    assert_eq!(output.stderr, b"", "there is no stderr");
}
