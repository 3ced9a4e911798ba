use super::*;
use crate::report::Fact;
use crate::report::fixture::{failed, known, observed, report};

fn between<const N: usize>(one: [Outcome; N], other: [Outcome; N], allowed: &str) -> Differences {
    let allowed = Allowed::parse(allowed).expect("a valid list");
    differ(&[report("wasmtime", one), report("wasmedge", other)], &allowed).expect("two reports")
}

#[test]
fn shims_that_see_the_same_are_clean() {
    let one = observed("exit/one", [("status", "1"), ("stderr", "wasmtime 1.2.3 ended in 15 ms")]);
    let other = observed("exit/one", [("status", "1"), ("stderr", "wasmedge 1.2.3 ended in 7 ms")]);
    let found = between([one], [other], "");
    assert!(found.is_clean(), "{found}");
    assert_eq!(found.compared, 1);
}

#[test]
fn a_difference_has_a_line_for_each_shim() {
    let found = between(
        [observed("exit/one", [("status", "1"), ("stdout", "one\n")])],
        [observed("exit/one", [("status", "1"), ("stdout", "")])],
        "",
    );
    assert!(!found.is_clean());
    let text = found.to_string();
    assert!(
        text.contains(
            "exit/one at level task differs in `stdout`:\n  wasmtime  \"one\\n\"\n  wasmedge  \"\"\n"
        )
    );
    assert!(text.contains("wasmtime, wasmedge: cases compared: 1, differences: 1, allowed: 0"), "{text}");
    let json: serde_json::Value =
        serde_json::from_str(&found.json().expect("it serialises")).expect("valid JSON");
    assert_eq!((&json["clean"], &json["differences"][0]["fact"]), (&false.into(), &"stdout".into()));
}

#[test]
fn a_fact_that_one_shim_lacks_is_a_difference() {
    let found = between([observed("a/b", [("event", "/tasks/exit")])], [observed("a/b", [])], "");
    assert!(found.to_string().contains("wasmedge  (nothing)"), "{found}");
}

#[test]
fn facts_of_one_name_are_compared_in_order() {
    let events = |first, second| observed("life/events", [("event", first), ("event", second)]);
    let found = between([events("/tasks/start", "/tasks/exit")], [events("/tasks/exit", "/tasks/start")], "");
    assert_eq!(found.differences.len(), 1, "{found}");
}

#[test]
fn traps_are_compared_by_class() {
    let trap = |message| [observed("trap/div", [("trap", message)])];
    let wasmtime = "wasm trap: integer divide by zero\n  0: probe!run";
    assert!(between(trap(wasmtime), trap("wasm trap: divide by zero"), "").is_clean());
    assert!(!between(trap(wasmtime), trap("wasm trap: unreachable"), "").is_clean());
}

#[test]
fn an_allowed_difference_keeps_its_reason() {
    let list = "[[difference]]\ncases = ['exit/*']\nfact = 'stdout'\nreason = 'it may'";
    let (one, other) = (observed("exit/one", [("stdout", "1")]), observed("exit/one", [("stdout", "2")]));
    let found = between([one.clone()], [other], list);
    assert!(found.is_clean(), "{found}");
    assert_eq!(found.allowed[0].reason, "it may");
    let found = between([one.clone()], [one], list);
    assert!(!found.is_clean(), "an entry that allows nothing is red");
    assert!(found.to_string().contains("the engines agree there"), "{found}");
}

#[test]
fn what_a_shim_does_not_claim_is_compared_among_the_others() {
    let unclaimed = |id| Outcome { claimed: false, ..observed(id, [("refused", "no components")]) };
    let reports = [
        report("wasmtime", [observed("a/b", [("status", "1")])]),
        report("wasmedge", [unclaimed("a/b")]),
        report("wasmer", [observed("a/b", [("status", "2")])]),
    ];
    let found = differ(&reports, &Allowed::default()).expect("three reports");
    let shims: Vec<&str> = found.differences[0].sides.iter().map(|side| side.shim.as_str()).collect();
    assert_eq!(shims, ["wasmtime", "wasmer"], "{found}");
    let found = differ(&reports[..2], &Allowed::default()).expect("two reports");
    assert!(
        found.differences.is_empty() && found.compared == 0,
        "one claimant has nobody to differ from: {found}"
    );
}

#[test]
fn a_known_failure_is_left_out_and_counted() {
    let fine = observed("exit/one", [("status", "1")]);
    let found = between(
        [fine.clone(), observed("trap/stack", [("status", "134")])],
        [fine, Outcome { facts: vec![Fact::new("status", "139")], ..known("trap/stack") }],
        "",
    );
    assert!(found.is_clean() && found.known == 1, "{found}");
}

#[test]
fn an_unknown_failure_is_compared() {
    let broken = Outcome { facts: vec![Fact::new("status", "139")], ..failed("trap/stack", "139") };
    let found = between([observed("trap/stack", [("status", "134")])], [broken], "");
    assert_eq!(found.differences.len(), 1, "{found}");
}

#[test]
fn a_shim_that_was_not_run_is_named() {
    let case = |id| observed(id, [("status", "0")]);
    let reports = [report("a", [case("x/y"), case("x/z")]), report("b", [case("x/y")])];
    let found = differ(&reports, &Allowed::default()).expect("two reports");
    assert!(!found.is_clean(), "{found}");
    assert!(
        found.to_string().contains("b was not run with all cases at level task: 1 lack, like x/z"),
        "{found}"
    );
}

#[test]
fn nothing_compared_is_not_clean() {
    assert!(!between([], [], "").is_clean());
    assert!(!between([observed("a/b", [])], [observed("a/b", [])], "").is_clean(), "nothing was observed");
}

#[test]
fn one_report_is_refused() {
    let error = differ(&[report("a", [])], &Allowed::default()).expect_err("nothing to compare with");
    assert_eq!(error.kind(), ErrorKind::Usage);
}

#[test]
fn a_long_text_is_shown_from_where_it_differs() {
    let long = |end: &str| format!("{}{end}", "x".repeat(1000));
    let (one, other) = (long("one"), long("two"));
    let found = between([observed("a/b", [("stdout", &one)])], [observed("a/b", [("stdout", &other)])], "");
    let text = found.to_string();
    assert!(text.contains("xone\"") && text.contains("xtwo\""), "{text}");
    assert!(text.lines().all(|line| line.chars().count() < 200), "{text}");
}
