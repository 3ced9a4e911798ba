//! Compares the README's table of engines with the lists that engines and shims are held to.

use std::fs;
use std::path::Path;

use shimmer_conformance::Expectations;
use shimmer_engine::Capabilities;

const README: &str = include_str!("../../README.md");
const LISTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/expectations");

#[test]
fn the_table_of_engines_states_what_they_claim() {
    let capabilities = Capabilities::default().list();
    expect_row("engine", &capabilities.map(|(_, meaning, _)| meaning));
    let mut engines = 0;
    for entry in fs::read_dir(LISTS).expect("the folder of lists") {
        let path = entry.expect("an entry").path();
        let list = Expectations::read(&path).unwrap_or_else(|error| panic!("{error}"));
        let Some(engine) = list.engine() else { continue };
        let claims = |name: &str| list.claims().iter().any(|claim| claim == name);
        expect_row(engine, &capabilities.map(|(name, _, _)| if claims(name) { "yes" } else { "–" }));
        engines += 1;
    }
    assert!(engines >= 3, "only {engines} of the lists in {} name an engine", Path::new(LISTS).display());
}

fn expect_row(first: &str, cells: &[&str]) {
    let row = format!("| {first} | {} |", cells.join(" | "));
    assert!(README.lines().any(|line| line == row), "the README has no line\n{row}");
}
