//! What is to be measured, and how often.

use std::path::PathBuf;

use clap::Parser;

use crate::criteria::FEWEST;

/// Measures engines by themselves, in turns, beside native code.
#[derive(Debug, Parser)]
#[command(
    after_help = "`cargo xtask bench` builds the hosts, one for each engine, and calls it. Exit status: 0 where nothing failed, \
                  1 where something did, which the tables name; what an engine claims nothing of is no failure, nor is a \
                  Python component that cannot be made."
)]
pub(crate) struct Arguments {
    /// A program that hosts an engine: the bench target of its backend; may be repeated
    #[arg(long = "host", value_name = "PATH", required = true)]
    pub(crate) hosts: Vec<PathBuf>,
    /// How often each thing is measured
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// Two rounds of little work, small programs, next to nothing for criterion: shows that it works
    #[arg(long)]
    pub(crate) quick: bool,
    /// Measure this program in place of ours; what follows `--` are its arguments
    #[arg(long, value_name = "FILE")]
    pub(crate) module: Option<PathBuf>,
    /// Write everything into a file
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Where criterion keeps its samples and writes its pages
    #[arg(long, value_name = "FOLDER", default_value = "target/criterion")]
    pub(crate) criterion: PathBuf,
    /// Where the large component is kept, which is made at the first run
    #[arg(long, value_name = "FOLDER", default_value = "target/benches")]
    pub(crate) cache: PathBuf,
    /// The arguments of --module's program
    #[arg(last = true, requires = "module")]
    pub(crate) arguments: Vec<String>,
}

impl Arguments {
    /// criterion does not take fewer than ten.
    pub(crate) fn rounds(&self) -> usize {
        if self.quick { 2 } else { self.rounds.unwrap_or(12).max(FEWEST) }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn criterion_gets_as_many_samples_as_it_needs() {
        let rounds = |line: &str| Arguments::parse_from(line.split(' ')).rounds();
        assert_eq!(rounds("engines --host a --rounds 2"), 10);
        assert_eq!(rounds("engines --host a --rounds 20"), 20);
        assert_eq!(rounds("engines --host a --quick"), 2);
    }
}
