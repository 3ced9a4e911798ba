//! `cargo xtask demo` and `cargo xtask bench`: what is shown and measured is built in release.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use crate::setup::{self, Extent};
use crate::{Result, cargo, machine, process};

/// Builds the shims and runs the demo on them; its exit code is ours.
pub(crate) fn run(arguments: &[OsString]) -> Result<ExitCode> {
    machine::require_root("demo")?;
    setup::ensure(Extent::Run)?;
    let mut build = cargo::command()?;
    // All of them, as the tests do: another selection has other features, and would compile the engines again.
    build.args(["build", "--release", "--locked", "--workspace", "--bins"]);
    process::run(&mut build)?;
    let release = cargo::target()?.join("release");
    let mut demo = Command::new(release.join("shimmer-demo"));
    demo.env("PATH", machine::path()).arg("--shims").arg(&release).args(arguments);
    let status = process::status(&mut demo)?;
    // A program that a signal ended has no exit code, and its end is no success.
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Ok(ExitCode::from(code))
}

/// Runs the benches.
pub(crate) fn bench(arguments: &[OsString]) -> Result<ExitCode> {
    setup::ensure(Extent::Run)?;
    let mut bench = cargo::command()?;
    bench.args(["bench", "--locked", "--workspace", "--bench", "engine", "--"]).args(arguments);
    process::run(&mut bench)?;
    Ok(ExitCode::SUCCESS)
}
