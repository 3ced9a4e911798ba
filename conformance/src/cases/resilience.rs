use std::fs;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use shimmer_node::cri::ContainerStatus;
use shimmer_node::{Code, ContainerSpec, ErrorKind, Event, Events, Hook, Node, Process, State, Task};
use tempfile::TempDir;

use super::row;
use crate::case::Case;
use crate::failure::{Failure, Result, ensure};
use crate::images::BUSYBOX;
use crate::level::Level;
use crate::patience::{notice, patience, until};
use crate::profile::Profile;
use crate::running::{Running, again};
use crate::setup::{Setup, probe};
use crate::stage::{Stage, refusal};

const SIGTERM: u32 = 15;
const KILLED: u32 = 128 + 9;
/// What a caller has who does not wait for a deletion.
const GIVES_UP: Duration = Duration::from_secs(1);
const TERMINATED: u32 = 128 + SIGTERM;

pub(super) fn cases() -> Vec<Case> {
    [ends(), restarts(), crowds()].concat()
}

fn ends() -> Vec<Case> {
    let tick = probe(["tick"]);
    row(
        "leftovers",
        Profile::Resilience,
        [
            Case::container("resilience/nothing-is-left-of-an-ended-guest", probe(["return"]), ended_guest)
                .twin(),
            Case::container("resilience/nothing-is-left-of-a-killed-guest", tick.clone(), killed_guest)
                .twin(),
            Case::task("resilience/nothing-is-left-of-a-refused-one", tick.clone(), refused_guest),
            Case::task("resilience/a-deletion-outlives-its-caller", probe(["return"]), abandoned_deletion)
                .twin(),
            Case::task("resilience/nothing-is-left-of-a-killed-shim", tick.clone(), killed_shim)
                .twin()
                .alone()
                .private(),
            Case::cri("resilience/nothing-is-left-of-a-removed-pod", tick, removed_pod).twin(),
        ],
    )
}

fn restarts() -> Vec<Case> {
    row(
        "restarts",
        Profile::Resilience,
        [
            Case::container("resilience/guests-outlive-containerd", probe(["tick"]), outlives)
                .twin()
                .alone()
                .private(),
            // Docker learns of ends by containerd's events alone, under runc as well, and never of one that it missed.
            Case::container("resilience/an-end-without-containerd-is-seen", probe(["tick"]), unseen_end)
                .only([Level::Task, Level::Cri])
                .twin()
                .alone()
                .private(),
            Case::task("resilience/killed-from-outside", probe(["tick"]), killed_from_outside).twin(),
        ],
    )
}

fn crowds() -> Vec<Case> {
    row(
        "crowds",
        Profile::Resilience,
        [
            Case::task("resilience/fifty-at-once", probe([]), fifty).twin().alone(),
            Case::task("resilience/senseless-calls-are-survived", probe(["tick"]), senseless_calls).twin(),
        ],
    )
}

fn ended_guest(stage: &Stage<'_>) -> Result {
    let running = stage.start(&stage.setup())?;
    let id = running.id().to_owned();
    running.end()?;
    nothing_is_left(stage, &id)
}

fn killed_guest(stage: &Stage<'_>) -> Result {
    let running = ticking(stage)?;
    let id = running.id().to_owned();
    drop(running);
    nothing_is_left(stage, &id)
}

/// Its id can be used again, which also shows that containerd has forgotten it.
fn refused_guest(stage: &Stage<'_>) -> Result {
    let id = stage.next_name();
    let node = &stage.shim.node;
    let broken = Setup { name: "broken.wasm".into(), program: b"hello".into(), ..stage.setup() };
    let spec = |setup: &Setup| {
        let image = stage.image(setup)?;
        Ok::<_, Failure>(ContainerSpec::new(&id, &image, &stage.shim.runtime).args(setup.command()))
    };
    let container = node.container(spec(&broken)?)?;
    refusal(container.create())?;
    container.delete()?;
    nothing_is_left(stage, &id)?;
    let whole = spec(&stage.setup().args(["return"]))?;
    let output = again(|| node.run(whole.clone()))?;
    ensure(output.code == 0, || format!("expected the id to be free again, but saw status {}", output.code))
}

/// containerd's CRI waits ten seconds for a deletion, which a hook or a busy machine can outlast. It asks again then.
///
/// The last one asks when the deletion has ended: who asks runc's shim a moment before can leave it behind, for it
/// answers that the task is gone before it forgets it, and does not end while it knows of one.
fn abandoned_deletion(stage: &Stage<'_>) -> Result {
    let events = stage.shim.node.events()?;
    let folder = TempDir::new()?;
    let (began, release) = (folder.path().join("began"), folder.path().join("release"));
    let script =
        format!("touch {}; until [ -e {} ]; do usleep 10000; done", began.display(), release.display());
    // Without one of this kind containerd-shim-wasm answers nothing, which has a case of its own.
    let spec = stage.spec(&stage.setup())?.hook(Hook::Prestart, Path::new(BUSYBOX), &["true"]);
    let spec = spec.hook(Hook::Poststop, Path::new(BUSYBOX), &["sh", "-c", &script]);
    let mut running = stage.create_task(&spec)?;
    let id = running.id().to_owned();
    running.start()?;
    let task = running.task()?;
    task.wait(patience())?;
    // On a busy machine it may not have begun when its caller gives up.
    until(patience(), || {
        give_up(task)?;
        Ok((!began.exists()).then(|| "the last hook does not run".to_owned()))
    })?;
    give_up(task)?;
    fs::write(release, "")?;
    first(&events, "/tasks/delete", &id)?;
    // To be told that it is gone is as good.
    match task.delete_within(patience()) {
        Err(error) if !has_code(&error, Code::NotFound) => return Err(error.into()),
        _ => {}
    }
    drop(running);
    nothing_is_left(stage, &id)
}

/// Asks for a deletion whose last hook does not end, and does not wait for it.
fn give_up(task: &Task) -> Result {
    match task.delete_within(GIVES_UP) {
        Err(error) if *error.kind() == ErrorKind::Timeout => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => Err("it is deleted before its last hook has ended".into()),
    }
}

fn killed_shim(stage: &Stage<'_>) -> Result {
    let events = stage.shim.node.events()?;
    let mut running = ticking(stage)?;
    let id = running.id().to_owned();
    kill(shim_of(&stage.shim.node, &id)?.pid)?;
    let status = first(&events, "/tasks/exit", &id)?.exit_status;
    ensure(status == Some(KILLED), || format!("expected an exit with {KILLED}, but saw {status:?}"))?;
    until(notice(), || {
        Ok(is_running(&mut running, stage)?.then(|| "the guest of a killed shim is said to run".to_owned()))
    })?;
    drop(running);
    nothing_is_left(stage, &id)
}

fn removed_pod(stage: &Stage<'_>) -> Result {
    let mut running = ticking(stage)?;
    let id = running.id().to_owned();
    let (_, pod) = running.in_pod()?;
    let sandbox = pod.id().to_owned();
    pod.delete()?;
    nothing_is_left(stage, &id)?;
    nothing_is_left(stage, &sandbox)
}

fn outlives(stage: &Stage<'_>) -> Result {
    let mut running = ticking(stage)?;
    stage.shim.node.restart_containerd()?;
    let runs = is_running(&mut running, stage)?;
    ensure(runs, || "containerd was started again and says that the guest has ended".to_owned())?;
    running.wait_for("\n20\n")?;
    running.kill(SIGTERM)?;
    let ended = running.end_unnoted()?;
    let stdout = ended.stdout();
    let ticks: Vec<&str> = stdout.lines().take_while(|tick| *tick != "20").collect();
    // With CRI it is containerd that reads them, and what it had read and not written went with it.
    let lost = if stage.level == Level::Cri { 1 } else { 0 };
    let whole = ended.code == TERMINATED && rises(&ticks) && ticks.len() + lost >= 19;
    ensure(whole, || format!("expected status {TERMINATED} and every tick, but saw {}", ended.describe()))
}

/// Whether each is a number, and larger than the one before.
fn rises(ticks: &[&str]) -> bool {
    let numbers: Option<Vec<u32>> = ticks.iter().map(|tick| tick.parse().ok()).collect();
    numbers.is_some_and(|numbers| numbers.is_sorted_by(|one, next| one < next))
}

/// containerd itself cleans up after a task that has ended meanwhile, and does not keep its status.
fn unseen_end(stage: &Stage<'_>) -> Result {
    let mut running = ticking(stage)?;
    let (process, node) = (running.process()?, &stage.shim.node);
    let socket = node.socket();
    thread::scope(|scope| {
        let restart = scope.spawn(|| node.restart_containerd());
        while UnixStream::connect(&socket).is_ok() && !restart.is_finished() {
            thread::yield_now();
        }
        let killed = kill(process);
        restart.join().map_err(|_| "the thread that restarts containerd panicked")??;
        killed
    })?;
    let id = running.id().to_owned();
    until(notice(), || {
        Ok(is_running(&mut running, stage)?.then(|| "a guest that has ended is said to run".to_owned()))
    })?;
    drop(running);
    nothing_is_left(stage, &id)
}

fn killed_from_outside(stage: &Stage<'_>) -> Result {
    let events = stage.shim.node.events()?;
    let running = ticking(stage)?;
    let id = running.id().to_owned();
    kill(running.process()?)?;
    let status = first(&events, "/tasks/exit", &id)?.exit_status;
    let code = running.end_unnoted()?.code;
    let told = (status, code) == (Some(KILLED), KILLED);
    ensure(told, || format!("expected {KILLED} from event and wait, but saw {status:?} and {code}"))
}

/// Each of fifty guests has an exit code of its own, and all exist before the first one ends.
fn fifty(stage: &Stage<'_>) -> Result {
    const GUESTS: u32 = 50;
    const CLIENTS: u32 = 5;
    let work = |client: u32| {
        let codes = (1..=GUESTS).filter(|code| code % CLIENTS == client);
        let created = codes.map(|code| {
            let setup = stage.setup().args(["proc-exit", &code.to_string()]);
            Ok::<_, Failure>((code, stage.create(&setup)?))
        });
        for (code, mut running) in created.collect::<Result<Vec<_>>>()? {
            running.start()?;
            let seen = running.end_unnoted()?.code;
            ensure(seen == code, || format!("expected status {code}, but saw {seen}"))?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|client| scope.spawn(move || work(client))).collect();
        clients.into_iter().try_for_each(|client| client.join().map_err(|_| "a client panicked")?)
    })
}

fn senseless_calls(stage: &Stage<'_>) -> Result {
    let mut running = ticking(stage)?;
    let node = &stage.shim.node;
    for call in [
        node.task_state("nobody").map(drop),
        node.kill_task("nobody", 9),
        node.delete_task("nobody").map(drop),
    ] {
        let (code, sentence) = refusal(call)?;
        ensure(code == "NotFound", || {
            format!("expected NotFound for an unknown id, but saw {code}: {sentence}")
        })?;
    }
    let task = running.task()?;
    refusal(task.start())?;
    refusal(task.try_delete())?;
    refusal(task.kill(4242))?;
    running.kill(SIGTERM)?;
    let code = running.end_unnoted()?.code;
    ensure(code == TERMINATED, || format!("expected status {TERMINATED}, but saw {code}"))
}

/// What containerd says; a task that it has forgotten does not run.
fn is_running(running: &mut Running<'_>, stage: &Stage<'_>) -> Result<bool> {
    if stage.level == Level::Cri {
        return Ok(!matches!(running.in_pod()?.0.status()?, ContainerStatus::Exited(_)));
    }
    if stage.level == Level::Docker {
        return Ok(running.in_docker()?.inspect()?.status == "running");
    }
    match running.task()?.state() {
        Ok(state) => Ok(state != State::Stopped),
        Err(error) if has_code(&error, Code::NotFound) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// A guest that has begun to tick.
fn ticking<'a>(stage: &'a Stage<'_>) -> Result<Running<'a>> {
    let running = stage.start(&stage.setup())?;
    running.wait_for("1\n")?;
    Ok(running)
}

/// The first event of this topic about a container.
fn first(events: &Events, topic: &str, id: &str) -> Result<Event> {
    Ok(events.wait_for(|event| event.topic == topic && event.container_id == id, patience())?)
}

/// Processes, mounts and cgroups go soon after a container was deleted.
fn nothing_is_left(stage: &Stage<'_>, id: &str) -> Result {
    let traces = stage.shim.node.traces();
    until(notice(), || {
        let left = traces.of_container(id)?;
        Ok((!left.is_empty()).then(|| format!("of the container {id} is left:\n{}", left.join("\n"))))
    })
}

/// The first process of a shim: the others are its children.
fn shim_of(node: &Node, id: &str) -> Result<Process> {
    let processes = node.processes()?;
    let is_of = |process: &&Process| process.args.windows(2).any(|pair| pair == ["-id", id]);
    let own: Vec<&Process> = processes.iter().filter(is_of).collect();
    let first = own.iter().find(|process| !own.iter().any(|other| other.pid == process.parent));
    first.copied().cloned().ok_or_else(|| Failure(format!("no process is the shim of {id}")))
}

fn kill(process: u32) -> Result {
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
    Ok(kill_process(pid.ok_or("0 is no process")?, Signal::KILL)?)
}

fn has_code(error: &shimmer_node::Error, wanted: Code) -> bool {
    matches!(error.kind(), ErrorKind::Containerd { code, .. } if *code == wanted)
}
