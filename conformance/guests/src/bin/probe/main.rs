//! Many small probes in one program, chosen by the first argument: each makes one promise of the runtime
//! visible.
//!
//! Exit codes of its own: 2 unknown probe or missing argument, 5 a file could not be used, 6 memory ran out.

mod exits;
mod files;
mod identity;
mod load;
mod streams;
mod traps;
mod waits;

use std::env;
use std::process::ExitCode;

const USAGE: u8 = 2;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().collect();
    let words: Vec<&str> = arguments.iter().skip(1).map(String::as_str).collect();
    match run(&words) {
        Some(code) => ExitCode::from(code),
        None => {
            eprintln!("probe: no such probe: \"{}\"", words.join(" "));
            ExitCode::from(USAGE)
        }
    }
}

/// The exit code of the probe, or nothing when the words name none.
fn run(words: &[&str]) -> Option<u8> {
    let code = match words {
        ["args", ..] => identity::args(),
        ["env"] => identity::env(),
        ["clock"] => identity::clock(),
        ["random"] => identity::random(),
        ["cwd-read", path] => files::read(path),
        ["environ-file"] => files::environ(),
        ["write", path, text] => files::write(path, text),
        ["list", folder] => files::list(folder),
        ["return"] => 0,
        ["exit", code] => exits::exit(code.parse().ok()?),
        ["proc-exit", code] => exits::proc_exit(code.parse().ok()?),
        ["panic"] => traps::panic(),
        ["trap", "unreachable"] => traps::unreachable(),
        ["trap", "div"] => traps::divide(),
        ["trap", "oob"] => traps::out_of_bounds(),
        ["trap", "stack"] => traps::exhaust_stack(),
        ["spin"] => waits::spin(),
        ["sleep"] => waits::sleep(),
        ["block-stdin"] => waits::block_on_stdin(),
        ["stdin"] => streams::copy_stdin(),
        ["flood", lines] => streams::flood(lines.parse().ok()?),
        ["stderr", text] => streams::stderr(text),
        ["alloc", mebibytes] => load::allocate(mebibytes.parse().ok()?),
        _ => return None,
    };
    Some(code)
}
