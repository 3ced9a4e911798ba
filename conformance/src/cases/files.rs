use crate::Case;
use crate::guests::{CHECKSUM, PROBE};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("files/read", PROBE)
            .file("note", "content")
            .args(["cwd-read", "/data/note"])
            .prints("content"),
        Case::new("files/list", PROBE).file("a", "1").file("b", "2").args(["list", "/data"]).prints("a\nb\n"),
        Case::new("files/write", PROBE).file("note", "old").args(["write", "/data/new", "text"]),
        Case::new("files/missing", PROBE)
            .args(["cwd-read", "/data/missing"])
            .file("other", "")
            .ends_with(5)
            .complains("NotFound"),
        Case::new("files/read-from-a-read-only-mount", PROBE)
            .file("note", "content")
            .read_only()
            .args(["cwd-read", "/data/note"])
            .prints("content"),
        Case::new("files/read-only-mount", PROBE)
            .file("note", "old")
            .read_only()
            .args(["write", "/data/note", "new"])
            .task_only()
            .ends_with(5)
            .complains("probe: /data/note"),
        Case::new("files/a-real-program", CHECKSUM)
            .file("note", "hello\n")
            .file("SUMS", "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03  /data/note\n")
            .args(["--check", "/data/SUMS"])
            .prints("/data/note: OK\n"),
    ]
}
