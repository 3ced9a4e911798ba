use super::row;
use crate::case::Case;
use crate::profile::Profile;
use crate::setup::{Setup, probe, probe_component};

const SIGHUP: u32 = 1;
const SIGINT: u32 = 2;
const SIGKILL: u32 = 9;
const SIGTERM: u32 = 15;

pub(super) fn cases() -> Vec<Case> {
    let ends = |id, setup: Setup, signal| Case::new(id, setup).signal(signal).ends_with(128 + signal);
    row(
        "signals",
        Profile::Core,
        [
            ends("signal/term-in-a-tight-loop", probe(["spin"]), SIGTERM).twin().prints("ready\n"),
            ends("signal/term-in-a-blocking-call", probe(["sleep"]), SIGTERM).twin().prints("ready\n"),
            ends("signal/int-in-a-tight-loop", probe(["spin"]), SIGINT).twin(),
            ends("signal/hup-in-a-blocking-call", probe(["sleep"]), SIGHUP).twin(),
            ends("signal/kill", probe(["spin"]), SIGKILL).twin(),
            ends("signal/term-in-a-component", probe_component(["sleep"]), SIGTERM).needs(&["components"]),
        ],
    )
}
