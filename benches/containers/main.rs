//! What a container costs under each shim: time, memory, throughput; `docs/benchmarks.md` explains every figure.
//!
//! All targets run the same programs in one run on one machine, in turns, beside runc with a native program and beside
//! the floor, a shim that does nothing. Ratios between them are what can be compared with other machines.

mod arguments;
mod machine;
mod memory;
mod program;
mod python;
mod report;
mod role;
mod starts;
mod summary;
mod target;
mod throughput;
mod turn;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;
use shimmer_node::Node;

use crate::arguments::{Arguments, Part, Plan};
use crate::machine::Machine;
use crate::program::Images;
use crate::report::Report;
use crate::target::Targets;

/// A sentence for the person who reads the output: nothing here acts on the kind of an error.
type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where stderr is closed, the status says it.
            let _ = writeln!(io::stderr(), "containers: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result {
    let plan = arguments.plan();
    let targets = Targets::find(&arguments.shims)?;
    println!("targets: {}", targets.names().join(", "));
    let python = if plan.has_python { Some(python::component(&targets.cache)) } else { None };
    if let Some(Err(reason)) = &python {
        println!("the Python component is left out: {reason}");
    }
    let python = python.and_then(Result::ok);

    let mut report = measured(&plan, &targets, python.as_deref())?;
    for target in targets.all.iter().filter(|_| plan.includes(Part::Memory)) {
        progress(&format!("memory: {}", target.name));
        if let Err(error) = memory::measure(&plan, &targets, target, python.as_deref(), &mut report.memory) {
            report.failures.push(format!("memory of {}: {error}", target.name));
        }
    }
    progress("");
    report.close();
    tell(arguments, &report)
}

/// Prints and writes what was asked for; fails where something has failed on the way.
fn tell(arguments: &Arguments, report: &Report) -> Result {
    print!("{}", report::text::render(report));
    if arguments.markdown {
        print!("\n{}", report::markdown::render(report));
    }
    if let Some(file) = &arguments.json {
        std::fs::write(file, serde_json::to_string_pretty(report)? + "\n")
            .map_err(|error| format!("{}: {error}", file.display()))?;
    }
    if report.failures.is_empty() { Ok(()) } else { Err(report.failures.join("\n").into()) }
}

/// All that is measured on one node, where the targets take turns.
fn measured(plan: &Plan, targets: &Targets, python: Option<&[u8]>) -> Result<Report> {
    let folder = targets.linked(&targets.all)?;
    let node = Node::builder().shims(folder.path()).memory().start()?;
    let mut report = Report::new(plan.clone(), Machine::detect(&node, &targets.all)?);
    let images = Images::import(&node, &targets.all, python)?;
    if plan.includes(Part::Starts) {
        report.starts = starts::measure(&node, plan, &targets.all, &images);
    }
    if plan.includes(Part::Throughput) {
        report.throughput = throughput::measure(&node, plan, &targets.all, &images);
    }
    if let Err(error) = node.stop() {
        report.failures.push(error.to_string());
    }
    Ok(report)
}

/// One line that the next one replaces; a line each where the output goes to a file.
fn progress(what: &str) {
    if io::stdout().is_terminal() {
        print!("\r\x1b[K{what}");
    } else if !what.is_empty() {
        println!("{what}");
    }
    // A terminal that is gone is noticed by the next line that matters.
    let _ = io::stdout().flush();
}
