//! `cargo xtask lint` and `cargo xtask test`: the steps, one after the other, each with its duration.

use std::process::ExitCode;
use std::time::Instant;

use crate::setup::{self, Extent};
use crate::suite::{self, Tally};
use crate::{Result, bench, cargo, cluster, conformance, guests, machine, process, tidy, vm};

/// Format, rules and clippy.
pub(crate) fn lint() -> Result<ExitCode> {
    let started = Instant::now();
    step("setup", || setup::ensure(Extent::Build))?;
    lints()?;
    println!("lint passed in {}", seconds(started));
    Ok(ExitCode::SUCCESS)
}

/// The lints and every test. The last line is for CI, which reads it: how many tests passed and failed.
pub(crate) fn test() -> Result<ExitCode> {
    let started = Instant::now();
    machine::require_root("test")?;
    let mut tally = Tally::default();
    let outcome = step("setup", || setup::ensure(Extent::Test)).and_then(|()| lints());
    let built = outcome.and_then(|()| step("build", cargo::test_programs));
    let outcome = built.and_then(|programs| {
        step("cluster", || cluster::build().map(drop))?;
        step("test", || suite::run(programs, &mut tally))
    });
    let outcome = outcome.and_then(|()| step("compare", conformance::compare_tested));
    let outcome = outcome.and_then(|()| step("vm", vm::sample));
    let outcome = outcome.and_then(|()| step("bench", bench));
    println!("{:<8}{:>10}", "total", seconds(started));
    if let Err(error) = &outcome {
        println!("error: {error}");
    }
    // A step that failed counts, so that nobody reads "0 failed" under a red run.
    let failed = if outcome.is_err() { tally.failed.max(1) } else { tally.failed };
    println!("{} passed, {failed} failed", tally.passed);
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn lints() -> Result<()> {
    step("format", || {
        let guests = machine::workspace().join("conformance/guests/Cargo.toml");
        process::run(cargo::command()?.args(["fmt", "--all", "--check"]))?;
        process::run(cargo::command()?.args(["fmt", "--all", "--check", "--manifest-path"]).arg(guests))
    })?;
    step("tidy", || tidy::check(machine::workspace()))?;
    step("guests", || guests::rebuild(true))?;
    step("clippy", || {
        let clippy =
            ["clippy", "--release", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"];
        process::run(cargo::command()?.args(clippy))
    })
}

/// That the benches work, on little of everything; what they find is nobody's failure.
fn bench() -> Result<()> {
    let code = bench::Arguments::quick().measure()?;
    if code == ExitCode::SUCCESS { Ok(()) } else { Err("something could not be measured".into()) }
}

fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let started = Instant::now();
    let outcome = work();
    let state = if outcome.is_ok() { "" } else { "  failed" };
    println!("{name:<8}{:>10}{state}", seconds(started));
    outcome
}

fn seconds(started: Instant) -> String {
    format!("{:.1} s", started.elapsed().as_secs_f64())
}
