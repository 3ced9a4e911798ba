use super::row;
use crate::case::Case;
use crate::guests::{
    BIG_MEMORY, BULK, FLOAT, MEMORY64, MULTI_VALUE, REF_TYPES, SIGN_EXT, START_SECTION, TRAP_INDIRECT,
    TRAP_INT_OVERFLOW, TRAP_NULL,
};
use crate::profile::Profile;
use crate::setup::Setup;

const TRAP: u32 = 134;
/// What a guest that computes ends with when each step was right; else with the number of the wrong one.
const RIGHT: u32 = 42;

pub(super) fn cases() -> Vec<Case> {
    [features(), traps()].concat()
}

fn features() -> Vec<Case> {
    let right = |id, program| Case::new(id, Setup::of(program)).ends_with(RIGHT);
    row(
        "features",
        Profile::WasiP1,
        [
            Case::new("module/start-section-runs-first", Setup::of(START_SECTION))
                .prints("start section\n_start\n"),
            Case::new("module/big-memory", Setup::of(BIG_MEMORY)),
            right("module/bulk-memory", BULK),
            right("module/reference-types", REF_TYPES),
            right("module/sign-extension", SIGN_EXT),
            right("module/multi-value", MULTI_VALUE),
            right("module/floats", FLOAT),
            right("module/memory64", MEMORY64).needs(&["memory64"]),
        ],
    )
}

fn traps() -> Vec<Case> {
    let trap = |id, program, says| Case::new(id, Setup::of(program)).ends_with(TRAP).complains(says);
    row(
        "trap-classes",
        Profile::WasiP1,
        [
            trap("module/trap-of-a-call-with-another-type", TRAP_INDIRECT, "indirect call"),
            trap("module/trap-of-a-call-to-nothing", TRAP_NULL, "uninitialized"),
            trap("module/trap-of-a-float-too-large", TRAP_INT_OVERFLOW, "integer overflow"),
        ],
    )
}
