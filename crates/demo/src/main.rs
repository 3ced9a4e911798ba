//! What `cargo xtask demo` shows: the same programs on every engine under a real containerd, as a rootfs image and as a
//! CNCF Wasm artifact, cold and warm, beside native containers on runc.

mod program;
mod row;
mod table;

use std::collections::BTreeSet;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use shimmer_node::Node;

use crate::program::Program;
use crate::row::{Kind, Row};

/// Runs a hello and a real program on every engine, and prints what they did and how long it took.
#[derive(Parser)]
#[command(
    after_help = "Exit status: 0 every run gave the expected output, 1 one did not, 2 the demo could not run.\n\
                        It needs root, containerd and runc; `cargo xtask demo` sees to all but the first."
)]
struct Arguments {
    /// The folder that holds the shims, containerd-shim-<engine>-v1.
    #[arg(long, value_name = "FOLDER")]
    shims: PathBuf,
}

/// Why the demo could not run.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Node(#[from] shimmer_node::Error),
    #[error("the demo's images cannot be written: {0}")]
    Image(#[from] shimmer_oci::Error),
    #[error("{what}: {source}")]
    Io { what: String, source: io::Error },
    #[error("{0} has no containerd-shim-<engine>-v1: build them with `cargo build --release`")]
    NoShims(PathBuf),
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            // Where stderr is closed, the status says it.
            let _ = writeln!(io::stderr(), "demo: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether every run gave the expected output and nothing was left behind.
fn run(arguments: &Arguments) -> Result<bool, Error> {
    let engines = engines(&arguments.shims)?;
    let node = Node::builder().shims(&arguments.shims).memory().start()?;
    println!("containerd {} in a folder of its own; engines: {}", node.version(), engines.join(", "));
    let programs = Program::all(&node)?;
    let mut rows = Vec::new();
    for program in &programs {
        rows.push(observed(&node, program, "runc", Kind::Native)?);
        for engine in &engines {
            for kind in [Kind::Rootfs, Kind::Artifact] {
                rows.push(observed(&node, program, engine, kind)?);
            }
        }
    }
    print!("{}", table::render(&rows));
    node.stop()?;
    println!("nothing was left behind: no process, mount, cgroup, network namespace or file");
    Ok(rows.iter().all(|row| row.failure.is_none()))
}

fn observed(node: &Node, program: &Program, engine: &str, kind: Kind) -> Result<Row, Error> {
    progress(&format!("{} on {engine} ({kind})", program.name));
    let row = row::measure(node, program, engine, kind)?;
    progress("");
    Ok(row)
}

/// One line that the next one replaces; nothing where the output goes to a file.
fn progress(what: &str) {
    if io::stdout().is_terminal() {
        print!("\r\x1b[K{what}");
        // A terminal that is gone is noticed by the next line that matters.
        let _ = io::stdout().flush();
    }
}

/// The engines whose shims are in a folder, each with the engine's own program beside it.
fn engines(shims: &PathBuf) -> Result<Vec<String>, Error> {
    let unreadable = |source| Error::Io { what: format!("{} cannot be read", shims.display()), source };
    let mut engines = BTreeSet::new();
    for entry in std::fs::read_dir(shims).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        let engine =
            name.to_str().and_then(|name| name.strip_prefix("containerd-shim-")?.strip_suffix("-v1"));
        let is_whole = |engine: &&str| shims.join(format!("shimmer-{engine}")).exists();
        engines.extend(engine.filter(is_whole).map(str::to_owned));
    }
    if engines.is_empty() { Err(Error::NoShims(shims.clone())) } else { Ok(engines.into_iter().collect()) }
}
