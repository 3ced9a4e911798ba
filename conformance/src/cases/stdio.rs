use crate::Case;
use crate::guests::PROBE;

const LINES: u32 = 20_000;

pub(super) fn cases() -> Vec<Case> {
    let flood: String = (1..=LINES).map(|line| format!("{line}\n")).chain(["end\n".to_owned()]).collect();
    vec![
        Case::new("stdio/separate-streams", PROBE)
            .args(["stderr", "to stderr"])
            .prints("")
            .complains("to stderr\n"),
        Case::new("stdio/nothing-is-lost", PROBE).args(["flood", "20000"]).prints(flood),
        Case::new("stdio/stdin-and-its-end", PROBE)
            .args(["stdin"])
            .stdin(b"from stdin\n")
            .prints("from stdin\n")
            .complains("11 bytes"),
        Case::new("stdio/empty-stdin", PROBE).args(["block-stdin"]).prints("ready\neof\n"),
    ]
}
