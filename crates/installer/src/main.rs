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
#[cfg(test)]
mod nodes;
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

use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use crate::arguments::{Arguments, Command, Install, Node};
use crate::cluster::{Join, Retirement, Slots};
use crate::error::{Error, ErrorKind, Result};
use crate::install::Installed;

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
        Command::Install(arguments) => install(arguments).map(drop),
        Command::Uninstall { node, force } => uninstall(node, *force),
        Command::Status(node) => {
            let (host, store, machine) = node.open()?;
            let status = status::status(&host, &store, &machine)?;
            report::status(&status, node.json)?;
            status.judge()
        }
        Command::Verify(node) => {
            let (host, store, machine) = node.open()?;
            report::status(&status::verify(&host, &store, &machine)?, node.json)
        }
        Command::Join { member, install: arguments, lease, slots } => {
            let node = &member.name;
            let slots = Slots { node, lease, count: *slots, duration: cluster::DURATION };
            let release = arguments.release()?;
            let join = Join { slots, release: release.version() };
            cluster::join(&member.server.connect()?, &join, || ready(install(arguments)?))
        }
        Command::Leave { node, check: true, .. } => {
            let (host, store, machine) = node.open()?;
            uninstall::check(&host, &store, &machine)
        }
        Command::Leave { member, node, force, check: false } => {
            cluster::leave(&member.server.connect()?, &member.name, || uninstall(node, *force))
        }
        Command::Retire { server, daemonset, pod_template, lease, force } => {
            let template = fs::read(pod_template)
                .map_err(|error| Error::io(format!("read {}", pod_template.display()), error))?;
            let (template, lease, force) = (&*template, lease.as_deref(), *force);
            cluster::retire(&server.connect()?, &Retirement { daemonset, template, lease, force })
        }
        Command::Sleep => sleep::sleep(),
    }
}

fn install(arguments: &Install) -> Result<Installed> {
    let (host, store, machine) = arguments.node.open()?;
    let installed = install::install(&host, &store, &machine, &arguments.options())?;
    report::installed(&installed, arguments.node.json);
    Ok(installed)
}

/// The handlers by which pods can be made now.
fn ready(installed: Installed) -> Result<Vec<String>> {
    if installed.waits {
        return Err(Error::new(ErrorKind::Absent, install::UNTOLD));
    }
    Ok(installed.handlers)
}

fn uninstall(node: &Node, force: bool) -> Result<()> {
    let (host, store, machine) = node.open()?;
    let uninstalled = uninstall::uninstall(&host, &store, &machine, force)?;
    report::uninstalled(&uninstalled, node.json);
    Ok(())
}
