//! Puts the shims on a node, tells containerd of them, and takes both away again.

mod advice;
mod arguments;
mod check;
mod cluster;
mod config;
mod containerd;
mod cri;
mod disk;
mod distribution;
mod error;
#[cfg(test)]
mod fake;
#[cfg(test)]
mod fault;
mod host;
mod install;
mod journal;
mod machine;
mod program;
mod record;
mod release;
mod report;
mod schema;
mod settling;
mod sleep;
mod status;
mod store;
mod tree;
mod uninstall;
mod usage;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use crate::arguments::{Arguments, Command};
use crate::error::Result;

fn main() -> ExitCode {
    match run(&Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where stderr is closed, the status says it.
            let _unread = writeln!(io::stderr(), "error: {error}");
            ExitCode::from(error.status())
        }
    }
}

fn run(command: &Command) -> Result<()> {
    match command {
        Command::Install(arguments) => {
            let (host, store, machine) = arguments.node.open()?;
            let installed = install::install(&host, &store, &machine, &arguments.options())?;
            report::installed(&installed, arguments.node.json)
        }
        Command::Uninstall { node, force } => {
            let (host, store, machine) = node.open()?;
            let uninstalled = uninstall::uninstall(&host, &store, &machine, *force)?;
            report::uninstalled(&uninstalled, node.json)
        }
        Command::Status(node) => {
            let (host, store, machine) = node.open()?;
            report::status(&status::status(&host, &store, &machine)?, node.json)
        }
        Command::Verify(node) => {
            let (host, store, machine) = node.open()?;
            report::status(&status::verify(&host, &store, &machine)?, node.json)
        }
    }
}
