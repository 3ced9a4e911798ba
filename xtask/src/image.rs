//! `cargo xtask image`: builds the programs of a release so that they run on older nodes as well, and writes it.

mod programs;
mod toolchain;
mod unwinder;

use std::env::consts;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::image::programs::Programs;
use crate::setup::{self, Extent};
use crate::{Result, cargo, machine, process};

/// What is asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Where the release is written [default: image/output beside the rest of what is built]
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Take the programs as they are built for this machine: for tests
    #[arg(long)]
    host_libc: bool,
    /// A folder with the programs for ARM of 64 bits, built on such a machine, to be in the image as well
    #[arg(long, value_name = "DIR")]
    arm64: Option<PathBuf>,
    /// The image's name; without a tag, it gets the version for one [default: localhost/shimmer-installer]
    #[arg(long)]
    name: Option<String>,
}

impl Arguments {
    /// Builds what is needed, and writes a release.
    pub(crate) fn write(&self) -> Result<ExitCode> {
        if self.arm64.is_some() && architecture()? == "arm64" {
            return Err("this machine builds the programs for arm64 itself: leave out --arm64".into());
        }
        setup::ensure(Extent::Build)?;
        let folder = cargo::target()?.join("image");
        fs::create_dir_all(&folder)?;
        let programs =
            if self.host_libc { Programs::for_this_machine()? } else { Programs::portable(&folder)? };
        let staged = folder.join(architecture()?);
        programs.stage(&staged)?;
        let mut writer = writer()?;
        writer.arg(format!("--{}", architecture()?)).arg(staged);
        if let Some(arm64) = &self.arm64 {
            writer.arg("--arm64").arg(arm64);
        }
        if self.host_libc {
            writer.arg("--host-libc");
        } else {
            writer.arg("--glibc").arg(GLIBC);
        }
        if let Some(name) = &self.name {
            writer.arg("--name").arg(name);
        }
        let output = self.output.clone().unwrap_or_else(|| folder.join("output"));
        writer.arg("--output").arg(output);
        describe(&mut writer, &folder)?;
        process::exit_code(&mut writer)
    }
}

/// The oldest C library of nodes that a release is for: that of the distributions that came in 2018 and 2019.
const GLIBC: &str = "2.28";

/// What images call this machine's processor.
fn architecture() -> Result<&'static str> {
    match consts::ARCH {
        "x86_64" => Ok("amd64"),
        "aarch64" => Ok("arm64"),
        other => Err(format!("releases are for amd64 and arm64, and this machine is {other}").into()),
    }
}

/// What rustc calls this machine.
fn target() -> String {
    format!("{}-unknown-linux-gnu", consts::ARCH)
}

/// The program that writes releases.
fn writer() -> Result<Command> {
    let mut build = cargo::command()?;
    process::run(build.args(["build", "--release", "--locked", "--package", "shimmer-image"]))?;
    Ok(Command::new(cargo::target()?.join("release/shimmer-image")))
}

/// Says what the release is of: the commit, the packages, and where the libraries come from.
fn describe(writer: &mut Command, folder: &Path) -> Result<()> {
    let workspace = machine::workspace();
    let metadata = folder.join("metadata.json");
    let mut described = cargo::command()?;
    described.args(["metadata", "--format-version=1", "--locked"]);
    for architecture in ["x86_64", "aarch64"] {
        described.arg(format!("--filter-platform={architecture}-unknown-linux-gnu"));
    }
    fs::write(&metadata, process::read(&mut described)?)?;
    writer.arg("--metadata").arg(metadata);
    writer.arg("--lock").arg(workspace.join("Cargo.lock"));
    writer.arg("--hello").arg(workspace.join("conformance/guests/prebuilt/hello.wasm"));
    for libraries in setup::wasmedge_library()
        .into_iter()
        .chain(SYSTEM.map(Path::new).iter().flat_map(|prefix| machine::library_folders(prefix)))
    {
        writer.arg("--libraries").arg(libraries);
    }
    writer.arg("--version").arg(version()?);
    let revision = git(&["rev-parse", "HEAD"]);
    let changed = git(&["status", "--porcelain"]).is_some_and(|changes| !changes.is_empty());
    let revision = revision.unwrap_or_else(|| "unknown".to_owned());
    writer.arg("--revision").arg(if changed { format!("{revision}-changed") } else { revision });
    if let Some(time) = git(&["log", "-1", "--date=format-local:%Y-%m-%dT%H:%M:%SZ", "--format=%cd"]) {
        writer.arg("--created").arg(time);
    }
    Ok(())
}

/// Where a machine has its libraries.
const SYSTEM: [&str; 3] = ["/usr", "/usr/local", "/"];

fn version() -> Result<String> {
    let manifest: toml::Table = fs::read_to_string(machine::workspace().join("Cargo.toml"))?.parse()?;
    let version = manifest["workspace"]["package"]["version"].as_str();
    Ok(version.ok_or("the workspace has no version")?.to_owned())
}

/// What git says about the clone, where this is one.
fn git(arguments: &[&str]) -> Option<String> {
    let mut git = Command::new("git");
    git.env("PATH", machine::path()).env("TZ", "UTC").arg("-C").arg(machine::workspace()).args(arguments);
    process::read(&mut git).ok().map(|text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_workspaces() {
        assert_eq!(version().expect("it has one"), env!("CARGO_PKG_VERSION"));
    }
}
