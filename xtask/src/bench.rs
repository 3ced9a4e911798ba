//! `cargo xtask bench`: the engines by themselves, then shims under a containerd, then a page of both.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::ValueEnum;

use crate::setup::{self, Extent};
use crate::{Result, cargo, machine, page, process};

/// What is to be measured.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Arguments {
    /// Little of all but Python, in about two minutes: shows that it works, and is too little to conclude from
    #[arg(long)]
    quick: bool,
    /// Also write a page with plots, and say where
    #[arg(long)]
    report: bool,
    /// Also write that page into docs/benchmarks.md
    #[arg(long, conflicts_with_all = ["module", "shims", "only", "quick"])]
    update: bool,
    /// Measure one part only
    #[arg(long, value_enum, value_name = "PART")]
    only: Option<Part>,
    /// Measure this program in place of ours; what follows `--` are its arguments
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
    /// Measure this shim, or all of a folder, in place of ours, beside runc; may be repeated
    #[arg(long = "shim", value_name = "[NAME=]PATH")]
    shims: Vec<OsString>,
    /// How often each thing is measured
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// The arguments of --module's program
    #[arg(last = true, requires = "module", value_name = "ARGUMENT")]
    arguments: Vec<OsString>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Part {
    /// The engines by themselves, beside native code
    Engines,
    /// Containers under shims, beside runc (needs root)
    Containers,
}

impl Arguments {
    /// What CI runs to see that the benches work.
    pub(crate) fn quick() -> Self {
        Self { quick: true, report: true, ..Self::default() }
    }

    /// Builds everything, measures, and leaves the figures beside the build.
    pub(crate) fn measure(&self) -> Result<ExitCode> {
        let parts: Vec<Part> =
            Part::value_variants().iter().copied().filter(|part| self.includes(*part)).collect();
        let has_containers = parts.contains(&Part::Containers);
        if has_containers {
            machine::require_root("bench")?;
        }
        setup::ensure(if has_containers { Extent::Run } else { Extent::Build })?;
        process::run(cargo::tests()?.arg("--no-run"))?;
        let folder = cargo::target()?.join("benches");
        fs::create_dir_all(&folder)?;
        let mut found = Vec::new();
        let mut complete = true;
        for part in parts {
            let figures = folder.join(part.figures());
            let mut bench = match part {
                Part::Engines => engines(&folder)?,
                Part::Containers => self.containers()?,
            };
            complete &= process::status(self.told(bench.arg("--json").arg(&figures)))?.success();
            found.push(figures);
        }
        if self.report || self.update {
            let page = folder.join("report");
            process::run(program("shimmer-report")?.arg("--output").arg(&page).args(&found))?;
            if self.update {
                publish(&page)?;
            }
        }
        println!(
            "figures: {}",
            found.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ")
        );
        Ok(if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// A shim of one's own is no engine.
    fn includes(&self, part: Part) -> bool {
        self.only.map_or_else(|| self.shims.is_empty() || part == Part::Containers, |only| only == part)
    }

    fn containers(&self) -> Result<Command> {
        let mut bench = program("shimmer-containers")?;
        for shim in &self.shims {
            bench.arg("--shim").arg(shim);
        }
        Ok(bench)
    }

    /// A bench with what is passed on to both.
    fn told<'a>(&self, bench: &'a mut Command) -> &'a mut Command {
        bench.args(self.quick.then_some("--quick"));
        if let Some(rounds) = self.rounds {
            bench.arg("--rounds").arg(rounds.to_string());
        }
        if let Some(module) = &self.module {
            bench.arg("--module").arg(module).arg("--").args(&self.arguments);
        }
        bench
    }
}

impl Part {
    fn figures(self) -> &'static str {
        match self {
            Self::Engines => "engines.json",
            Self::Containers => "containers.json",
        }
    }
}

/// Puts the page and its plots into docs/.
fn publish(report: &Path) -> Result<()> {
    let text = below(&fs::read_to_string(report.join("report.md"))?);
    page::write("docs/benchmarks.md", "a run", &text)?;
    let plots = machine::workspace().join("docs/plots");
    if plots.exists() {
        fs::remove_dir_all(&plots)?;
    }
    fs::create_dir_all(&plots)?;
    for plot in machine::names(&report.join("plots")) {
        fs::copy(report.join("plots").join(&plot), plots.join(&plot))?;
    }
    Ok(())
}

/// A page as a part of another: without its title, and with its headings one level further down.
fn below(page: &str) -> String {
    let lines = page.lines().filter(|line| !line.starts_with("# "));
    lines
        .map(|line| if line.starts_with("##") { format!("#{line}\n") } else { format!("{line}\n") })
        .collect()
}

/// The bench of the engines, with a host for each of them.
fn engines(folder: &Path) -> Result<Command> {
    let mut build = cargo::command()?;
    build.args(["bench", "--workspace", "--locked", "--bench", HOST, "--no-run"]);
    let mut bench = program("shimmer-engines")?;
    for (_, host) in cargo::of_backends(&mut build, HOST)? {
        bench.arg("--host").arg(host);
    }
    bench.arg("--cache").arg(folder).arg("--criterion").arg(cargo::target()?.join("criterion"));
    Ok(bench)
}

/// The bench target of every backend.
const HOST: &str = "engine";

fn program(name: &str) -> Result<Command> {
    let mut program = Command::new(cargo::target()?.join("release").join(name));
    program.env("PATH", machine::path());
    Ok(program)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn told(line: &str) -> (Vec<Part>, String) {
        let arguments = Line::parse_from(["bench"].into_iter().chain(line.split_whitespace())).arguments;
        let parts = Part::value_variants().iter().copied().filter(|part| arguments.includes(*part)).collect();
        let mut bench = Command::new("bench");
        let words = arguments.told(&mut bench).get_args().map(|word| word.display().to_string());
        (parts, words.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn measures_everything_unless_told_otherwise() {
        assert_eq!(told("").0, Part::value_variants());
        assert_eq!(told("--only engines").0, [Part::Engines]);
        assert_eq!(told("--shim a=b").0, [Part::Containers], "a shim of one's own is no engine");
    }

    #[test]
    fn a_page_within_another_has_lower_headings() {
        assert_eq!(below("# Title\n\n## Part\ntext\n### Row\n"), "\n### Part\ntext\n#### Row\n");
    }

    #[test]
    fn passes_on_what_both_benches_know() {
        assert_eq!(told("--quick --rounds 3").1, "--quick --rounds 3");
        assert_eq!(told("--module my.wasm -- --fast 1").1, "--module my.wasm -- --fast 1");
    }
}
