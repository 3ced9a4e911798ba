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

const OF_THIS_PACKAGE: [&str; 2] = ["CARGO_MANIFEST_", "CARGO_PKG_"];

/// The folder of what cargo builds.
pub(crate) fn target() -> Result<PathBuf> {
    match env::var_os("CARGO_TARGET_DIR").filter(|folder| !folder.is_empty()) {
        Some(folder) => Ok(env::current_dir()?.join(folder)),
        None => Ok(machine::cache()?.join("target")),
    }
}
