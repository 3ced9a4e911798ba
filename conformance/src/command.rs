//! The subcommands. Most say whether all was as expected.

mod images;
mod list;
mod machine;
mod reports;
mod run;
mod vm;

use clap::Subcommand;
use std::process::ExitCode;

use shimmer_conformance::Result;

/// See the variants.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Shows the cases, with their profiles and drivers
    List(list::List),
    /// Writes the images that a cluster needs for the driver `kube`, to be pushed by whatever you push with
    Images(images::Images),
    /// Plays the cases on a shim and reports
    Run(Box<run::Arguments>),
    /// Shows every difference between what shims did, from their reports
    Diff(reports::Diff),
    /// Puts several reports side by side
    Compare(reports::Compare),
    /// Runs a command in the virtual machine of `run --node vm`, and ends with its status
    Vm(vm::Arguments),
    /// Shows what works in a Kubernetes, feature by feature, from reports of the driver `kube`
    Features(reports::Features),
}

impl Command {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let is_as_expected = match self {
            Self::List(list) => list.run(),
            Self::Images(images) => images.run(),
            Self::Run(arguments) => arguments.run(),
            Self::Diff(diff) => diff.run(),
            Self::Compare(compare) => compare.run(),
            Self::Features(features) => features.run(),
            Self::Vm(arguments) => return arguments.run(),
        };
        Ok(if is_as_expected? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
