use super::row;
use crate::case::Case;
use crate::guests::EXPORTS;
use crate::profile::Profile;
use crate::setup::{Setup, probe, probe_component};

const TRAP: u32 = 134;

pub(super) fn cases() -> Vec<Case> {
    let trap = |id, what: &str| Case::new(id, probe(["trap", what])).ends_with(TRAP);
    row(
        "trap",
        Profile::Core,
        [
            trap("trap/unreachable", "unreachable").complains("unreachable"),
            trap("trap/division-by-zero", "div").complains("zero"),
            trap("trap/out-of-bounds", "oob").complains("out of bounds"),
            trap("trap/stack-overflow", "stack"),
            Case::new("trap/panic-keeps-its-message", probe(["panic"]))
                .ends_with(TRAP)
                .complains("the probe panics as it was told to"),
            Case::new("trap/in-a-named-function", Setup::of(EXPORTS).function("#fail"))
                .ends_with(TRAP)
                .complains("fail"),
            Case::new("trap/component", probe_component(["trap", "unreachable"]))
                .needs(&["components"])
                .ends_with(TRAP)
                .complains("unreachable"),
        ],
    )
}
