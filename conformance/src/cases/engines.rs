use super::row;
use crate::case::Case;
use crate::guests::{HELLO, START_SECTION};
use crate::host::Form;
use crate::profile::Profile;
use crate::setup::{Setup, probe};

pub(super) fn cases() -> Vec<Case> {
    row(
        "engines",
        Profile::Cache,
        [
            Case::new("engine/loads-what-another-process-compiled", probe(["exit", "3"]))
                .in_form(&[Form::Compiled])
                .ends_with(3),
            Case::new("engine/compiling-executes-nothing", Setup::of(START_SECTION))
                .in_form(&[Form::Compiled])
                .prints_among_others("start section"),
            Case::new("engine/loading-executes-nothing", Setup::of(START_SECTION))
                .in_form(&[Form::Unstarted])
                .prints(""),
            Case::new("engine/maps-compiled-code", Setup::of(HELLO))
                .in_form(&[Form::Mapped])
                .prints("hello from wasm: world\n"),
        ],
    )
}
