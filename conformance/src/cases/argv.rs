use super::row;
use crate::case::Case;
use crate::guests::EXPORTS;
use crate::profile::Profile;
use crate::setup::{Setup, probe};

pub(super) fn cases() -> Vec<Case> {
    let argv = row(
        "argv",
        Profile::Core,
        [
            Case::new("argv/as-given", probe(["args", "one two", "", "ü"]))
                .twin()
                .prints("argv[0]=/probe.wasm\nargv[1]=args\nargv[2]=one two\nargv[3]=\nargv[4]=ü\n"),
            Case::new("argv/name-without-function", probe(["args"]).function("#_start"))
                .prints("argv[0]=/probe.wasm\nargv[1]=args\n"),
            Case::new("argv/nothing-is-expanded", probe(["args", "$HOME", "*", "a;b", "'q'", "\\n"]))
                .twin()
                .prints_among_others("argv[2]=$HOME\nargv[3]=*\nargv[4]=a;b\nargv[5]='q'\nargv[6]=\\n\n"),
            Case::new("argv/a-long-one", probe(["args", &"x".repeat(100_000)]))
                .twin()
                .prints_among_others(&"x".repeat(100_000)),
        ],
    );
    let entrypoint = row(
        "entrypoint",
        Profile::Core,
        [
            Case::new("argv/start-by-default", Setup::of(EXPORTS)).prints("start\n"),
            Case::new("argv/named-function", Setup::of(EXPORTS).function("#greet")).prints("greet\n"),
            Case::new("argv/named-function-can-exit", Setup::of(EXPORTS).function("#seven")).ends_with(7),
        ],
    );
    [argv, entrypoint].concat()
}
