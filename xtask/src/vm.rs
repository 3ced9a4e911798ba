//! `cargo xtask vm`: a command in an emulated machine with cgroup v2, and what tests play there.

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

use crate::conformance::{self, Node, suite};
use crate::setup::{self, Extent};
use crate::{Result, demo, machine, process};

/// Builds the shims and runs a command in a machine that has them; its exit code is ours.
pub(crate) fn run(systemd: bool, command: &[OsString]) -> Result<ExitCode> {
    require_emulator()?;
    let release = demo::programs()?;
    let mut vm = suite(&release, "vm");
    vm.arg("--shims").arg(&release).args(systemd.then_some("--systemd")).arg("--").args(command);
    process::exit_code(&mut vm)
}

/// A few cases on every shim of ours, in the small machine: those that depend on the version of cgroups most.
/// Where there is no machine to be had they are left out, which is said, and in CI is a failure.
pub(crate) fn sample() -> Result<()> {
    if let Err(reason) = require_emulator() {
        if machine::is_ci() {
            return Err(reason);
        }
        println!("left out: nothing was run with cgroup v2: {reason}");
        return Ok(());
    }
    for engine in conformance::engines()? {
        let mut run = conformance::run_on(Node::Vm, &engine)?;
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

const SAMPLE: [&str; 5] = [
    "lifecycle/pause-stops-the-guest",
    "limits/cpu-quota-holds-back",
    "limits/out-of-memory-is-an-event",
    "limits/out-of-memory-is-the-reason",
    "limits/update-raises-the-memory-limit",
];

fn require_emulator() -> Result<()> {
    if env::consts::ARCH != "x86_64" {
        return Err(format!("only x86_64 is emulated, and this machine is {}", env::consts::ARCH).into());
    }
    setup::ensure(Extent::Test)
}
