//! How fast the engines are by themselves: what becomes of a program before it runs, and how fast it runs beside a native
//! build of the same source.
//!
//! Everything is measured in turns, each thing in a process of its own; criterion then gets the samples, and has its say.

mod arguments;
mod case;
mod criteria;
mod engine;
mod kernel;
mod measure;
mod native;
mod outcome;
mod program;
// The kernels look for it here.
#[expect(unreachable_pub, reason = "the guest's own crate shares this file, and there it is public")]
#[path = "../../conformance/guests/compute/src/sha256.rs"]
mod sha256;
mod text;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use shimmer_benches::host::{self, Result};
use shimmer_benches::machine::Machine;
use shimmer_benches::results::Results;

use crate::arguments::Arguments;
use crate::engine::Engine;
use crate::program::Programs;

fn main() -> ExitCode {
    if let Some(answer) = native::answer() {
        return host::tell(answer);
    }
    match run(&Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            // Where stderr is closed, the status says it.
            let _ = writeln!(io::stderr(), "engines: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode> {
    let engines = arguments.hosts.iter().map(|path| Engine::ask(path)).collect::<Result<Vec<_>>>()?;
    let names: Vec<String> = engines.iter().map(ToString::to_string).collect();
    println!("engines: {}", names.join(", "));
    let programs = Programs::new(arguments)?;
    let mut cases = programs.prepared(&engines, arguments)?;
    measure::all(&mut cases, arguments.rounds());
    if arguments.quick {
        criteria::try_out(&cases, &arguments.criterion);
    } else {
        criteria::hand_over(&cases, &arguments.criterion);
    }
    let outcome = outcome::of(&engines, &cases, arguments.rounds());
    print!("{}", text::render(&outcome));
    let results = Results { machine: Machine::detect()?, engines: Some(outcome), containers: None };
    if let Some(file) = &arguments.json {
        let json = serde_json::to_string_pretty(&results)? + "\n";
        std::fs::write(file, json).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(if cases.iter().all(|case| case.failure.is_none()) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
