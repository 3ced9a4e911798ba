use std::time::{SystemTime, UNIX_EPOCH};

use super::as_in;
use crate::case::Case;
use crate::cases::row;
use crate::failure::{Result, ensure};
use crate::level::Level;
use crate::profile::Profile;
use crate::setup::probe;
use crate::stage::Stage;

const DAY: u64 = 24 * 60 * 60;

pub(super) fn cases() -> Vec<Case> {
    row(
        "wasi-time",
        Profile::WasiP1,
        [
            as_in(
                "clock_time_get",
                Case::container("wasi/realtime-is-the-hosts", probe(["clock"]), realtime_is_the_hosts),
            ),
            as_in(
                "clock_time_get",
                Case::container("wasi/monotonic-clock-moves", probe(["clock"]), monotonic_clock_moves),
            ),
            as_in(
                "poll_oneoff",
                Case::new("wasi/poll-waits-for-a-clock", probe(["sleep-ms", "20"])).twin().prints("slept\n"),
            ),
            as_in(
                "poll_oneoff",
                Case::new("wasi/poll-sees-stdin", probe(["poll-stdin-or-ms", "60000"]).stdin(b"text"))
                    .prints("ready\nstdin\n"),
            ),
            as_in(
                "poll_oneoff",
                Case::new("wasi/poll-sees-the-end-of-stdin", probe(["poll-stdin-or-ms", "60000"]))
                    .only([Level::Engine, Level::Task])
                    .prints("ready\nstdin\n"),
            ),
            // In a pod and in Docker stdin is a device that is always at its end: the time only bounds.
            as_in(
                "poll_oneoff",
                Case::new("wasi/poll-sees-that-there-is-no-stdin", probe(["poll-stdin-or-ms", "60000"]))
                    .only([Level::Cri, Level::Docker, Level::Kube])
                    .prints("ready\nstdin\n"),
            ),
            as_in(
                "poll_oneoff",
                Case::task(
                    "wasi/poll-does-not-wait-for-stdin",
                    probe(["poll-stdin-or-ms", "20"]),
                    poll_does_not_wait_for_stdin,
                ),
            ),
        ],
    )
}

fn realtime_is_the_hosts(stage: &Stage<'_>) -> Result {
    let printed = clock(stage)?;
    let seconds = printed.lines().find_map(|line| line.strip_prefix("realtime=")?.parse::<u64>().ok());
    let seconds = seconds.ok_or_else(|| format!("the guest told no time, but {printed:?}"))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    ensure(now.abs_diff(seconds) < DAY, || format!("the guest says {seconds}, and this machine {now}"))
}

fn monotonic_clock_moves(stage: &Stage<'_>) -> Result {
    let printed = clock(stage)?;
    ensure(printed.contains("monotonic=moves\n"), || format!("the guest printed {printed:?}"))
}

fn clock(stage: &Stage<'_>) -> Result<String> {
    let ended = stage.start(&stage.setup())?.end_unnoted()?;
    ensure(ended.code == 0, || format!("expected status 0, but saw {}", ended.describe()))?;
    Ok(ended.stdout())
}

/// Stdin is open and silent, which only the task service can show.
fn poll_does_not_wait_for_stdin(stage: &Stage<'_>) -> Result {
    let mut running = stage.create_task(&stage.spec(&stage.setup())?.stdin_open())?;
    running.start()?;
    let ended = running.end_unnoted()?;
    ensure((ended.code, &*ended.stdout()) == (0, "ready\nclock\n"), || {
        format!("expected status 0 and `clock`, but saw {}", ended.describe())
    })
}
