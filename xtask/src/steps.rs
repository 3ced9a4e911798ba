//! `cargo xtask lint` and `cargo xtask test`: the steps, one after the other, each with its duration.

use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use crate::setup::{self, Extent};
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
    let outcome = outcome.and_then(|()| step("build", || process::run(cargo::tests()?.arg("--no-run"))));
    let outcome = outcome.and_then(|()| step("cluster", || cluster::build().map(drop)));
    let outcome = outcome.and_then(|()| step("test", || tests(&mut tally)));
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

fn tests(tally: &mut Tally) -> Result<()> {
    watch(cargo::tests()?.arg("--no-fail-fast"), tally)?;
    if tally.passed == 0 {
        return Err("no test ran".into());
    }
    Ok(())
}

/// Passes on what the tests print, and counts.
fn watch(command: &mut Command, tally: &mut Tally) -> Result<()> {
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let output = child.stdout.take().expect("stdout was asked for as a pipe");
    for line in BufReader::new(output).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        tally.add(&line);
    }
    let status = child.wait()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("`{}` failed: {status}", process::describe(command)).into())
    }
}

fn step(name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let started = Instant::now();
    let outcome = work();
    let state = if outcome.is_ok() { "" } else { "  failed" };
    println!("{name:<8}{:>10}{state}", seconds(started));
    outcome
}

fn seconds(started: Instant) -> String {
    format!("{:.1} s", started.elapsed().as_secs_f64())
}

/// The sum over all test binaries.
#[derive(Debug, Default, Eq, PartialEq)]
struct Tally {
    passed: usize,
    failed: usize,
}

impl Tally {
    /// Adds a line like `test result: ok. 3 passed; 0 failed; ...`; every other line adds nothing.
    fn add(&mut self, line: &str) {
        let Some((_, counts)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        for count in counts.split(';') {
            let mut words = count.split_whitespace();
            let number = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
            match words.next() {
                Some("passed") => self.passed += number,
                Some("failed") => self.failed += number,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_the_results_of_all_binaries() {
        let mut tally = Tally::default();
        tally.add("running 3 tests");
        tally.add(
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
        );
        tally.add(
            "test result: FAILED. 40 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 9s",
        );
        tally.add("3 passed, said a test");
        assert_eq!(tally, Tally { passed: 43, failed: 2 });
    }

    #[test]
    fn a_binary_that_dies_fails_the_run_though_it_counts_nothing() {
        let mut tally = Tally::default();
        let mut command = Command::new("sh");
        command.args(["-c", "echo 'test result: ok. 1 passed; 0 failed; 0 ignored'; kill -9 $$"]);
        let error = watch(&mut command, &mut tally).expect_err("it was killed");
        assert!(error.to_string().contains("signal: 9"), "{error}");
        assert_eq!(tally, Tally { passed: 1, failed: 0 });
    }
}
