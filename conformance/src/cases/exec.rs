mod tasks;

use std::fs;
use std::time::Duration;

use shimmer_node::{Code, ExecSpec};

use super::row;
use crate::case::Case;
use crate::failure::{Result, ensure};
use crate::guests::{PROBE, PROBE_TWIN, Program};
use crate::images::Form;
use crate::level::Level;
use crate::patience::{notice, patience, until};
use crate::profile::Profile;
use crate::running::{Execution, Running};
use crate::setup::Setup;
use crate::stage::{Stage, refusal, refusal_as};

const SIGTERM: u32 = 15;
/// Prints `ready` and rests.
const REST: Program = Program { name: "rest.wat", bytes: include_bytes!("exec/rest.wat") };

pub(super) fn cases() -> Vec<Case> {
    [native(), wasm(), refusals(), kubelet(), tasks::cases()].concat()
}

/// A guest that has a userland beside it. Only its native twin needs to be told to rest.
fn guest() -> Setup {
    Setup::of(REST).form(Form::Userland).args(["sleep"]).env([("FROM", "the container")])
}

fn native() -> Vec<Case> {
    row(
        "exec-native",
        Profile::Exec,
        [
            Case::container("exec/native-program", guest(), native_program).twin(),
            Case::container("exec/environment-of-the-container", guest(), environment).twin(),
            Case::container("exec/in-the-namespaces", guest(), in_the_namespaces).twin(),
            Case::container("exec/in-the-cgroup", guest(), in_the_cgroup).twin(),
        ],
    )
}

fn wasm() -> Vec<Case> {
    row(
        "exec-wasm",
        Profile::Exec,
        [
            Case::container("exec/wasm-program", guest(), wasm_program).twin(),
            Case::container("exec/wasm-program-and-its-status", guest(), wasm_status).twin(),
            Case::task("exec/wasm-program-reads-stdin", guest(), tasks::wasm_stdin).twin(),
            Case::task("exec/wasm-program-ends-by-sigterm", guest(), tasks::wasm_sigterm).twin(),
        ],
    )
}

fn refusals() -> Vec<Case> {
    row(
        "exec-refusals",
        Profile::Exec,
        [
            Case::container("exec/missing-program", guest(), missing_program).twin(),
            Case::container("exec/in-a-container-that-ended", guest(), in_a_container_that_ended).twin(),
            Case::task("exec/id-is-taken", guest(), tasks::id_is_taken).twin(),
        ],
    )
}

fn kubelet() -> Vec<Case> {
    row(
        "exec-probes",
        Profile::Exec,
        [
            Case::cri("exec/probe-of-the-kubelet", guest(), probe_of_the_kubelet).twin(),
            Case::cri("exec/timeout-kills-it", guest(), timeout_kills_it).twin(),
        ],
    )
}

fn native_program(stage: &Stage<'_>) -> Result {
    let script = "echo out; echo err >&2; exit 3";
    let seen = ready(stage)?.exec(["/busybox", "sh", "-c", script])?;
    stage.note("status", seen.code.to_string());
    ensure((seen.code, &*seen.stdout, &*seen.stderr) == (3, b"out\n", b"err\n"), || {
        format!("expected status 3, out and err, but saw {}", described(&seen))
    })
}

fn environment(stage: &Stage<'_>) -> Result {
    let seen = ready(stage)?.exec(["/busybox", "env"])?;
    let text = String::from_utf8_lossy(&seen.stdout).into_owned();
    ensure(text.lines().any(|line| line == "FROM=the container"), || {
        format!("expected the container's variable FROM, but saw {}", described(&seen))
    })
}

/// Each link names the namespace; those that differ from the first process's are printed.
fn in_the_namespaces(stage: &Stage<'_>) -> Result {
    let script = "link() { /busybox readlink /proc/$1/ns/$2 || echo none of $1; }\n\
                  for kind in pid uts mnt net ipc; do\n\
                  [ \"$(link self $kind)\" = \"$(link 1 $kind)\" ] || echo $kind; done";
    prints(&ready(stage)?, script, "")
}

fn in_the_cgroup(stage: &Stage<'_>) -> Result {
    let cgroup = |process| format!("$(/busybox cat /proc/{process}/cgroup)");
    let script = format!("[ \"{}\" = \"{}\" ] && echo same", cgroup("self"), cgroup("1"));
    prints(&ready(stage)?, &script, "same\n")
}

fn wasm_program(stage: &Stage<'_>) -> Result {
    let program = program(stage);
    let seen = ready(stage)?.exec([&program, "args", "one two"])?;
    let expected = format!("argv[0]={program}\nargv[1]=args\nargv[2]=one two\n");
    ensure(seen.code == 0 && seen.stdout == expected.as_bytes(), || {
        format!("expected status 0 and {expected:?}, but saw {}", described(&seen))
    })
}

fn wasm_status(stage: &Stage<'_>) -> Result {
    let seen = ready(stage)?.exec([&program(stage), "proc-exit", "42"])?;
    ensure(seen.code == 42, || format!("expected status 42, but saw {}", described(&seen)))
}

fn missing_program(stage: &Stage<'_>) -> Result {
    let mut running = ready(stage)?;
    let (_, sentence) = refused(stage, &mut running, ["/no/such/program"])?;
    ensure(sentence.contains("/no/such/program"), || format!("the refusal names no program: {sentence}"))?;
    prints(&running, "echo it goes on", "it goes on\n")
}

fn in_a_container_that_ended(stage: &Stage<'_>) -> Result {
    let mut running = ready(stage)?;
    prints(&running, "echo it runs", "it runs\n")?;
    running.kill(SIGTERM)?;
    match stage.level {
        Level::Cri => drop(running.in_pod()?.0.wait(patience())?),
        Level::Docker => drop(running.in_docker()?.wait(patience())?),
        _ => drop(running.task()?.wait(patience())?),
    }
    refused(stage, &mut running, ["/busybox"]).map(drop)
}

fn probe_of_the_kubelet(stage: &Stage<'_>) -> Result {
    let running = ready(stage)?;
    let ask = || running.exec(["/busybox", "cat", "/data/healthy"]).map(|seen| seen.code);
    let before = ask()?;
    fs::write(running.data.path().join("healthy"), "")?;
    let after = ask()?;
    ensure((before, after) == (1, 0), || {
        format!("expected the probe to fail with 1 and then to succeed, but saw {before} and {after}")
    })
}

fn timeout_kills_it(stage: &Stage<'_>) -> Result {
    let mut running = ready(stage)?;
    let (container, _) = running.in_pod()?;
    let late = container.exec(["/busybox", "sleep", "4321"], Duration::from_secs(1));
    refusal_as(Code::DeadlineExceeded, late)?;
    until(notice(), || {
        let processes = running.exec(["/busybox", "ps", "-o", "args"])?;
        let processes = String::from_utf8_lossy(&processes.stdout).into_owned();
        Ok(processes.contains("sleep 4321").then(|| format!("the command still runs:\n{processes}")))
    })
}

/// A guest that has printed `ready`.
fn ready<'a>(stage: &'a Stage<'_>) -> Result<Running<'a>> {
    let running = stage.start(&stage.setup())?;
    running.wait_for("ready\n")?;
    Ok(running)
}

/// The path of the probe; of its native twin under the reference.
fn program(stage: &Stage<'_>) -> String {
    format!("/{}", if stage.shim.is_native() { PROBE_TWIN.0 } else { PROBE.name })
}

/// A command that must be refused, when it is made or when it is started: code and words.
fn refused(stage: &Stage<'_>, running: &mut Running<'_>, command: [&str; 1]) -> Result<(String, String)> {
    match stage.level {
        Level::Cri => refusal(running.in_pod()?.0.exec(command, patience())),
        Level::Docker => refusal(running.in_docker()?.exec(ExecSpec::new(command), patience())),
        _ => {
            let exec = running.task()?.exec(stage.next_name(), ExecSpec::new(command));
            refusal(exec.and_then(|mut exec| exec.start()))
        }
    }
}

/// Runs a native script, which must succeed and print this.
fn prints(running: &Running<'_>, script: &str, expected: &str) -> Result {
    let seen = running.exec(["/busybox", "sh", "-c", script])?;
    ensure(seen.code == 0 && seen.stdout == expected.as_bytes(), || {
        format!("expected status 0 and {expected:?}, but saw {}", described(&seen))
    })
}

fn described(seen: &Execution) -> String {
    let (stdout, stderr) = (String::from_utf8_lossy(&seen.stdout), String::from_utf8_lossy(&seen.stderr));
    format!("status {}, stdout {stdout:?}, stderr {stderr:?}", seen.code)
}
