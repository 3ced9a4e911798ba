use crate::Case;
use crate::guests::{CHECKSUM_COMPONENT, COMPUTE, HELLO, HELLO_COMPONENT, PROBE_COMPONENT};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("program/module", HELLO).prints("hello from wasm: world\n"),
        Case::new("program/component", HELLO_COMPONENT)
            .env([("GREETING_NAME", "component")])
            .needs(|c| c.components)
            .prints("hello from wasm: component\n"),
        Case::new("program/component-argv", PROBE_COMPONENT)
            .args(["args"])
            .needs(|c| c.components)
            .prints("argv[0]=/probe.component.wasm\nargv[1]=args\n"),
        Case::new("program/component-files", PROBE_COMPONENT)
            .args(["cwd-read", "/data/note"])
            .file("note", "content")
            .needs(|c| c.components)
            .prints("content"),
        Case::new("program/component-real-program", CHECKSUM_COMPONENT)
            .file("note", "hello\n")
            .file("SUMS", "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03  /data/note\n")
            .args(["--check", "/data/SUMS"])
            .needs(|c| c.components)
            .prints("/data/note: OK\n"),
        Case::new("program/computes", COMPUTE).args(["fib", "10"]).prints("fib 10 = 55\n"),
        Case::new("program/component-stdin", PROBE_COMPONENT)
            .args(["stdin"])
            .stdin(b"from stdin\n")
            .needs(|c| c.components)
            .prints("from stdin\n"),
    ]
}
