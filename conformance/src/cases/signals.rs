use crate::Case;
use crate::guests::{PROBE, PROBE_COMPONENT};

const SIGHUP: u32 = 1;
const SIGINT: u32 = 2;
const SIGKILL: u32 = 9;
const SIGTERM: u32 = 15;

pub(super) fn cases() -> Vec<Case> {
    let ends = |id, probe, signal| Case::new(id, PROBE).args([probe]).signal(signal).ends_with(128 + signal);
    vec![
        ends("signal/term-in-a-tight-loop", "spin", SIGTERM).prints("ready\n"),
        ends("signal/term-in-a-blocking-call", "sleep", SIGTERM).prints("ready\n"),
        ends("signal/int-in-a-tight-loop", "spin", SIGINT),
        ends("signal/hup-in-a-blocking-call", "sleep", SIGHUP),
        ends("signal/kill", "spin", SIGKILL),
        Case::new("signal/term-in-a-component", PROBE_COMPONENT)
            .args(["sleep"])
            .needs(|c| c.components)
            .signal(SIGTERM)
            .ends_with(128 + SIGTERM),
    ]
}
