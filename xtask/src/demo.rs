//! `cargo xtask demo`: what is shown is built in release.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use crate::setup::{self, Extent};
use crate::{Result, cargo, machine, process};

/// Builds the shims and runs the demo on them; its exit code is ours.
pub(crate) fn run(arguments: &[OsString]) -> Result<ExitCode> {
    machine::require_root("demo")?;
    setup::ensure(Extent::Run)?;
    let release = programs()?;
    let mut demo = Command::new(release.join("shimmer-demo"));
    demo.env("PATH", machine::path()).arg("--shims").arg(&release).args(arguments);
    process::exit_code(&mut demo)
}

/// Builds all programs, and returns the folder in which they are. All of them, as the tests do: another selection has other
/// features, and would compile the engines again.
pub(crate) fn programs() -> Result<PathBuf> {
    let mut build = cargo::command()?;
    build.args(["build", "--release", "--locked", "--workspace", "--bins"]);
    process::run(&mut build)?;
    Ok(cargo::target()?.join("release"))
}
