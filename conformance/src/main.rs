//! `shimmer-conformance`: holds shims to the suite, and compares what came of it.

mod command;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use crate::command::Command;

/// Holds WebAssembly shims for containerd to one suite of cases.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Exit status: 0 all as expected, 1 not, 2 could not run.\n\
                  `run` needs root, since containers do; with `--driver engine` alone it does not."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    match Arguments::parse().command.run() {
        Ok(code) => code,
        Err(error) => {
            // Where stderr is closed, the status says it.
            let _unread = writeln!(io::stderr(), "error: {error}");
            ExitCode::from(2)
        }
    }
}
