//! All tests of the workspace: one program after the other, and beside them those that do little but wait.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

use crate::cargo::{self, TestProgram};
use crate::{Result, process};

/// What waits: for a containerd that does not come back, and for what a broken shim never does. Packages and sources.
const PATIENT: [(&str, &str); 2] =
    [("crates/installer", "tests/helm/main.rs"), ("conformance", "tests/broken.rs")];

/// Runs them all, also when one has failed, and counts.
pub(crate) fn run(programs: Vec<TestProgram>, tally: &mut Tally) -> Result<()> {
    let (patient, others): (Vec<_>, Vec<_>) = programs.into_iter().partition(is_patient);
    let (teller, told) = mpsc::channel();
    thread::spawn(move || patient.iter().try_for_each(|program| teller.send(Heard::of(program))));
    let mut failures = Vec::new();
    for program in &others {
        println!("\n     Running {}", title(program));
        failures.extend(watch(&mut command(program), tally, |line| println!("{line}")).err());
        told.try_iter().for_each(|heard| failures.extend(heard.tell(tally)));
    }
    failures.extend(
        watch(cargo::tests()?.args(["--doc", "--no-fail-fast"]), tally, |line| println!("{line}")).err(),
    );
    // It ends with the thread.
    told.iter().for_each(|heard| failures.extend(heard.tell(tally)));
    if tally.passed == 0 {
        failures.push("no test ran".to_owned());
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("; ").into()) }
}

fn is_patient(program: &TestProgram) -> bool {
    PATIENT
        .iter()
        .any(|(package, source)| program.package.ends_with(package) && program.source == Path::new(source))
}

/// As cargo runs it.
fn command(program: &TestProgram) -> Command {
    let mut command = Command::new(&program.path);
    command.current_dir(&program.package).env("CARGO_MANIFEST_DIR", &program.package);
    command
}

fn title(program: &TestProgram) -> String {
    let package = program.package.file_name().unwrap_or_default();
    Path::new(package).join(&program.source).display().to_string()
}

/// What was heard of a program that ran beside others, whose output is not to be mixed with theirs.
struct Heard {
    title: String,
    lines: Vec<String>,
    outcome: std::result::Result<(), String>,
}

impl Heard {
    fn of(program: &TestProgram) -> Self {
        let mut lines = Vec::new();
        // The lines are counted by whoever tells them.
        let outcome = watch(&mut command(program), &mut Tally::default(), |line| lines.push(line.to_owned()));
        Self { title: title(program), lines, outcome }
    }

    /// Gives what went wrong.
    fn tell(self, tally: &mut Tally) -> Option<String> {
        println!("\n     Has run beside these: {}", self.title);
        for line in &self.lines {
            println!("{line}");
            tally.add(line);
        }
        self.outcome.err()
    }
}

/// Passes on what tests print, and counts.
fn watch(
    command: &mut Command,
    tally: &mut Tally,
    mut show: impl FnMut(&str),
) -> std::result::Result<(), String> {
    let child = command.stdout(Stdio::piped()).spawn();
    let mut child = child.map_err(|error| format!("cannot run `{}`: {error}", process::describe(command)))?;
    let output = child.stdout.take().expect("stdout was asked for as a pipe");
    for line in BufReader::new(output).split(b'\n') {
        let line = line.map_err(|error| format!("cannot read what tests print: {error}"))?;
        let line = String::from_utf8_lossy(&line);
        show(&line);
        tally.add(&line);
    }
    let status = child.wait().map_err(|error| format!("cannot wait for tests: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{}` failed: {status}", process::describe(command))) }
}

/// The sum over all test programs.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
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
    fn sums_the_results_of_all_programs() {
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
    fn a_program_that_dies_fails_the_run_though_it_counts_nothing() {
        let mut tally = Tally::default();
        let mut command = Command::new("sh");
        command.args(["-c", "echo 'test result: ok. 1 passed; 0 failed; 0 ignored'; kill -9 $$"]);
        let error = watch(&mut command, &mut tally, |_line| ()).expect_err("it was killed");
        assert!(error.contains("signal: 9"), "{error}");
        assert_eq!(tally, Tally { passed: 1, failed: 0 });
    }

    #[test]
    fn what_runs_beside_the_others_is_there() {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is in it");
        for (package, source) in PATIENT {
            assert!(workspace.join(package).join(source).exists(), "{package}/{source}");
        }
    }
}
