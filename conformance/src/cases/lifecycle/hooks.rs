//! Programs of this machine that are run at points of a container's life.

use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;

use shimmer_node::Hook;
use tempfile::TempDir;

use super::super::row;
use crate::case::Case;
use crate::failure::{Result, ensure};
use crate::images::BUSYBOX;
use crate::patience::{notice, patience, until};
use crate::profile::Profile;
use crate::setup::probe;
use crate::stage::Stage;

pub(super) fn cases() -> Vec<Case> {
    row(
        "hooks",
        Profile::Core,
        [
            Case::task("lifecycle/hooks-of-the-creation-run-once", probe(["return"]), |stage| {
                run(
                    stage,
                    &[Hook::Prestart, Hook::CreateRuntime, Hook::CreateContainer],
                    Point::Created..=Point::Created,
                )
            })
            .twin(),
            // runc 1.1 runs it as soon as it has created the container.
            Case::task("lifecycle/hook-after-the-start-runs-once", probe(["return"]), |stage| {
                run(stage, &[Hook::Poststart], Point::Created..=Point::Started)
            })
            .twin(),
            Case::task("lifecycle/hook-after-the-deletion-runs-once", probe(["return"]), |stage| {
                run(stage, &[Hook::Poststop], Point::Deleted..=Point::Deleted)
            })
            .twin(),
            Case::task("lifecycle/hooks-without-a-prestart", probe(["return"]), without_prestart).twin(),
        ],
    )
}

/// A point in a container's life that its hooks may run before, or must have run at.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Point {
    Created,
    Started,
    Deleted,
}

/// Each hook writes its number into a file: all of them once, within the time that they have.
fn run(stage: &Stage<'_>, hooks: &[Hook], time: RangeInclusive<Point>) -> Result {
    let folder = TempDir::new()?;
    let file = folder.path().join("ran");
    // Without one of this kind containerd-shim-wasm answers nothing, which has a case of its own.
    let mut spec = stage.spec(&stage.setup())?.hook(Hook::Prestart, Path::new(BUSYBOX), &["true"]);
    for (number, hook) in hooks.iter().enumerate() {
        let script = format!("echo {number} >>{}", file.display());
        spec = spec.hook(*hook, Path::new(BUSYBOX), &["sh", "-c", &script]);
    }
    let all: String = (0..hooks.len()).map(|number| format!("{number}\n")).collect();
    let expect = |now: Point| match now {
        early if early < *time.start() => ran(&file, "", now),
        late if late >= *time.end() => ran(&file, &all, now),
        _ => Ok(()),
    };
    let mut running = stage.create_task(&spec)?;
    expect(Point::Created)?;
    running.start()?;
    expect(Point::Started)?;
    running.end_unnoted()?;
    expect(Point::Deleted)
}

/// A guest that was compiled before needs no time to be created.
fn without_prestart(stage: &Stage<'_>) -> Result {
    let setup = stage.setup();
    stage.run(&setup)?;
    let spec = stage.spec(&setup)?.hook(Hook::Poststop, Path::new(BUSYBOX), &["true"]);
    let container = stage.shim.node.container(spec)?;
    let mut task = container.create_within(notice())?;
    task.start()?;
    task.wait(patience())?;
    task.delete()?;
    Ok(container.delete()?)
}

fn ran(file: &Path, expected: &str, now: Point) -> Result {
    until(patience(), || {
        let ran = fs::read_to_string(file).unwrap_or_default();
        ensure(expected.starts_with(&ran), || {
            format!("expected {expected:?} of the hooks, but saw {ran:?}")
        })?;
        let why = || format!("expected {expected:?} of the hooks when it is {now:?}, but saw {ran:?}");
        Ok((ran != expected).then(why))
    })
}
