//! What a container costs under each shim: time, memory, throughput; `docs/benchmarks.md` explains every figure.
//!
//! All targets run the same programs in one run on one machine, in turns, beside runc with a native program and beside
//! the floor, a shim that does nothing. Ratios between them are what can be compared with other machines.

mod arguments;
mod chance;
mod http;
mod images;
mod memory;
mod program;
mod report;
mod role;
mod server;
mod stamp;
mod starts;
mod target;
mod throughput;
mod turn;
#[expect(dead_code, reason = "a shim also answers, and here it is asked")]
#[path = "../floor/wire.rs"]
mod wire;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use shimmer_benches::machine::Machine;
use shimmer_benches::results::Results;
use shimmer_benches::results::containers::Containers;
use shimmer_node::Node;

use crate::arguments::{Arguments, Part, Plan};
use crate::images::Images;
use crate::program::{Module, Wasm};
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
    let wasm = wasm(arguments, &plan, &targets)?;

    let mut found = measured(&plan, &targets, &wasm)?;
    if plan.includes(Part::Starts) {
        match starts::on_disk(&plan, &targets, &wasm) {
            Ok(starts) => found.starts.extend(starts),
            Err(error) => found.failures.push(format!("starts on disk: {error}")),
        }
    }
    if plan.includes(Part::Memory) {
        let failures = memory::measure(&plan, &targets, &wasm, &mut found.memory);
        found.failures.extend(failures);
    }
    report::close(&mut found);
    tell(arguments, Machine::detect()?, found)
}

/// What is to run, besides what lies in this program.
fn wasm(arguments: &Arguments, plan: &Plan, targets: &Targets) -> Result<Wasm> {
    if let Some(file) = &arguments.module {
        println!(
            "only how {} starts is measured: of its end and its output nothing is known",
            file.display()
        );
        return Ok(Wasm { module: Some(Module::read(file, &arguments.args)?), ..Wasm::default() });
    }
    let python =
        if plan.has_python { Some(shimmer_benches::python::component(&targets.cache)) } else { None };
    if let Some(Err(reason)) = &python {
        println!("the Python component is left out: {reason}");
    }
    Ok(Wasm { python: python.and_then(Result::ok), ..Wasm::default() })
}

/// Prints and writes what was asked for; fails where something has failed on the way.
fn tell(arguments: &Arguments, machine: Machine, found: Containers) -> Result {
    let report = Report { machine: &machine, found: &found };
    print!("{}", report::text::render(report));
    let failures = found.failures.join("\n");
    if let Some(file) = &arguments.json {
        let results = Results { machine, engines: None, containers: Some(found) };
        std::fs::write(file, serde_json::to_string_pretty(&results)? + "\n")
            .map_err(|error| format!("{}: {error}", file.display()))?;
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.into()) }
}

/// All that is measured on one node, where the targets take turns.
fn measured(plan: &Plan, targets: &Targets, wasm: &Wasm) -> Result<Containers> {
    let folder = targets.linked(&targets.all)?;
    let node = Node::builder().shims(folder.path()).memory().start()?;
    let shims = targets.all.iter().map(|target| Ok((target.name.clone(), target.identity()?)));
    let mut found = Containers {
        containerd: node.version().to_owned(),
        shims: shims.collect::<Result<_>>()?,
        rounds: plan.rounds,
        warm_ups: plan.warm_ups,
        ..Containers::default()
    };
    let images = Images::import(&node, &targets.all, wasm, &starts::PROGRAMS)?;
    if plan.includes(Part::Starts) {
        found.shim_starts = server::measure(&node, plan, &targets.all);
        found.starts = starts::measure(&node, plan, &targets.all, &images);
    }
    if plan.includes(Part::Throughput) {
        found.throughput = throughput::measure(&node, plan, &targets.all, &images);
    }
    if plan.includes(Part::Http) {
        let (rows, failure) = http::measure(&node, plan, &targets.all);
        found.http = rows;
        found.failures.extend(failure);
    }
    if let Err(error) = node.stop() {
        found.failures.push(error.to_string());
    }
    Ok(found)
}
