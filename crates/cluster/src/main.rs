//! What `cargo xtask cluster` does: a private Kubernetes that goes on while commands come and go, with a RuntimeClass for
//! each engine. One process owns it, the keeper; when that ends, however it ends, so does the cluster.

mod control;
mod error;
mod images;
mod keeper;
mod state;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::error::Error;

/// A private Kubernetes on this machine, with a RuntimeClass for each engine. It needs root.
#[derive(Debug, Parser)]
#[command(
    bin_name = "cargo xtask cluster",
    after_help = "Exit status: 0 done, 1 not, 3 no cluster runs, 4 no Go to build Kubernetes by; `kubectl` passes on\n                  kubectl's."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Starts the cluster, and returns when pods can be made; the first time, Kubernetes is built
    Up(Up),
    /// Says whether it runs, and what it has
    Status {
        /// For scripts
        #[arg(long)]
        json: bool,
    },
    /// Prints the path of the file by which kubectl and others reach it
    Kubeconfig,
    /// Runs the cluster's own kubectl
    Kubectl {
        /// Passed on
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
    /// Imports the images of an OCI archive on every node
    Load {
        /// The archive, a tar
        archive: PathBuf,
    },
    /// Ends it and removes everything of it
    Down,
    /// Builds Kubernetes for later, as `up` does the first time, and Helm, by which the chart is tested
    Build,
    /// What `up` starts
    #[command(hide = true)]
    Keep(Up),
}

/// What a cluster is made of.
#[derive(Args, Clone, Debug)]
struct Up {
    /// How many nodes it has
    #[arg(long, value_name = "N", default_value_t = 1)]
    nodes: u8,
    /// The folder of the shims; those of this tree, unless another one is named
    #[arg(long, value_name = "FOLDER")]
    shims: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            // Where stderr is closed, the status says it.
            let _unread = writeln!(io::stderr(), "error: {error}");
            ExitCode::from(error.status())
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode, Error> {
    let folder = shimmer_node::cache()?.join("cluster");
    match &arguments.command {
        Command::Up(up) => control::up(&folder, up)?,
        Command::Status { json } => control::status(&folder, *json)?,
        Command::Kubeconfig => println!("{}", state::State::running(&folder)?.kubeconfig.display()),
        Command::Kubectl { arguments } => return control::kubectl(&folder, arguments),
        Command::Load { archive } => control::load(&folder, archive)?,
        Command::Down => control::down(&folder)?,
        Command::Build => control::build()?,
        Command::Keep(up) => keeper::keep(&folder, up)?,
    }
    Ok(ExitCode::SUCCESS)
}
