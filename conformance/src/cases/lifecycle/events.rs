//! What is told of a task while it lives, and of one that is paused.

use std::time::Duration;

use shimmer_node::{Event, Events, State, Task};

use super::super::row;
use super::is;
use crate::case::Case;
use crate::failure::{Result, ensure};
use crate::patience::{notice, patience, until};
use crate::profile::Profile;
use crate::running::paused;
use crate::setup::probe;
use crate::stage::Stage;

pub(super) fn cases() -> Vec<Case> {
    let events = row(
        "events",
        Profile::Core,
        [
            Case::task("lifecycle/events-are-told-in-order", probe(["proc-exit", "3"]), in_order).twin(),
            Case::task("lifecycle/events-name-the-process", probe(["return"]), name_the_process).twin(),
            Case::task(
                "lifecycle/events-say-who-ended-and-how",
                probe(["proc-exit", "3"]),
                say_who_ended_and_how,
            )
            .twin(),
        ],
    );
    let pause = row(
        "pause",
        Profile::Core,
        [
            Case::task("lifecycle/pause-stops-the-guest", probe(["tick"]), pause_stops_the_guest).twin(),
            Case::task("lifecycle/pause-is-told", probe(["tick"]), pause_is_told).twin(),
        ],
    );
    [events, pause].concat()
}

/// The number of the last line of a guest that ticks.
pub(super) fn last_line(task: &Task) -> u32 {
    let is_there = |line: &u32| task.wait_for(&format!("\n{line}\n"), Duration::ZERO).is_ok();
    (2..).take_while(is_there).last().unwrap_or(1)
}

/// Runs the guest to its end: what was told of it, and its process.
fn told(stage: &Stage<'_>) -> Result<(Vec<Event>, String, u32)> {
    let events = stage.shim.node.events()?;
    let mut running = stage.start(&stage.setup())?;
    let (id, pid) = (running.id().to_owned(), running.task()?.pid());
    running.end_unnoted()?;
    wait_for(&events, &id, "/tasks/exit")?;
    let told = events.so_far()?.into_iter().filter(|event| event.container_id == id).collect();
    Ok((told, id, pid))
}

/// A shim goes when its task is deleted, and may do so before it has told that; even the one of runc does.
fn in_order(stage: &Stage<'_>) -> Result {
    let (told, ..) = told(stage)?;
    let topics: Vec<&str> = told.iter().map(|event| event.topic.as_str()).collect();
    let expected = ["/tasks/create", "/tasks/start", "/tasks/exit", "/tasks/delete"];
    ensure(topics.len() >= 3 && expected.starts_with(&topics), || {
        format!("expected create, start, exit and mostly delete, but saw {topics:?}")
    })
}

fn name_the_process(stage: &Stage<'_>) -> Result {
    let (told, _, pid) = told(stage)?;
    let other = told.iter().find(|event| event.pid != Some(pid) || pid == 0);
    ensure(other.is_none(), || format!("the process is {pid}, but there is {other:?}"))
}

/// CRI knows whose end it is by the id of the process, which for a container's own is the container's.
fn say_who_ended_and_how(stage: &Stage<'_>) -> Result {
    let (told, id, _) = told(stage)?;
    let exit = told.iter().find(|event| event.topic == "/tasks/exit");
    let said = exit.map(|event| (event.exec_id.as_str(), event.exit_status));
    ensure(said == Some((&id, Some(3))), || format!("expected the end of {id} with 3, but saw {exit:?}"))
}

/// Another guest of the same is the clock by which nothing happens.
fn pause_stops_the_guest(stage: &Stage<'_>) -> Result {
    let mut clock = stage.start(&stage.setup())?;
    let mut running = stage.start(&stage.setup())?;
    running.wait_for("\n2\n")?;
    let task = running.task()?;
    paused(|| task.pause())?;
    is(task, State::Paused)?;
    // What it wrote before may still be on its way, for long on a busy machine; a guest that goes on never rests so long.
    let mut last = last_line(task);
    until(patience(), || {
        let line = last_line(clock.task()?) + 20;
        clock.wait_for(&format!("\n{line}\n"))?;
        let before = std::mem::replace(&mut last, last_line(task));
        Ok((last != before).then(|| format!("a paused guest went on from line {before} to {last}")))
    })?;
    is(task, State::Paused)?;
    task.resume()?;
    is(task, State::Running)?;
    running.wait_for(&format!("\n{}\n", last + 1))
}

fn pause_is_told(stage: &Stage<'_>) -> Result {
    let events = stage.shim.node.events()?;
    let mut running = stage.start(&stage.setup())?;
    let id = running.id().to_owned();
    let task = running.task()?;
    paused(|| task.pause())?;
    wait_for(&events, &id, "/tasks/paused")?;
    task.resume()?;
    wait_for(&events, &id, "/tasks/resumed")
}

fn wait_for(events: &Events, id: &str, topic: &str) -> Result {
    events.wait_for(|event| event.topic == topic && event.container_id == id, notice())?;
    Ok(())
}
