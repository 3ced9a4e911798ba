//! `cargo xtask`: the one door for people and CI. It depends on no other part of Shimmer, since those cannot be built
//! before `setup` has been here.

mod bench;
mod cargo;
mod cluster;
mod conformance;
mod demo;
mod guests;
mod image;
mod machine;
mod page;
mod process;
mod setup;
mod steps;
mod suite;
mod tidy;
mod vm;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use crate::setup::Extent;

fn main() -> ExitCode {
    match Task::parse().run() {
        Ok(code) => code,
        Err(error) => {
            // A closed stderr leaves nobody to tell.
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A sentence for the person who typed the command: nothing here acts on the kind of an error.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Sets up, shows, tests and measures Shimmer.
#[derive(Debug, Parser)]
#[command(
    bin_name = "cargo xtask",
    after_help = "Exit codes: 0 done, 1 failed or something is missing, 2 wrong usage; `cluster`, `demo` and `vm` pass on their\n                  program's.\n\
                  Build output goes to CARGO_TARGET_DIR, or else to shimmer/target in the cache folder of your home."
)]
enum Task {
    /// Installs what building and running Shimmer needs, and says before what and why
    Setup {
        /// Only report; exit 1 if something is missing
        #[arg(long)]
        check: bool,
    },
    /// Runs the same images on every engine under a private containerd, and compares (needs root)
    Demo {
        /// Passed on to the demo; `-- --help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// A private Kubernetes with a RuntimeClass for each engine: `up`, `status`, `kubectl`, `down` (needs root)
    #[command(disable_help_flag = true)]
    Cluster {
        /// Passed on to `shimmer-cluster`; `--help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Runs everything that CI runs: the lints, then all tests, some in real containers (needs root)
    Test,
    /// Checks format, clippy's lints and the rules of this repository
    Lint,
    /// Plays the conformance suite on every shim at every level, and compares them (needs root)
    Conformance(conformance::Arguments),
    /// Runs a command in an emulated machine with cgroup v2, where a containerd serves that has the shims
    Vm {
        /// A Debian with systemd in place of the small machine; making it needs root, once
        #[arg(long)]
        systemd: bool,
        /// What is run, as root of that machine; its exit code is ours. For example `-- ctr plugins list`
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
    /// Measures the engines beside native code, and the shims beside runc (needs root)
    Bench(bench::Arguments),
    /// Writes a release: the installer's image, archives for installing by hand, checksums, and what is inside
    Image(image::Arguments),
    /// Rebuilds the WebAssembly programs of the tests from their sources
    Guests {
        /// Only compare the committed ones with their checksums and sources
        #[arg(long)]
        check: bool,
    },
}

impl Task {
    fn run(self) -> Result<ExitCode> {
        match self {
            Self::Setup { check: true } => return setup::report(),
            Self::Setup { check: false } => setup::ensure(Extent::Test)?,
            Self::Demo { arguments } => return demo::run(&arguments),
            Self::Cluster { arguments } => return cluster::run(&arguments),
            Self::Test => return steps::test(),
            Self::Lint => return steps::lint(),
            Self::Conformance(arguments) => return arguments.play(),
            Self::Vm { systemd, command } => return vm::run(systemd, &command),
            Self::Bench(arguments) => return arguments.measure(),
            Self::Image(arguments) => return arguments.write(),
            Self::Guests { check } => guests::rebuild(check)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
