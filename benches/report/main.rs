//! Draws the page of what the benches found: Markdown, pictures, and all figures in one file.

mod figure;
#[cfg(test)]
mod fixture;
mod merge;
mod order;
mod page;
mod palette;
mod plot;
mod table;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use shimmer_benches::results::Results;

use crate::merge::Found;
use crate::page::Page;

/// A sentence for the person who reads the output: nothing here acts on the kind of an error.
type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Draws a page of what the benches found: which engine suits which work, in ratios, pictures and tables.
#[derive(Debug, Parser)]
#[command(
    after_help = "The files are what `shimmer-containers --json FILE` and the benches of the engines write. Several are \
                  one result if they come from one machine and one revision, and if no two have the same part.\n\
                  The folder gets results.json with all of them, report.md, and the pictures in plots/."
)]
struct Arguments {
    /// Files of results
    #[arg(required = true, value_name = "RESULTS.json")]
    results: Vec<PathBuf>,
    /// The folder that the page is written into; it is made if need be
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where stderr is closed, the status says it.
            let _ = writeln!(io::stderr(), "report: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result {
    let found = arguments.results.iter().map(|file| read(file)).collect::<Result<Vec<_>>>()?;
    let results = merge::merge(found)?;
    let page = Page::of(&results)?;
    let plots = arguments.output.join("plots");
    fs::create_dir_all(&plots).map_err(|error| format!("{}: {error}", plots.display()))?;
    write(&arguments.output.join("results.json"), &(serde_json::to_string_pretty(&results)? + "\n"))?;
    write(&arguments.output.join("report.md"), &page.text)?;
    for (name, svg) in &page.plots {
        write(&plots.join(name), svg)?;
    }
    println!("{}: {} pictures", arguments.output.join("report.md").display(), page.plots.len());
    Ok(())
}

fn read(file: &Path) -> Result<Found> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let results: Results = serde_json::from_str(&text)
        .map_err(|error| format!("{}: it has no results of these benches: {error}", file.display()))?;
    Ok(Found { file: file.display().to_string(), results })
}

fn write(file: &Path, text: &str) -> Result {
    Ok(fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))?)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn reads_files_and_writes_the_page_the_pictures_and_all_figures() {
        let folder = TempDir::new().expect("a folder");
        let [engines, containers] = ["engines.json", "containers.json"].map(|name| folder.path().join(name));
        let of_engines = Results { containers: None, ..fixture::results() };
        let of_containers = Results { engines: None, ..fixture::results() };
        for (file, results) in [(&engines, of_engines), (&containers, of_containers)] {
            fs::write(file, serde_json::to_string(&results).expect("it is data")).expect("a file");
        }
        let output = folder.path().join("a/page");
        run(&Arguments { results: vec![engines, containers], output: output.clone() }).expect("a page");

        let page = fs::read_to_string(output.join("report.md")).expect("the page");
        assert!(page.contains("(plots/trade.svg)") && page.contains("(plots/start-warm.svg)"), "{page}");
        let svg = fs::read_to_string(output.join("plots/start-warm.svg")).expect("a picture");
        assert!(svg.contains("wasmtime") && svg.contains("25.0 ms"), "{svg}");
        let all = read(&output.join("results.json")).expect("all figures").results;
        assert!(all.engines.is_some() && all.containers.is_some());
    }

    #[test]
    fn a_file_of_something_else_is_named() {
        let folder = TempDir::new().expect("a folder");
        let file = folder.path().join("else.json");
        fs::write(&file, "{}").expect("a file");
        let output = folder.path().join("page");
        let error =
            run(&Arguments { results: vec![file], output }).expect_err("it has no machine").to_string();
        assert!(error.contains("else.json: it has no results"), "{error}");
    }
}
