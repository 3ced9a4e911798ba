//! `run` in a virtual machine: the suite, a shim and their files go in, and a report comes out.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use shimmer_conformance::report::Report;
use shimmer_conformance::{Error, Result};
use shimmer_node::machine::{Flavour, LEFT, Machine, PROGRAMS, machine_folder};
use tempfile::TempDir;

use super::run::Arguments;

impl Arguments {
    /// Plays in a machine; the report that the suite in there has made.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`] for what cannot be taken along, [`ErrorKind::Node`] where the machine or the suite in it fails.
    pub(super) fn play_in(&self, flavour: Flavour) -> Result<Report> {
        if self.runtime.is_some() {
            return Err(Error::usage(
                "a containerd that serves already is none of a virtual machine: give --shim",
            ));
        }
        let folder = TempDir::new().map_err(|error| Error::io("make a folder for the report", error))?;
        let (words, files) = self.forwarded();
        let machine = self.machine(flavour, &files)?.bring(folder.path());
        let code = machine.run(&words, &mut show).map_err(Error::node)?;
        match reports(folder.path())?.as_slice() {
            [report] => Report::read(report),
            _ => Err(Error::unusable(format!(
                "the suite could not run in the virtual machine: it ended with {code}"
            ))),
        }
    }

    fn machine(&self, flavour: Flavour, files: &[(PathBuf, PathBuf)]) -> Result<Machine> {
        let suite = std::env::current_exe().map_err(|error| Error::io("find this program", error))?;
        let folder = machine_folder().map_err(Error::node)?;
        let machine = Machine::new(flavour, folder).and_then(|machine| machine.program_as(&suite, SUITE));
        let machine =
            self.shim.iter().try_fold(machine.map_err(Error::node)?, |machine, shim| machine.shim(shim));
        let machine =
            self.engine.iter().try_fold(machine.map_err(Error::node)?, |machine, host| machine.program(host));
        let mut files = files.iter();
        files
            .try_fold(machine.map_err(Error::node)?, |machine, (file, place)| machine.file(file, place))
            .map_err(Error::node)
    }

    /// The command for the suite in the machine, and the files that it names with their places there.
    fn forwarded(&self) -> (Vec<OsString>, Vec<(PathBuf, PathBuf)>) {
        let (mut words, mut files) = (Words::new(self.ground), Vec::new());
        for (option, program) in [("--shim", &self.shim), ("--engine", &self.engine)] {
            words.each(option, program.iter().map(|file| Path::new(PROGRAMS).join(name(file))));
        }
        let lists = self.expect.iter().chain(&self.wasi_testsuite).enumerate();
        files.extend(lists.map(|(number, file)| (file.clone(), place(number, file))));
        let (lists, tests) = files.split_at(self.expect.len());
        words.each("--expect", lists.iter().map(|(_, place)| place));
        words.each("--wasi-testsuite", tests.iter().map(|(_, place)| place));
        words.each("--driver", self.levels.iter().map(|level| level.name()));
        words.each("--profile", self.profiles.iter().map(|profile| profile.name()));
        words.each("--filter", self.filters.iter().map(|filter| filter.as_str()));
        words.each("--jobs", [self.jobs.unwrap_or(JOBS).to_string()]);
        words.each("--timeout", [self.timeout.unwrap_or(PATIENCE).to_string()]);
        words.each("--report", [LEFT]);
        if io::stderr().is_terminal() {
            words.0.push("--live".into());
        }
        (words.0, files)
    }
}

/// The suite's name in the machine.
const SUITE: &str = "shimmer-conformance";
/// As many as an emulated machine of two processors can play at once.
const JOBS: usize = 2;
/// In seconds: ten times of what is enough where nothing is emulated.
const PATIENCE: u64 = 600;

/// A command that grows.
struct Words(Vec<OsString>);

impl Words {
    fn new(ground: shimmer_conformance::Ground) -> Self {
        Self([SUITE, "run", "--played-in", ground.name()].map(OsString::from).to_vec())
    }

    fn each(&mut self, option: &str, values: impl IntoIterator<Item = impl Into<OsString>>) {
        self.0.extend(values.into_iter().flat_map(|value| [option.into(), value.into()]));
    }
}

/// Where a file lies that the suite is given; two may have the same name.
fn place(number: usize, file: &Path) -> PathBuf {
    Path::new("/shimmer/given").join(number.to_string()).join(name(file))
}

fn name(file: &Path) -> OsString {
    file.file_name().unwrap_or_default().to_owned()
}

fn reports(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = folder.read_dir().and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let entries = entries.map_err(|error| Error::io("list what came out of the virtual machine", error))?;
    let files = entries.into_iter().map(|entry| entry.path());
    Ok(files.filter(|file| file.extension().is_some_and(|end| end == "json")).collect())
}

/// Progress that nobody can see is no reason to stop.
fn show(output: &[u8]) {
    let _unseen = io::stderr().lock().write_all(output).and_then(|()| io::stderr().flush());
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn forwarded(line: &str) -> (String, Vec<(PathBuf, PathBuf)>) {
        let words = ["run", "--node", "vm"].into_iter().chain(line.split(' '));
        let (words, files) = Line::parse_from(words).arguments.forwarded();
        let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
        (words.join(" ").replace(" --live", ""), files)
    }

    #[test]
    fn the_suite_in_the_machine_is_given_the_same_with_places_of_its_own() {
        let line = "--shim /x/containerd-shim-wasmtime-v1 --expect a/host.toml --expect b/host.toml --driver task \
                    --profile core --filter signal/* --jobs 3 --timeout 7 --report out";
        let (words, files) = forwarded(line);
        assert_eq!(
            words,
            "shimmer-conformance run --played-in vm --shim /shimmer/bin/containerd-shim-wasmtime-v1 \
             --expect /shimmer/given/0/host.toml --expect /shimmer/given/1/host.toml --driver task --profile core \
             --filter signal/* --jobs 3 --timeout 7 --report /shimmer/brought"
        );
        let given = |number: usize| PathBuf::from(format!("/shimmer/given/{number}/host.toml"));
        assert_eq!(files, [("a/host.toml".into(), given(0)), ("b/host.toml".into(), given(1))]);
    }

    #[test]
    fn a_slow_machine_is_given_more_time_unless_somebody_says_how_much() {
        let (words, files) = forwarded("--shim x --wasi-testsuite tests");
        assert!(words.contains("--jobs 2 --timeout 600"), "{words}");
        assert!(words.contains("--wasi-testsuite /shimmer/given/0/tests"), "{words}");
        assert_eq!(files.len(), 1);
    }
}
