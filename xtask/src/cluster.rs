//! `cargo xtask cluster`: a Kubernetes with our shims, for whoever wants to try them.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::setup::{self, Extent};
use crate::{Result, cargo, demo, machine, process};

/// Passes everything on. Only for a new cluster all is built before: the others are about one that runs.
pub(crate) fn run(arguments: &[OsString]) -> Result<ExitCode> {
    let is_new = arguments.first().is_some_and(|command| command == "up");
    let program = cargo::target()?.join("release").join(PROGRAM);
    let mut cluster = Command::new(&program);
    cluster.env("PATH", machine::path()).args(arguments);
    if is_new || !program.exists() {
        machine::require_root("cluster")?;
        setup::ensure(Extent::Run)?;
        demo::programs()?;
    }
    if is_new && !arguments.iter().any(|argument| argument == "--shims") {
        cluster.arg("--shims").arg(shims()?);
    }
    process::exit_code(&mut cluster)
}

/// Builds Kubernetes and Helm for the tests, once, by the program that was built for them. Without Go it says so and goes on, and the
/// tests that need it say so, too; in CI that is a failure. Gives whether there is one.
pub(crate) fn build() -> Result<bool> {
    let mut build = Command::new(cargo::target()?.join("release").join(PROGRAM));
    let status = process::status(build.env("PATH", machine::path()).arg("build"))?;
    match status.code() {
        Some(0) => Ok(true),
        Some(NO_GO) if !machine::is_ci() => {
            println!("what is tested on Kubernetes or by Helm is left out");
            Ok(false)
        }
        _ => Err(format!("`{}` failed: {status}", process::describe(&build)).into()),
    }
}

const PROGRAM: &str = "shimmer-cluster";
/// Its exit status where there is no Go to build them by.
const NO_GO: i32 = 4;

/// A folder with the shims that users get, and with none that is built for tests and benches.
fn shims() -> Result<PathBuf> {
    let target = cargo::target()?;
    let (release, folder) = (target.join("release"), target.join("shims"));
    fs::create_dir_all(&folder)?;
    for engine in machine::names(&machine::workspace().join("shims")) {
        for program in [format!("containerd-shim-{engine}-v1"), format!("shimmer-{engine}")] {
            link(&release.join(&program), &folder.join(&program))?;
        }
    }
    Ok(folder)
}

fn link(program: &Path, link: &Path) -> Result<()> {
    if fs::read_link(link).is_ok_and(|target| target == program) {
        return Ok(());
    }
    if link.symlink_metadata().is_ok() {
        fs::remove_file(link)?;
    }
    Ok(symlink(program, link)?)
}
