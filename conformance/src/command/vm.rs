use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use shimmer_conformance::{Error, Result};
use shimmer_node::machine::{Flavour, Machine, machine_folder};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// A Debian with systemd in place of the small machine
    #[arg(long)]
    systemd: bool,
    /// A folder of shims, which containerd in the machine finds, and of the programs that they need
    #[arg(long, value_name = "DIR")]
    shims: Option<PathBuf>,
    /// What is run in the machine, as root: a program of the machine's, or `sh -c '...'`
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

impl Arguments {
    /// Its status is the command's.
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let flavour = if self.systemd { Flavour::Systemd } else { Flavour::Small };
        let machine =
            machine_folder().and_then(|folder| Machine::new(flavour, folder)).map_err(Error::node)?;
        let mut machine = machine.containerd();
        for shim in self.shims()? {
            machine = machine.shim(&shim).map_err(Error::node)?;
        }
        machine.run(&self.command, &mut show).map(ExitCode::from).map_err(Error::node)
    }

    fn shims(&self) -> Result<Vec<PathBuf>> {
        let Some(folder) = &self.shims else { return Ok(Vec::new()) };
        let entries = folder.read_dir().and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let entries = entries.map_err(|error| Error::io(format!("list {}", folder.display()), error))?;
        let is_shim = |name: &str| name.starts_with("containerd-shim-") && !name.contains('.');
        let shims = entries.into_iter().filter(|entry| entry.file_name().to_str().is_some_and(is_shim));
        Ok(shims.map(|entry| entry.path()).collect())
    }
}

/// A reader who has gone is no reason to stop.
fn show(output: &[u8]) {
    let _unseen = io::stdout().lock().write_all(output).and_then(|()| io::stdout().flush());
}
