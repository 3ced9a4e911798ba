//! Shimmer's engines as shims on `containerd-shim-wasm`, the library of the runwasi project.
//!
//! Shimmer's own host is another: `crates/shim` and `crates/container`. This adapter is for people who have a shim on
//! `containerd-shim-wasm` already, with what they built around it, and want one of our engines in it, or one of theirs
//! that implements [`Engine`]: their `main` is one call of [`main`], as in `examples/runwasi`.
//!
//! | | this adapter | Shimmer's own host |
//! |---|---|---|
//! | owns the task service and the container | `containerd-shim-wasm` | Shimmer |
//! | a guest is | a fork of the shim | a process of the engine's program |
//! | compiled code is kept | of artifacts, in containerd's content store | of every program, in a folder of the node |
//! | a guest gets compiled code | as a copy in memory | as an open file, which all containers share |
//!
//! What is the same is decided here as there: what a guest gets to see, and how its end is reported. What the library
//! decides is another thing: its limits are listed in `docs/runwasi.md`, and the cases that they fail in
//! `conformance/expectations/runwasi.toml`.

mod compiler;
mod envelope;
mod guest;
mod host;
mod privilege;
mod program;
mod signal;
mod status;
mod stdin;

use std::process::ExitCode;

use containerd_shim_wasm::shim::Cli;
use shimmer_engine::Engine;

use crate::host::Host;

/// The whole of a shim's `main`.
///
/// `--version` and `--help` are answered here; everything else is containerd speaking, in the flags of its runtime v2
/// protocol.
#[must_use]
pub fn main<E: Engine + Default + 'static>() -> ExitCode {
    let mut arguments = std::env::args();
    let shim = name(&arguments.next().unwrap_or_default());
    let answer = match (arguments.next().as_deref(), arguments.next()) {
        (Some("--version" | "-version" | "-v"), None) => version(&shim, &E::default()),
        (Some("--help" | "-help" | "-h"), None) => help(&shim, &E::default()),
        _ => {
            Host::<E>::run(None);
            return ExitCode::SUCCESS;
        }
    };
    println!("{answer}");
    ExitCode::SUCCESS
}

/// The part of the file's name that stands in the runtime's: whoever builds a shim names it.
fn name(program: &str) -> String {
    let file = program.rsplit('/').next().unwrap_or_default();
    file.strip_prefix("containerd-shim-").and_then(|rest| rest.strip_suffix("-v1")).unwrap_or(file).to_owned()
}

fn version(shim: &str, engine: &dyn Engine) -> String {
    format!("containerd-shim-{shim}-v1 {}\nengine: {}", env!("CARGO_PKG_VERSION"), engine.info())
}

fn help(shim: &str, engine: &dyn Engine) -> String {
    format!(
        "containerd-shim-{shim}-v1: runs WebAssembly containers under containerd, on {}\n\n\
         containerd starts this program by itself. Put it into a folder of containerd's PATH and choose it with\n\
         \x20 runtime_type = \"io.containerd.{shim}.v1\"\n\n\
         Options:\n\
         \x20 --version  the versions of the shim and of its engine\n\
         \x20 --help     this text\n\n\
         Exit status: 0 done, 1 containerd's request failed",
        engine.info().name
    )
}

#[cfg(test)]
mod tests {
    use shimmer_engine::fake::FakeEngine;

    use super::*;

    #[test]
    fn the_version_names_the_shim_and_the_engine() {
        let shim = name("/usr/local/bin/containerd-shim-mine-v1");
        let version = version(&shim, &FakeEngine::default());
        assert!(version.starts_with("containerd-shim-mine-v1 0."), "{version}");
        assert!(version.ends_with("engine: fake 1.0.0"), "{version}");
    }
}
