//! containerd on one side, containers on the other: the only crate that knows containerd.
//!
//! A shim is one process for all containers of a pod. It keeps no engine: what makes and runs containers are forks of
//! other processes (`shimmer-container`), which it tells what to do and which tell it what has happened. So it is small,
//! has one thread, and cannot be hurt by what a program does to its engine.

mod arguments;
mod bundle;
mod container;
mod delete;
mod environment;
mod error;
mod events;
mod identity;
mod images;
mod leash;
mod lifecycle;
mod logger;
mod mounts;
mod options;
mod pod;
mod process;
mod programs;
mod server;
mod service;
mod start;
mod stdio;
mod terminal;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::arguments::Arguments;

/// The whole of a shim's `main`, for the engine that is called `engine` and has this version.
///
/// The engine itself is another program, `shimmer-<engine>`, in the same folder; its version is given here, so that
/// nobody has to load it to tell. `--version` and `--help` are answered
/// here; everything else is containerd speaking, in the flags of its runtime v2 protocol.
#[must_use]
pub fn main(engine: &'static str, engine_version: &str) -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if let (Some(word), Some(socket)) = (arguments.next(), arguments.next())
        && word == "zygote"
    {
        return shimmer_container::serve_native(Path::new(&socket));
    }
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(message) => return complain(&message, ExitCode::from(USAGE)),
    };
    let done = match arguments.action.as_str() {
        _ if arguments.version => answer(version(engine, engine_version).as_bytes()),
        _ if arguments.info => answer(&identity::info(engine)),
        _ if arguments.help => answer(help(engine).as_bytes()),
        "start" => start::start(engine, &arguments),
        "delete" => delete::delete(&arguments).and_then(|response| answer(&response)),
        "" => return complain("containerd executes this program; --help says more", ExitCode::from(USAGE)),
        other => return complain(&format!("the action `{other}` is unknown"), ExitCode::from(USAGE)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&error.to_string(), ExitCode::FAILURE),
    }
}

/// Wrong usage, as in sysexits(3).
const USAGE: u8 = 64;

/// Says to containerd, which shows it to whoever asked for a container, what went wrong.
fn complain(message: &str, code: ExitCode) -> ExitCode {
    // A closed stderr leaves nobody to tell.
    let _ = writeln!(std::io::stderr(), "{message}");
    code
}

fn answer(bytes: &[u8]) -> error::Result<()> {
    let mut stdout = std::io::stdout();
    Ok(stdout.write_all(bytes).and_then(|()| stdout.flush())?)
}

fn version(engine: &str, engine_version: &str) -> String {
    format!("containerd-shim-{engine}-v1 {}\nengine: {engine} {engine_version}\n", env!("CARGO_PKG_VERSION"))
}

fn help(engine: &str) -> String {
    format!(
        "containerd-shim-{engine}-v1: runs WebAssembly containers under containerd\n\n\
         containerd executes it. Install it, with shimmer-{engine}, in one folder of containerd's PATH, and name the\n\
         runtime `io.containerd.{engine}.v1`: `ctr run --runtime io.containerd.{engine}.v1 IMAGE NAME /app.wasm`.\n\n\
         Options:\n  --version  version of the shim\n  --help     this text\n\n\
         Exit codes: 0 done, 1 failed, 64 wrong usage.\n"
    )
}

/// The program of the engine, beside this one; a link to this one is followed.
fn engine_program(engine: &str) -> std::io::Result<PathBuf> {
    Ok(own_program()?.with_file_name(format!("shimmer-{engine}")))
}

fn own_program() -> std::io::Result<PathBuf> {
    std::fs::read_link("/proc/self/exe")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_names_the_shim_and_its_engine() {
        let version = version("fake", "1.0.0");
        assert!(version.starts_with("containerd-shim-fake-v1 0."), "{version}");
        assert!(version.ends_with("engine: fake 1.0.0\n"), "{version}");
    }
}
