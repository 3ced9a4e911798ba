//! The cargo that builds Shimmer, with the environment in which it builds the same way for everybody.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use crate::{Result, machine};

/// A cargo in the workspace. Nothing it makes lies in the clone.
pub(crate) fn command() -> Result<Command> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    cargo.current_dir(machine::workspace()).env("PATH", machine::path()).env("CARGO_TARGET_DIR", target()?);
    if env::var_os("CI").is_some_and(|value| value == "true") {
        // Nobody builds this tree a second time after an edit.
        cargo.env("CARGO_INCREMENTAL", "0");
    }
    Ok(cargo)
}

/// The folder of what cargo builds.
pub(crate) fn target() -> Result<PathBuf> {
    match env::var_os("CARGO_TARGET_DIR").filter(|folder| !folder.is_empty()) {
        Some(folder) => Ok(env::current_dir()?.join(folder)),
        None => Ok(machine::cache()?.join("target")),
    }
}
