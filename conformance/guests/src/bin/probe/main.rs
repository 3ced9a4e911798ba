//! Many small probes in one program, chosen by the first argument: each makes one promise of the runtime
//! visible. README.md lists them.
//!
//! Exit codes of its own: 1 what the probe found is wrong, 2 unknown probe or missing argument, 5 a file or a
//! socket could not be used, 6 memory ran out.

mod content;
mod descriptors;
mod exits;
mod identity;
mod load;
mod names;
mod outcome;
mod sockets;
mod streams;
mod traps;
mod waits;

use std::env;
use std::process::ExitCode;

const USAGE: u8 = 2;

/// Each knows some probes: it runs the one that the words name and returns its exit code.
const GROUPS: [fn(&[&str]) -> Option<u8>; 10] = [
    content::run,
    descriptors::run,
    exits::run,
    identity::run,
    load::run,
    names::run,
    sockets::run,
    streams::run,
    traps::run,
    waits::run,
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().collect();
    let words: Vec<&str> = arguments.iter().skip(1).map(String::as_str).collect();
    match GROUPS.iter().find_map(|group| group(&words)) {
        Some(code) => ExitCode::from(code),
        None => {
            eprintln!("probe: no such probe: \"{}\"", words.join(" "));
            ExitCode::from(USAGE)
        }
    }
}
