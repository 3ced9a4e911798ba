use crate::Case;
use crate::guests::{EXPORTS, PROBE, PROBE_COMPONENT};

const TRAP: u32 = 134;

pub(super) fn cases() -> Vec<Case> {
    let trap = |id, what| Case::new(id, PROBE).args(["trap", what]).ends_with(TRAP);
    vec![
        trap("trap/unreachable", "unreachable").complains("unreachable"),
        trap("trap/division-by-zero", "div").complains("zero"),
        trap("trap/out-of-bounds", "oob").complains("out of bounds"),
        trap("trap/stack-overflow", "stack").broken_by(
            "wasmedge",
            "its compiled code has no check for the end of the stack: SIGSEGV, status 139",
        ),
        Case::new("trap/panic-keeps-its-message", PROBE)
            .args(["panic"])
            .ends_with(TRAP)
            .complains("the probe panics as it was told to"),
        Case::new("trap/in-a-named-function", EXPORTS).function("#fail").ends_with(TRAP).complains("fail"),
        Case::new("trap/component", PROBE_COMPONENT)
            .args(["trap", "unreachable"])
            .needs(|c| c.components)
            .ends_with(TRAP)
            .complains("unreachable"),
    ]
}
