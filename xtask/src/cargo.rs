//! The cargo that builds Shimmer, with the environment in which it builds the same way for everybody.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::{Result, machine, process};

/// A cargo in the workspace. Nothing it makes lies in the clone.
pub(crate) fn command() -> Result<Command> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    cargo.current_dir(machine::workspace()).env("PATH", machine::path()).env("CARGO_TARGET_DIR", target()?);
    // `cargo run` tells its program which package that is. Build scripts that look would be run again, and whatever hangs on
    // them be compiled again, each time somebody has used cargo by hand in between.
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| OF_THIS_PACKAGE.iter().any(|start| name.starts_with(start))) {
            cargo.env_remove(name);
        }
    }
    if env::var_os("CI").is_some_and(|value| value == "true") {
        // Nobody builds this tree a second time after an edit.
        cargo.env("CARGO_INCREMENTAL", "0");
    }
    Ok(cargo)
}

/// All tests. What is tested is what users run, and two engines are compiled once for tests, demo and benches: another
/// selection of packages and targets has other features, and would compile them again.
pub(crate) fn tests() -> Result<Command> {
    let mut tests = command()?;
    tests.args(["test", "--release", "--workspace", "--locked"]);
    Ok(tests)
}

/// A program that cargo has built of tests.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct TestProgram {
    pub(crate) path: PathBuf,
    /// The folder of its package, in which it is run.
    pub(crate) package: PathBuf,
    /// Its source, from there.
    pub(crate) source: PathBuf,
}

/// Builds all tests, and gives their programs in the order of their packages.
pub(crate) fn test_programs() -> Result<Vec<TestProgram>> {
    let messages = messages(tests()?.arg("--no-run"))?;
    let mut programs: Vec<_> = messages.lines().filter_map(test_program).collect();
    programs.sort_by(|one, other| (&one.package, &one.source).cmp(&(&other.package, &other.source)));
    Ok(programs)
}

/// The program of which a line of cargo's tells, if it is one of tests and no example or stand-in.
fn test_program(line: &str) -> Option<TestProgram> {
    let message: Value = serde_json::from_str(line).ok()?;
    message["profile"]["test"].as_bool().filter(|is_test| *is_test)?;
    let package = Path::new(message["manifest_path"].as_str()?).parent()?;
    let source = Path::new(message["target"]["src_path"].as_str()?);
    Some(TestProgram {
        path: message["executable"].as_str()?.into(),
        package: package.to_owned(),
        source: source.strip_prefix(package).unwrap_or(source).to_owned(),
    })
}

/// Builds, and gives of each backend the engine and the file of its target of this name.
pub(crate) fn of_backends(build: &mut Command, target: &str) -> Result<Vec<(String, PathBuf)>> {
    let messages = messages(build)?;
    let mut found: Vec<_> = messages.lines().filter_map(|line| of_backend(line, target)).collect();
    found.sort();
    Ok(found)
}

/// Builds, and gives what cargo tells of that to programs, a line for each message.
fn messages(build: &mut Command) -> Result<String> {
    let output = build.arg("--message-format=json-render-diagnostics").stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("`{}` failed: {}", process::describe(build), output.status).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The engine and the file of a backend's target, where a line of cargo's tells of one.
fn of_backend(line: &str, target: &str) -> Option<(String, PathBuf)> {
    let message: Value = serde_json::from_str(line).ok()?;
    let manifest = Path::new(message["manifest_path"].as_str()?).parent()?;
    let is_it = manifest.parent()?.ends_with("crates") && message["target"]["name"] == target;
    let engine = manifest.file_name()?.to_str()?.to_owned();
    let executable = message["executable"].as_str().filter(|_| is_it)?;
    Some((engine, executable.into()))
}

/// Flags for rustc that keep the folders of this machine out of what it compiles, so that others get the same bytes.
pub(crate) fn without_folders() -> Result<Vec<String>> {
    let mut flags = Vec::new();
    for registry in fs::read_dir(registries()?)? {
        flags.push(format!("--remap-path-prefix={}=crates", registry?.path().display()));
    }
    flags.sort();
    Ok(flags)
}

/// Where cargo unpacks the sources of crates, in one folder for each registry.
fn registries() -> Result<PathBuf> {
    let cargo =
        env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(machine::home()?.join(".cargo")));
    Ok(cargo.ok_or("this user has no home folder: set CARGO_HOME")?.join("registry/src"))
}

const OF_THIS_PACKAGE: [&str; 2] = ["CARGO_MANIFEST_", "CARGO_PKG_"];

/// The folder of what cargo builds.
pub(crate) fn target() -> Result<PathBuf> {
    match env::var_os("CARGO_TARGET_DIR").filter(|folder| !folder.is_empty()) {
        Some(folder) => Ok(env::current_dir()?.join(folder)),
        None => Ok(machine::cache()?.join("target")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_a_program_of_tests_among_cargos_messages() {
        let line = |is_test: bool, executable: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"/x/crates/node/Cargo.toml","profile":{{"test":{is_test}}},
                "target":{{"src_path":"/x/crates/node/tests/cri.rs"}},"executable":{executable}}}"#
            )
        };
        let (path, package, source) = ("/t/cri-1".into(), "/x/crates/node".into(), "tests/cri.rs".into());
        assert_eq!(test_program(&line(true, "\"/t/cri-1\"")), Some(TestProgram { path, package, source }));
        assert_eq!(test_program(&line(false, "\"/t/cri\"")), None, "an example");
        assert_eq!(test_program(&line(true, "null")), None, "nothing that runs");
        assert_eq!(test_program("Compiling"), None);
    }

    #[test]
    fn knows_a_backends_target_among_cargos_messages() {
        let line = r#"{"reason":"compiler-artifact","manifest_path":"/x/crates/wasmtime/Cargo.toml",
            "target":{"name":"conformance"},"executable":"/t/conformance-1"}"#;
        assert_eq!(of_backend(line, "conformance"), Some(("wasmtime".into(), "/t/conformance-1".into())));
        assert_eq!(
            of_backend(&line.replace("crates/wasmtime", "shims/wasmtime"), "conformance"),
            None,
            "a shim's test is no host"
        );
        assert_eq!(
            of_backend(&line.replace(r#""conformance""#, r#""node""#), "conformance"),
            None,
            "another test"
        );
        assert_eq!(of_backend("Compiling", "conformance"), None);
    }
}
