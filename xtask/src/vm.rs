//! `cargo xtask vm`: a command in an emulated machine with cgroup v2, and what tests play there.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::setup::{self, Extent};
use crate::{Result, cargo, demo, machine, process};

/// Builds the shims and runs a command in a machine that has them; its exit code is ours.
pub(crate) fn run(systemd: bool, command: &[OsString]) -> Result<ExitCode> {
    require_emulator()?;
    let release = demo::programs()?;
    let mut vm = suite(&release, "vm");
    vm.arg("--shims").arg(&release).args(systemd.then_some("--systemd")).arg("--").args(command);
    let status = process::status(&mut vm)?;
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Ok(ExitCode::from(code))
}

/// A few cases on every shim that is built, in the small machine: those that depend on the version of cgroups most.
/// Where there is no machine to be had they are left out, which is said, and in CI is a failure.
pub(crate) fn sample() -> Result<()> {
    if let Err(reason) = require_emulator() {
        if machine::is_ci() {
            return Err(reason);
        }
        println!("left out: nothing was run with cgroup v2: {reason}");
        return Ok(());
    }
    let release = cargo::target()?.join("release");
    for shim in shims(&release)? {
        let engine = shim.strip_prefix("containerd-shim-").and_then(|rest| rest.strip_suffix("-v1"));
        let engine = engine.unwrap_or(&shim).to_owned();
        if SLOW.contains(&engine.as_str()) {
            println!(
                "left out: {engine} needs half a minute to compile there, and the case of pause waits ten for a guest \
                 that has died of the resume; `shimmer-conformance run --node vm` plays them"
            );
            continue;
        }
        let mut run = suite(&release, "run");
        run.args(["--node", "vm", "--shim"]).arg(release.join(&shim));
        for list in ["host", &engine] {
            run.arg("--expect").arg(format!("conformance/expectations/{list}.toml"));
        }
        for driver in ["task", "cri"] {
            run.args(["--driver", driver]);
        }
        for filter in SAMPLE {
            run.args(["--filter", filter]);
        }
        process::run(&mut run)?;
    }
    Ok(())
}

/// Engines that are too slow there for every test: a known failure of theirs is waited for as long as the machine is slow.
const SLOW: [&str; 1] = ["wasmedge"];
const SAMPLE: [&str; 5] = [
    "lifecycle/pause-stops-the-guest",
    "limits/cpu-quota-holds-back",
    "limits/out-of-memory-is-an-event",
    "limits/out-of-memory-is-the-reason",
    "limits/update-raises-the-memory-limit",
];

/// The engines of our own shims are folders.
fn shims(release: &Path) -> Result<Vec<String>> {
    let engines = machine::names(&machine::workspace().join("shims"));
    let mut shims: Vec<String> =
        engines.into_iter().map(|engine| format!("containerd-shim-{engine}-v1")).collect();
    shims.sort();
    shims.retain(|shim| release.join(shim).exists());
    if shims.is_empty() {
        Err(format!("there is no shim in {}", release.display()).into())
    } else {
        Ok(shims)
    }
}

fn require_emulator() -> Result<()> {
    if env::consts::ARCH != "x86_64" {
        return Err(format!("only x86_64 is emulated, and this machine is {}", env::consts::ARCH).into());
    }
    setup::ensure(Extent::Test)
}

fn suite(release: &Path, subcommand: &str) -> Command {
    let program: PathBuf = release.join("shimmer-conformance");
    let mut suite = Command::new(program);
    suite.current_dir(machine::workspace()).env("PATH", machine::path()).arg(subcommand);
    suite
}
