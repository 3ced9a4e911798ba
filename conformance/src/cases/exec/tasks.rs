//! What only containerd's task service can say of a second process.

use shimmer_node::{Code, Exec, ExecSpec, Output, State, Task};

use super::super::row;
use super::{SIGTERM, guest, program, ready};
use crate::case::Case;
use crate::failure::{Result, ensure};
use crate::patience::{notice, patience};
use crate::profile::Profile;
use crate::stage::{Stage, refusal_as};

const SIGKILL: u32 = 9;
/// The id of the second process.
const ID: &str = "second";

pub(super) fn cases() -> Vec<Case> {
    let process = row(
        "exec-process",
        Profile::Exec,
        [
            Case::task("exec/environment-of-its-own", guest(), own_environment).twin(),
            Case::task("exec/folder-of-its-own", guest(), own_folder).twin(),
            Case::task("exec/user-of-its-own", guest(), own_user).twin(),
            Case::task("exec/stdin", guest(), stdin).twin(),
            Case::task("exec/terminal", guest(), terminal).twin(),
            Case::task("exec/terminal-under-a-long-id", guest(), terminal_under_a_long_id).twin(),
        ],
    );
    let life = row(
        "exec-life",
        Profile::Exec,
        [
            Case::task("exec/state-follows-its-life", guest(), state).twin(),
            Case::task("exec/events", guest(), events).twin(),
            Case::task("exec/kill-ends-only-it", guest(), kill_ends_only_it).twin(),
            Case::task("exec/ends-with-the-container", guest(), ends_with_the_container).twin(),
            Case::task("exec/id-is-free-after-its-deletion", guest(), id_is_free_after_its_deletion).twin(),
        ],
    );
    [process, life].concat()
}

pub(super) fn wasm_stdin(stage: &Stage<'_>) -> Result {
    let (program, mut running) = (program(stage), ready(stage)?);
    let spec = ExecSpec::new([&program, "stdin"]).stdin("from stdin\n");
    let output = run(running.task()?, spec)?;
    expect(&output, 0, "from stdin\n")
}

pub(super) fn wasm_sigterm(stage: &Stage<'_>) -> Result {
    let (program, mut running) = (program(stage), ready(stage)?);
    let task = running.task()?;
    let mut exec = started(task, ExecSpec::new([&program, "spin"]))?;
    exec.kill(SIGTERM)?;
    exec.wait(patience())?;
    expect(&exec.delete()?, 128 + SIGTERM, "ready\n")?;
    runs(task)
}

pub(super) fn id_is_taken(stage: &Stage<'_>) -> Result {
    let mut running = ready(stage)?;
    let task = running.task()?;
    let _first = task.exec(ID, rest())?;
    refusal_as(Code::AlreadyExists, task.exec(ID, rest())).map(drop)
}

fn own_environment(stage: &Stage<'_>) -> Result {
    let spec = ExecSpec::new(["/busybox", "env"]).env("MINE", "as given").env("FROM", "the exec");
    let output = run(ready(stage)?.task()?, spec)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let has = |line| text.lines().any(|one| one == line);
    ensure(has("MINE=as given") && has("FROM=the exec"), || format!("expected MINE and FROM, but saw {text}"))
}

fn own_folder(stage: &Stage<'_>) -> Result {
    let output = run(ready(stage)?.task()?, ExecSpec::new(["/busybox", "pwd"]).cwd("/bin"))?;
    expect(&output, 0, "/bin\n")
}

fn own_user(stage: &Stage<'_>) -> Result {
    let script = "/busybox id -u; /busybox id -g";
    let spec = ExecSpec::new(["/busybox", "sh", "-c", script]).user(1000, 1001);
    expect(&run(ready(stage)?.task()?, spec)?, 0, "1000\n1001\n")
}

fn stdin(stage: &Stage<'_>) -> Result {
    let mut running = ready(stage)?;
    let task = running.task()?;
    let mut exec = task.exec(ID, ExecSpec::new(["/busybox", "cat"]).stdin_open())?;
    exec.start()?;
    exec.write("one\n")?;
    exec.wait_for("one\n", patience())?;
    exec.write("two\n")?;
    exec.close_stdin()?;
    exec.wait(patience())?;
    expect(&exec.delete()?, 0, "one\ntwo\n")
}

/// CRI's ids are digits of 32 bytes, and so longer, with the container's own, than the name of a socket may be.
fn terminal_under_a_long_id(stage: &Stage<'_>) -> Result {
    let mut running = ready(stage)?;
    let spec = ExecSpec::new(["/busybox", "sh", "-c", "[ -t 0 ] && echo terminal"]).terminal();
    let mut exec = running.task()?.exec("0123456789abcdef".repeat(4), spec)?;
    exec.start()?;
    exec.wait(patience())?;
    let text = String::from_utf8_lossy(&exec.delete()?.stdout).into_owned();
    ensure(text == "terminal\r\n", || format!("expected a terminal, but saw {text:?}"))
}

fn terminal(stage: &Stage<'_>) -> Result {
    let mut running = ready(stage)?;
    let script = "[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo ready; read line; /busybox stty size";
    let spec = ExecSpec::new(["/busybox", "sh", "-c", script]).terminal().stdin_open();
    let mut exec = started(running.task()?, spec)?;
    exec.resize(123, 45)?;
    exec.write("\n")?;
    exec.wait(patience())?;
    let output = exec.delete()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure(text.ends_with("45 123\r\n"), || format!("expected 45 lines of 123 characters, but saw {text:?}"))
}

fn state(stage: &Stage<'_>) -> Result {
    let mut running = ready(stage)?;
    let mut exec = running.task()?.exec(ID, rest())?;
    is(&exec, State::Created)?;
    exec.start()?;
    exec.wait_for("ready\n", patience())?;
    is(&exec, State::Running)?;
    exec.kill(SIGKILL)?;
    exec.wait(patience())?;
    is(&exec, State::Stopped)
}

fn events(stage: &Stage<'_>) -> Result {
    let events = stage.shim.node.events()?;
    let mut running = ready(stage)?;
    let mut exec = running.task()?.exec(ID, ExecSpec::new(["/busybox", "sh", "-c", "exit 3"]))?;
    exec.start()?;
    let pid = exec.pid();
    exec.wait(patience())?;
    exec.delete()?;
    let id = running.id();
    let is_its = |event: &shimmer_node::Event| event.container_id == id && event.exec_id == ID;
    let exit = events.wait_for(|event| is_its(event) && event.topic == "/tasks/exit", notice())?;
    ensure((exit.pid, exit.exit_status) == (pid, Some(3)), || {
        format!("expected the end of {pid:?} with 3, but saw {exit:?}")
    })?;
    let told = events.so_far()?.into_iter().filter(is_its);
    let topics: Vec<String> = told.map(|event| event.topic).take(3).collect();
    ensure(topics == ["/tasks/exec-added", "/tasks/exec-started", "/tasks/exit"], || {
        format!("expected exec-added, exec-started and exit, but saw {topics:?}")
    })
}

fn kill_ends_only_it(stage: &Stage<'_>) -> Result {
    let mut running = ready(stage)?;
    let task = running.task()?;
    let mut exec = started(task, rest())?;
    exec.kill(SIGKILL)?;
    let ended = exec.wait(patience())?;
    ensure(ended.code == 128 + SIGKILL, || format!("expected status 137, but saw {ended:?}"))?;
    runs(task)
}

fn ends_with_the_container(stage: &Stage<'_>) -> Result {
    let mut running = ready(stage)?;
    let task = running.task()?;
    let mut exec = started(task, rest())?;
    task.kill(SIGKILL)?;
    let ended = exec.wait(patience())?;
    ensure(ended.code == 128 + SIGKILL, || format!("expected status 137, but saw {ended:?}"))
}

fn id_is_free_after_its_deletion(stage: &Stage<'_>) -> Result {
    let mut running = ready(stage)?;
    let task = running.task()?;
    for word in ["one", "two"] {
        let output = run(task, ExecSpec::new(["/busybox", "echo", word]))?;
        expect(&output, 0, &format!("{word}\n"))?;
    }
    runs(task)
}

/// A native program that says that it runs, and does so for ever.
fn rest() -> ExecSpec {
    ExecSpec::new(["/busybox", "sh", "-c", "echo ready; exec /busybox sleep 1000000"])
}

/// A second process that has printed `ready`.
fn started(task: &Task, spec: ExecSpec) -> Result<Exec> {
    let mut exec = task.exec(ID, spec)?;
    exec.start()?;
    exec.wait_for("ready", patience())?;
    Ok(exec)
}

fn run(task: &Task, spec: ExecSpec) -> Result<Output> {
    let mut exec = task.exec(ID, spec)?;
    exec.start()?;
    exec.wait(patience())?;
    Ok(exec.delete()?)
}

fn runs(task: &Task) -> Result {
    let seen = task.state()?;
    ensure(seen == State::Running, || format!("expected the container to run on, but it is {seen:?}"))
}

fn is(exec: &Exec, expected: State) -> Result {
    let seen = exec.state()?;
    ensure(seen == expected, || format!("expected the state {expected:?}, but saw {seen:?}"))
}

fn expect(output: &Output, code: u32, stdout: &str) -> Result {
    ensure(output.code == code && output.stdout == stdout.as_bytes(), || {
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        format!("expected status {code} and {stdout:?}, but saw {}, {out:?} and {err:?}", output.code)
    })
}
