//! Terminals, and the end of stdin.

use std::fs::File;
use std::process::Command;

use super::super::row;
use crate::case::Case;
use crate::failure::{Failure, Result, ensure};
use crate::images::BUSYBOX;
use crate::patience::{notice, patience, until};
use crate::profile::Profile;
use crate::running::Running;
use crate::setup::{Setup, probe};
use crate::stage::Stage;

pub(super) fn cases() -> Vec<Case> {
    let open = |setup: Setup| setup.in_task(|spec| spec.stdin_open());
    let terminal = |setup: Setup| setup.in_task(|spec| spec.stdin_open().terminal());
    row(
        "terminal",
        Profile::Core,
        [
            Case::task("lifecycle/stdin-is-closed", open(probe(["echo"])), stdin_is_closed).twin(),
            Case::task("lifecycle/terminal", terminal(probe(["isatty"])), three_streams).twin(),
            Case::task("lifecycle/terminal-answers", terminal(probe(["echo"])), answers).twin(),
            Case::task("lifecycle/terminal-has-the-given-size", terminal(probe(["echo"])), size).twin(),
        ],
    )
}

fn stdin_is_closed(stage: &Stage<'_>) -> Result {
    let mut running = stage.start(&stage.setup())?;
    let task = running.task()?;
    task.write("one\n")?;
    task.wait_for("one\n", patience())?;
    task.close_stdin()?;
    let ended = running.end_unnoted()?;
    ensure(ended.code == 0 && ended.stdout() == "one\n", || {
        format!("expected status 0 and the line, but saw {}", ended.describe())
    })
}

fn three_streams(stage: &Stage<'_>) -> Result {
    let ended = stage.start(&stage.setup())?.end_unnoted()?;
    let expected = "stdin: tty\r\nstdout: tty\r\nstderr: tty\r\n";
    ensure(ended.stdout() == expected && ended.stderr.is_empty(), || {
        format!("expected three terminals, but saw {}", ended.describe())
    })
}

fn answers(stage: &Stage<'_>) -> Result {
    let mut running = stage.start(&stage.setup())?;
    let task = running.task()?;
    task.write("one\n")?;
    // The first is the terminal's own echo.
    task.wait_for("one\r\none\r\n", patience())?;
    // End of transmission, as a person types it.
    task.write("\x04")?;
    let ended = running.end_unnoted()?;
    ensure(ended.code == 0, || format!("expected status 0, but saw {}", ended.describe()))
}

fn size(stage: &Stage<'_>) -> Result {
    let mut running = stage.start(&stage.setup())?;
    running.task()?.resize(123, 45)?;
    expect_size(&running, "45 123")
}

/// The guest's terminal is soon so many lines of so many characters.
pub(crate) fn expect_size(running: &Running<'_>, expected: &str) -> Result {
    let terminal = format!("/proc/{}/fd/0", running.process()?);
    until(notice(), || {
        let stty = Command::new(BUSYBOX).args(["stty", "size"]).stdin(File::open(&terminal)?).output();
        let stty = stty.map_err(|error| Failure(format!("{BUSYBOX}: {error}")))?;
        let size = String::from_utf8_lossy(&stty.stdout).trim_end().to_owned();
        Ok((size != expected).then(|| format!("expected {expected} lines and characters, but saw {size:?}")))
    })
}
