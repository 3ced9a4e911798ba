//! The linker for older C libraries: zig, which has the interfaces of each, and `cargo-zigbuild`, by which cargo uses it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, iter};

use crate::{Result, cargo, machine, process};

/// Both, of the versions that are named here.
pub(super) struct Toolchain {
    tools: PathBuf,
}

impl Toolchain {
    /// Fetches what is missing.
    pub(super) fn fetch() -> Result<Self> {
        let tools = machine::cache()?.join("tools");
        fs::create_dir_all(&tools)?;
        let version = process::read(Command::new(tools.join(PROGRAM)).arg("--version"));
        if !version.is_ok_and(|version| version.trim() == format!("cargo-zigbuild {ZIGBUILD}")) {
            fetch_zigbuild(&tools)?;
        }
        let toolchain = Self { tools };
        if !toolchain.zig().exists() {
            toolchain.fetch_zig()?;
        }
        Ok(toolchain)
    }

    /// A C compiler for the same.
    pub(super) fn compiler(&self, glibc: &str) -> Command {
        let mut compiler = Command::new(self.zig());
        compiler.args(["cc", "-target"]).arg(format!("{}-linux-gnu.{glibc}", env::consts::ARCH));
        compiler
    }

    /// What it adds to what it links: the runtime of compilers.
    pub(super) fn name(&self) -> String {
        format!("zig {ZIG}")
    }

    fn zig(&self) -> PathBuf {
        self.folder_of_zig().join("ziglang/zig")
    }

    fn folder_of_zig(&self) -> PathBuf {
        self.tools.join(format!("ziglang-{ZIG}"))
    }

    /// A cargo that builds for this machine's processor and the C library `glibc`.
    pub(super) fn build(&self, target: &str, glibc: &str) -> Result<Command> {
        let mut cargo = cargo::command()?;
        let bin = self.tools.join("bin");
        let others = machine::path();
        let path = iter::once(bin).chain(env::split_paths(&others));
        cargo.env("PATH", env::join_paths(path)?).env("CARGO_ZIGBUILD_ZIG_PATH", self.zig());
        cargo.args(["zigbuild", "--release", "--locked", "--target"]).arg(format!("{target}.{glibc}"));
        Ok(cargo)
    }

    fn fetch_zig(&self) -> Result<()> {
        let folder = self.folder_of_zig();
        println!(
            "image: fetching zig {ZIG} (100 MB) into {}, which links against the C library of older nodes",
            folder.display()
        );
        let mut pip = pip(&self.tools)?;
        let requirement = self.tools.join("zig.txt");
        fs::write(&requirement, REQUIREMENT)?;
        // Under another name until it is whole.
        let unfinished = self.tools.join("ziglang-unfinished");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished)?;
        }
        pip.args([
            "install",
            "--quiet",
            "--no-deps",
            "--require-hashes",
            "--disable-pip-version-check",
            "--target",
        ]);
        pip.arg(&unfinished).arg("--requirement").arg(&requirement);
        process::run_quietly(pip)?;
        Ok(fs::rename(unfinished, folder)?)
    }
}

/// The versions go together: each cargo-zigbuild knows what zigs up to its time want.
const ZIGBUILD: &str = "0.24.1";
const ZIG: &str = "0.17.0";
const PROGRAM: &str = "bin/cargo-zigbuild";
/// zig's Python package and its sums, for x86 and for ARM.
const REQUIREMENT: &str = "ziglang==0.17.0 \
    --hash=sha256:97079827064a7492cce5541ceb438ae8003ce1e54e399676da2d62fb7a5dc08b \
    --hash=sha256:d2804f94f54f7fcf8169f4b212a619ad688a4e2e6592e976f0cf2e58e2cd8af3\n";

fn fetch_zigbuild(tools: &Path) -> Result<()> {
    println!(
        "image: building cargo-zigbuild {ZIGBUILD} into {}, by which cargo links with zig",
        tools.display()
    );
    let mut install = cargo::command()?;
    install.env("CARGO_TARGET_DIR", cargo::target()?.join("tools"));
    install
        .args([
            "install",
            "cargo-zigbuild",
            "--locked",
            "--force",
            "--version",
            &format!("={ZIGBUILD}"),
            "--root",
        ])
        .arg(tools);
    process::run_quietly(install)
}

/// A pip: Python's own, or else one in an environment beside the tools.
fn pip(tools: &Path) -> Result<Command> {
    let needed =
        "zig comes as a package of Python: install Debian's python3-pip or python3-venv, then run this again";
    let python = machine::program("python3").ok_or(needed)?;
    let of = |python: OsString| {
        let mut pip = Command::new(python);
        pip.args(["-m", "pip"]).env("PATH", machine::path());
        pip
    };
    if process::read(of(python.clone().into()).arg("--version")).is_ok() {
        return Ok(of(python.into()));
    }
    let environment = tools.join("python");
    let mut make = Command::new(python);
    make.args(["-m", "venv"]).arg(&environment).env("PATH", machine::path());
    process::run_quietly(make).map_err(|error| format!("{needed} ({error})"))?;
    Ok(of(environment.join("bin/python3").into()))
}
