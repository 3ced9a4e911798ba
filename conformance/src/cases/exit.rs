use crate::Case;
use crate::guests::{EXIT_ERR_COMPONENT, PROBE, PROBE_COMPONENT};

pub(super) fn cases() -> Vec<Case> {
    let proc_exit = |id, status, code| Case::new(id, PROBE).args(["proc-exit", status]).ends_with(code);
    vec![
        Case::new("exit/return-is-0", PROBE).args(["return"]),
        proc_exit("exit/proc-exit-0", "0", 0),
        proc_exit("exit/proc-exit-1", "1", 1),
        proc_exit("exit/proc-exit-42", "42", 42),
        proc_exit("exit/proc-exit-126", "126", 126),
        proc_exit("exit/proc-exit-137", "137", 137),
        proc_exit("exit/proc-exit-255", "255", 255),
        proc_exit("exit/proc-exit-256", "256", 0),
        Case::new("exit/component-ok-is-0", PROBE_COMPONENT).args(["return"]).needs(|c| c.components),
        Case::new("exit/component-err-is-1", EXIT_ERR_COMPONENT).needs(|c| c.components).ends_with(1),
    ]
}
