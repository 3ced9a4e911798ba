use crate::Case;
use crate::guests::PROBE;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("env/exactly-as-given", PROBE)
            .args(["env"])
            .env([("A", "1"), ("EMPTY", ""), ("EQUALS", "a=b=c"), ("ÜMLAUT", "ö")])
            .prints_among_others("A=1\n")
            .prints_among_others("EMPTY=\n")
            .prints_among_others("EQUALS=a=b=c\n")
            .prints_among_others("ÜMLAUT=ö\n"),
        // containerd gives these to its shims.
        Case::new("env/nothing-of-the-host", PROBE)
            .args(["env"])
            .never_prints("TTRPC_ADDRESS")
            .never_prints("NAMESPACE=")
            .never_prints("CARGO"),
    ]
}
