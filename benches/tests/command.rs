//! The programs as somebody meets them who has mistyped.

use std::process::{Command, Output};

fn run(program: &str, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).output().expect("it was built")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const ENGINES: &str = env!("CARGO_BIN_EXE_shimmer-engines");
const CONTAINERS: &str = env!("CARGO_BIN_EXE_shimmer-containers");
const REPORT: &str = env!("CARGO_BIN_EXE_shimmer-report");

#[test]
fn every_program_explains_itself() {
    for program in [ENGINES, CONTAINERS, REPORT] {
        let output = run(program, &["--help"]);
        assert!(output.status.success() && output.stdout.len() > 500, "{program}: {}", said(&output));
    }
}

#[test]
fn names_the_host_that_is_not_there() {
    let output = run(ENGINES, &["--host", "/nowhere/engine"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("/nowhere/engine: No such file"), "{}", said(&output));
}

#[test]
fn names_the_figures_that_are_not_there() {
    let output = run(REPORT, &["--output", env!("CARGO_TARGET_TMPDIR"), "/nowhere/figures.json"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("/nowhere/figures.json"), "{}", said(&output));
}

#[test]
fn a_program_that_hosts_native_code_says_what_it_does_not_know() {
    let output = run(ENGINES, &["--native", "dance", "1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("there is no kernel dance"), "{}", said(&output));
}
