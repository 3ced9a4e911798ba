use super::row;
use crate::case::Case;
use crate::guests::EXIT_ERR_COMPONENT;
use crate::profile::Profile;
use crate::setup::{Setup, probe, probe_component};

pub(super) fn cases() -> Vec<Case> {
    let proc_exit =
        |id, status: &str, code| Case::new(id, probe(["proc-exit", status])).twin().ends_with(code);
    let modules = row(
        "exit-status",
        Profile::Core,
        [
            Case::new("exit/return-is-0", probe(["return"])).twin(),
            proc_exit("exit/proc-exit-0", "0", 0),
            proc_exit("exit/proc-exit-1", "1", 1),
            proc_exit("exit/proc-exit-42", "42", 42),
            proc_exit("exit/proc-exit-126", "126", 126),
            proc_exit("exit/proc-exit-137", "137", 137),
            proc_exit("exit/proc-exit-255", "255", 255),
            proc_exit("exit/proc-exit-256", "256", 0),
            Case::new("exit/through-the-standard-library", probe(["exit", "9"])).twin().ends_with(9),
        ],
    );
    let components = row(
        "component-exit-status",
        Profile::WasiP2,
        [
            Case::new("exit/component-ok-is-0", probe_component(["return"])).needs(&["components"]),
            Case::new("exit/component-err-is-1", Setup::of(EXIT_ERR_COMPONENT))
                .needs(&["components"])
                .ends_with(1),
        ],
    );
    [modules, components].concat()
}
