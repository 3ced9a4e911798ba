//! What Docker's commands do with a container that runs.

use std::fs;
use std::time::Duration;

use shimmer_node::{Access, ExecSpec};
use tempfile::TempDir;

use super::super::row;
use super::{is, ready, text};
use crate::case::Case;
use crate::failure::{Failure, Result, ensure};
use crate::guests::{PROBE, PROBE_TWIN};
use crate::images::Form;
use crate::patience::patience;
use crate::patience::until;
use crate::profile::Profile;
use crate::running::paused;
use crate::setup::{Setup, probe};
use crate::stage::{Stage, refusal};

const MIB: u64 = 1 << 20;

pub(super) fn cases() -> Vec<Case> {
    [exec(), looks()].concat()
}

/// A guest with a userland beside it.
fn guest() -> Setup {
    probe(["sleep"]).form(Form::Userland)
}

fn exec() -> Vec<Case> {
    row(
        "docker-exec",
        Profile::Docker,
        [
            Case::docker("docker/exec-of-a-native-program", guest(), native).twin(),
            Case::docker("docker/exec-of-a-wasm-program", guest(), wasm).twin(),
            Case::docker("docker/exec-reads-stdin", guest(), stdin).twin(),
            Case::docker("docker/exec-of-a-missing-program", guest(), missing).twin(),
        ],
    )
}

fn looks() -> Vec<Case> {
    let hold = probe(["hold", "32"]).memory(256 * MIB);
    row(
        "docker-looks",
        Profile::Docker,
        [
            Case::docker("docker/top", guest(), top).twin(),
            Case::docker("docker/stats", hold.clone(), stats).twin(),
            Case::docker("docker/update", hold, update).twin(),
            Case::docker("docker/pause", guest(), pause).twin(),
            Case::docker("docker/health", guest(), health).twin(),
            Case::docker("docker/copy", guest(), copy).twin(),
        ],
    )
}

fn native(stage: &Stage<'_>) -> Result {
    let script = "echo out; echo err >&2; exit 3";
    expect(stage, ExecSpec::new(["/busybox", "sh", "-c", script]), 3, "out\n", "err\n")
}

fn wasm(stage: &Stage<'_>) -> Result {
    expect(stage, ExecSpec::new([&*program(stage), "proc-exit", "42"]), 42, "", "")
}

fn stdin(stage: &Stage<'_>) -> Result {
    expect(stage, ExecSpec::new([&*program(stage), "stdin"]).stdin("text\n"), 0, "text\n", "5 bytes\n")
}

/// It is refused by name and with the status of shells, and the container goes on.
fn missing(stage: &Stage<'_>) -> Result {
    let mut running = ready(stage)?;
    let container = running.in_docker()?;
    let (_, sentence) = refusal(container.exec(ExecSpec::new(["/no/such/program"]), patience()))?;
    ensure(sentence.contains("/no/such/program") && sentence.contains("status 127"), || {
        format!("expected the program and the status 127 to be named, but saw {sentence}")
    })?;
    is(&mut running, "running", 0)
}

fn top(stage: &Stage<'_>) -> Result {
    let mut running = ready(stage)?;
    let lines = running.in_docker()?.top()?;
    let program = program(stage);
    ensure(lines.iter().any(|line| line.contains(&program)), || {
        format!("expected a command line with {program}, but saw {lines:?}")
    })
}

fn stats(stage: &Stage<'_>) -> Result {
    let mut running = ready(stage)?;
    let usage = running.in_docker()?.stats()?;
    let measured = usage.cpu_nanos > 0
        && (32 * MIB..256 * MIB).contains(&usage.memory_bytes)
        && usage.memory_limit == 256 * MIB
        && usage.pids > 0;
    ensure(measured, || format!("it holds 32 MiB of at most 256, but saw {usage:?}"))
}

fn update(stage: &Stage<'_>) -> Result {
    let mut running = ready(stage)?;
    let container = running.in_docker()?;
    container.update_memory(512 * MIB)?;
    let limit = container.stats()?.memory_limit;
    ensure(limit == 512 * MIB, || format!("expected a limit of 512 MiB, but saw {limit} bytes"))
}

fn pause(stage: &Stage<'_>) -> Result {
    let mut running = ready(stage)?;
    let container = running.in_docker()?;
    paused(|| container.pause())?;
    is(&mut running, "paused", 0)?;
    running.in_docker()?.unpause()?;
    is(&mut running, "running", 0)
}

/// A program in the guest's container reads what is there only later.
fn health(stage: &Stage<'_>) -> Result {
    let setup = stage.setup();
    let data = TempDir::new()?;
    let command = [&*program(stage), "cwd-read", "/checked/healthy"];
    let spec = stage.docker_spec(&setup)?.health(&command, Duration::from_millis(100));
    let mut running = stage.create_in_docker(&spec.mount(data.path(), "/checked", Access::Read))?;
    running.start()?;
    let container = running.in_docker()?;
    let becomes = |expected: &str| {
        until(patience(), || {
            let state = container.inspect()?;
            Ok((state.health != expected).then(|| format!("expected to be {expected}, but saw {state:?}")))
        })
    };
    becomes("unhealthy")?;
    fs::write(data.path().join("healthy"), "")?;
    becomes("healthy")
}

/// Into the container while it runs, where a program of it finds the file, and out again.
fn copy(stage: &Stage<'_>) -> Result {
    let mut running = ready(stage)?;
    let container = running.in_docker()?;
    container.copy_in("/", archive("note", b"copied\n")?)?;
    let seen = container.exec(ExecSpec::new(["/busybox", "cat", "/note"]), patience())?;
    ensure(seen.stdout == b"copied\n", || format!("expected the file inside, but saw {seen:?}"))?;
    let packed = container.copy_out("/note")?;
    let mut files = tar::Archive::new(&*packed);
    let mut file = files.entries()?.next().ok_or("the archive is empty")??;
    let mut content = String::new();
    std::io::Read::read_to_string(&mut file, &mut content)?;
    ensure(content == "copied\n", || format!("expected the file back, but saw {content:?}"))
}

fn archive(name: &str, content: &[u8]) -> Result<Vec<u8>> {
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(content.len().try_into()?);
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_data(&mut header, name, content)?;
    archive.into_inner().map_err(Failure::from)
}

/// The path of the probe; of its native twin under the reference.
fn program(stage: &Stage<'_>) -> String {
    format!("/{}", if stage.shim.is_native() { PROBE_TWIN.0 } else { PROBE.name })
}

fn expect(stage: &Stage<'_>, spec: ExecSpec, code: u32, stdout: &str, stderr: &str) -> Result {
    let seen = ready(stage)?.in_docker()?.exec(spec, patience())?;
    ensure((seen.code, &*text(&seen.stdout), &*text(&seen.stderr)) == (code, stdout, stderr), || {
        format!("expected status {code}, {stdout:?} and {stderr:?}, but saw {seen:?}")
    })
}
