use crate::Case;
use crate::guests::{EXPORTS, PROBE};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("argv/as-given", PROBE)
            .args(["args", "one two", "", "ü"])
            .prints("argv[0]=/probe.wasm\nargv[1]=args\nargv[2]=one two\nargv[3]=\nargv[4]=ü\n"),
        Case::new("argv/start-by-default", EXPORTS).prints("start\n"),
        Case::new("argv/named-function", EXPORTS).function("#greet").prints("greet\n"),
        Case::new("argv/named-function-can-exit", EXPORTS).function("#seven").ends_with(7),
        Case::new("argv/name-without-function", PROBE)
            .function("#_start")
            .args(["args"])
            .prints("argv[0]=/probe.wasm\nargv[1]=args\n"),
    ]
}
