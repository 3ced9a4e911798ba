use std::path::PathBuf;

use clap::{Args, ValueEnum};
use shimmer_conformance::report::{Allowed, Report, compare, differ, features, write_features};
use shimmer_conformance::{Level, Result};

#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// Reports of several shims, as JSON
    #[arg(required = true, num_args = 2.., value_name = "REPORT")]
    reports: Vec<PathBuf>,
    /// A list of differences that are allowed, each with its reason; may be given several times
    #[arg(long, value_name = "FILE")]
    allow: Vec<PathBuf>,
    /// How to write them
    #[arg(long, value_enum, default_value_t = Format::Markdown)]
    format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct Compare {
    /// Reports, as JSON
    #[arg(required = true, value_name = "REPORT")]
    reports: Vec<PathBuf>,
    /// Only what was played with this driver; may be given several times
    #[arg(long = "driver", value_name = "DRIVER")]
    levels: Vec<Level>,
    /// How to write the comparison
    #[arg(long, value_enum, default_value_t = Format::Markdown)]
    format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct Features {
    /// Reports of runs with `--driver kube`, as JSON; the first is best the one of the reference
    #[arg(required = true, value_name = "REPORT")]
    reports: Vec<PathBuf>,
    /// A page with the marks between which the tables are written; without it they are printed
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// For people
    Markdown,
    /// For programs
    Json,
}

impl Diff {
    pub(crate) fn run(&self) -> Result<bool> {
        let mut allowed = Allowed::default();
        for list in &self.allow {
            allowed = allowed.merge(Allowed::read(list)?)?;
        }
        let cases = shimmer_conformance::all();
        allowed.check_ids(&cases.iter().map(|case| &*case.id).collect::<Vec<_>>())?;
        let differences = differ(&read(&self.reports)?, &allowed)?;
        match self.format {
            Format::Markdown => print!("{differences}"),
            Format::Json => println!("{}", differences.json()?),
        }
        Ok(differences.is_clean())
    }
}

impl Features {
    pub(crate) fn run(&self) -> Result<bool> {
        let reports = read(&self.reports)?;
        match &self.page {
            Some(page) => write_features(page, &reports)?,
            None => print!("{}", features(&reports)),
        }
        Ok(true)
    }
}

impl Compare {
    pub(crate) fn run(&self) -> Result<bool> {
        let mut reports = read(&self.reports)?;
        for report in &mut reports {
            let wanted = |level: Level| self.levels.is_empty() || self.levels.contains(&level);
            report.results.retain(|outcome| wanted(outcome.level));
        }
        let comparison = compare(&reports);
        match self.format {
            Format::Markdown => print!("{}", comparison.markdown()),
            Format::Json => println!("{}", comparison.json()?),
        }
        Ok(true)
    }
}

fn read(reports: &[PathBuf]) -> Result<Vec<Report>> {
    reports.iter().map(|path| Report::read(path)).collect()
}
