mod events;
mod hooks;
mod pods;
mod terminal;

use std::thread;

use shimmer_node::{Code, State, Task};

use super::row;
use crate::case::Case;
use crate::cgroup::{Cgroup, Setting};
use crate::failure::{Failure, Result, ensure};
use crate::level::Level;
use crate::patience::{notice, patience, until};
use crate::profile::Profile;
use crate::running::{Running, delete};
use crate::setup::probe;
use crate::stage::{Stage, refusal, refusal_as};

pub(super) use self::terminal::expect_size;

const SIGKILL: u32 = 9;
const SIGTERM: u32 = 15;
const PROCESSOR_TIME: Setting = Setting { controller: "cpuacct", v1: "cpuacct.usage", v2: "cpu.stat" };

pub(super) fn cases() -> Vec<Case> {
    let own = [states(), deletion(), signals(), waiting(), usage()].concat();
    [own, events::cases(), terminal::cases(), hooks::cases(), pods::cases()].concat()
}

fn states() -> Vec<Case> {
    let sleep = || probe(["sleep"]);
    row(
        "task-state",
        Profile::Core,
        [
            Case::task("lifecycle/state-follows-its-life", sleep(), state).twin(),
            Case::task("lifecycle/start-twice", sleep(), start_twice).twin(),
            Case::task("lifecycle/start-after-the-end", probe(["return"]), start_after_the_end).twin(),
            Case::task("lifecycle/two-of-one-image", sleep(), two_of_one_image).twin(),
            Case::task("lifecycle/same-id-again", probe(["proc-exit", "3"]), same_id_again).twin(),
        ],
    )
}

fn deletion() -> Vec<Case> {
    row(
        "deletion",
        Profile::Core,
        [
            Case::task("lifecycle/delete-before-the-start", probe(["sleep"]), delete_before_the_start).twin(),
            Case::task("lifecycle/delete-while-it-runs", probe(["tick"]), delete_while_it_runs).twin(),
            Case::task("lifecycle/delete-twice", probe(["return"]), delete_twice).twin(),
        ],
    )
}

fn signals() -> Vec<Case> {
    row(
        "task-signals",
        Profile::Core,
        [
            Case::task("lifecycle/kill-before-the-start", probe(["sleep"]), kill_before_the_start).twin(),
            Case::task("lifecycle/kill-after-the-end", probe(["return"]), kill_after_the_end).twin(),
            Case::task("lifecycle/kill-of-all-processes", probe(["sleep"]), kill_of_all_processes).twin(),
        ],
    )
}

fn waiting() -> Vec<Case> {
    row(
        "waiting",
        Profile::Core,
        [
            Case::task("lifecycle/wait-of-two", probe(["sleep"]), wait_of_two).twin(),
            Case::task("lifecycle/wait-after-the-end", probe(["proc-exit", "7"]), wait_after_the_end).twin(),
            Case::task("lifecycle/status-without-wait", probe(["proc-exit", "7"]), status_without_wait)
                .twin(),
        ],
    )
}

fn usage() -> Vec<Case> {
    row(
        "usage",
        Profile::Core,
        [
            Case::task("lifecycle/pids", probe(["sleep"]), pids).twin(),
            Case::container("lifecycle/processor-time-is-measured", probe(["spin"]), processor_time).twin(),
            Case::cri("lifecycle/pod-is-measured", probe(["hold", "32"]), pod_is_measured).twin(),
        ],
    )
}

fn state(stage: &Stage<'_>) -> Result {
    let mut running = stage.create(&stage.setup())?;
    is(running.task()?, State::Created)?;
    running.start()?;
    running.wait_for("ready\n")?;
    let task = running.task()?;
    is(task, State::Running)?;
    task.kill(SIGKILL)?;
    task.wait(patience())?;
    is(task, State::Stopped)
}

fn start_twice(stage: &Stage<'_>) -> Result {
    let mut running = ready(stage)?;
    let task = running.task()?;
    refusal(task.start())?;
    is(task, State::Running)
}

fn start_after_the_end(stage: &Stage<'_>) -> Result {
    let mut running = stage.start(&stage.setup())?;
    let task = running.task()?;
    task.wait(patience())?;
    refusal(task.start())?;
    is(task, State::Stopped)
}

fn two_of_one_image(stage: &Stage<'_>) -> Result {
    let (mut one, other) = (ready(stage)?, ready(stage)?);
    one.kill(SIGKILL)?;
    one.task()?.wait(patience())?;
    other.kill(SIGTERM)?;
    ended(other, 128 + SIGTERM)?;
    ended(one, 128 + SIGKILL)
}

fn same_id_again(stage: &Stage<'_>) -> Result {
    let spec = stage.spec(&stage.setup())?;
    for _ in 0..2 {
        let mut running = stage.create_task(&spec)?;
        running.start()?;
        ended(running, 3)?;
    }
    Ok(())
}

fn delete_before_the_start(stage: &Stage<'_>) -> Result {
    let mut running = stage.create(&stage.setup())?;
    delete(running.task()?)?;
    let gone = stage.shim.node.task_state(running.id());
    refusal_as(Code::NotFound, gone).map(drop)
}

fn delete_while_it_runs(stage: &Stage<'_>) -> Result {
    let mut running = stage.start(&stage.setup())?;
    running.wait_for("1\n")?;
    let task = running.task()?;
    refusal(task.try_delete())?;
    is(task, State::Running)?;
    let last = events::last_line(task);
    // It ticks on.
    running.wait_for(&format!("\n{}\n", last + 2))
}

fn delete_twice(stage: &Stage<'_>) -> Result {
    let mut running = stage.start(&stage.setup())?;
    let task = running.task()?;
    task.wait(patience())?;
    delete(task)?;
    refusal_as(Code::NotFound, task.try_delete()).map(drop)
}

fn kill_before_the_start(stage: &Stage<'_>) -> Result {
    let running = stage.create(&stage.setup())?;
    running.kill(SIGKILL)?;
    ended(running, 128 + SIGKILL)
}

fn kill_after_the_end(stage: &Stage<'_>) -> Result {
    let mut running = stage.start(&stage.setup())?;
    let task = running.task()?;
    task.wait(patience())?;
    refusal_as(Code::NotFound, task.kill(SIGKILL))?;
    is(task, State::Stopped)
}

fn kill_of_all_processes(stage: &Stage<'_>) -> Result {
    let mut running = ready(stage)?;
    running.task()?.kill_all(SIGKILL)?;
    ended(running, 128 + SIGKILL)
}

fn wait_of_two(stage: &Stage<'_>) -> Result {
    let mut running = ready(stage)?;
    let task = running.task()?;
    let waiting = [task.waiter(), task.waiter()].map(|waiter| thread::spawn(move || waiter.wait(patience())));
    task.kill(SIGTERM)?;
    let [one, other] = waiting.map(|thread| thread.join().map_err(|_| Failure("a waiter panicked".into())));
    let (one, other) = (one??, other??);
    ensure(one == other && one.code == 128 + SIGTERM, || {
        format!("expected one status 143 and one time for both, but saw {one:?} and {other:?}")
    })
}

fn wait_after_the_end(stage: &Stage<'_>) -> Result {
    let mut running = stage.start(&stage.setup())?;
    let task = running.task()?;
    let first = task.wait(patience())?;
    let second = task.wait(notice())?;
    ensure(first == second && first.code == 7, || {
        format!("expected status 7 and the same time twice, but saw {first:?} and {second:?}")
    })
}

fn status_without_wait(stage: &Stage<'_>) -> Result {
    let mut running = stage.start(&stage.setup())?;
    let task = running.task()?;
    until(
        patience(),
        || Ok((task.state()? != State::Stopped).then(|| "the guest has not ended".to_owned())),
    )?;
    let output = delete(task)?;
    ensure(output.code == 7, || format!("expected status 7, but saw {}", output.code))
}

fn pids(stage: &Stage<'_>) -> Result {
    let mut running = ready(stage)?;
    let task = running.task()?;
    let (pid, pids) = (task.pid(), task.pids()?);
    ensure(pids.contains(&pid), || format!("expected the container's process {pid}, but saw {pids:?}"))
}

/// What is said lies between what the cgroup has counted before and after.
fn processor_time(stage: &Stage<'_>) -> Result {
    let mut running = ready(stage)?;
    let cgroup = Cgroup::of(running.process()?)?;
    let before = nanoseconds(&cgroup)?;
    let said = match stage.level {
        Level::Cri => running.in_pod()?.0.stats()?.cpu_nanos.unwrap_or_default(),
        Level::Docker => running.in_docker()?.stats()?.cpu_nanos,
        _ => running.task()?.metrics()?.cpu_nanos,
    };
    let counted = before..=nanoseconds(&cgroup)?;
    ensure(before > 0 && counted.contains(&said), || {
        format!("the cgroup has counted {counted:?} ns of processor time, but {said} are said")
    })
}

fn nanoseconds(cgroup: &Cgroup) -> Result<u64> {
    let (text, unified) = cgroup.read(&PROCESSOR_TIME)?;
    if !unified {
        return Ok(text.parse()?);
    }
    let microseconds = text.lines().find_map(|line| line.strip_prefix("usage_usec "));
    Ok(microseconds.ok_or("cpu.stat has no usage_usec")?.parse::<u64>()? * 1000)
}

fn pod_is_measured(stage: &Stage<'_>) -> Result {
    let mut running = ready(stage)?;
    let (_, pod) = running.in_pod()?;
    let stats = pod.stats()?;
    let (time, memory) = (stats.cpu_nanos.unwrap_or_default(), stats.memory_bytes.unwrap_or_default());
    ensure(time > 0 && memory >= 32 << 20, || {
        format!("a container of the pod holds 32 MiB, but the pod is said to use {stats:?}")
    })
}

/// A guest that has printed `ready`.
fn ready<'a>(stage: &'a Stage<'_>) -> Result<Running<'a>> {
    let running = stage.start(&stage.setup())?;
    running.wait_for("ready\n")?;
    Ok(running)
}

fn is(task: &Task, expected: State) -> Result {
    let seen = task.state()?;
    ensure(seen == expected, || format!("expected the state {expected:?}, but saw {seen:?}"))
}

fn ended(running: Running<'_>, code: u32) -> Result {
    let ended = running.end_unnoted()?;
    ensure(ended.code == code, || format!("expected status {code}, but saw {}", ended.describe()))
}
