//! containerd on one side, a WebAssembly [`Engine`] on the other: the only crate that knows containerd.
//!
//! This host stands on `containerd-shim-wasm`, which owns the task service and the container; what is decided here is
//! what a guest gets to see and how its end is reported. Its limits are listed in `docs/behaviour.md`.

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
    let mut arguments = std::env::args().skip(1);
    let answer = match (arguments.next().as_deref(), arguments.next()) {
        (Some("--version" | "-version" | "-v"), None) => version(&E::default()),
        (Some("--help" | "-help" | "-h"), None) => help(&E::default()),
        _ => {
            Host::<E>::run(None);
            return ExitCode::SUCCESS;
        }
    };
    println!("{answer}");
    ExitCode::SUCCESS
}

fn version(engine: &dyn Engine) -> String {
    let engine = engine.info();
    format!("containerd-shim-{}-v1 {}\nengine: {engine}", engine.name, env!("CARGO_PKG_VERSION"))
}

fn help(engine: &dyn Engine) -> String {
    let name = engine.info().name;
    format!(
        "containerd-shim-{name}-v1: runs WebAssembly containers under containerd\n\n\
         containerd starts this program by itself. Put it into a folder of containerd's PATH and choose it with\n\
         \x20 runtime_type = \"io.containerd.{name}.v1\"\n\n\
         Options:\n\
         \x20 --version  the versions of the shim and of its engine\n\
         \x20 --help     this text\n\n\
         Exit status: 0 done, 1 containerd's request failed"
    )
}

#[cfg(test)]
mod tests {
    use shimmer_engine::fake::FakeEngine;

    use super::*;

    #[test]
    fn the_version_names_the_shim_and_the_engine() {
        let version = version(&FakeEngine::default());
        assert!(version.starts_with("containerd-shim-fake-v1 0."), "{version}");
        assert!(version.ends_with("engine: fake 1.0.0"), "{version}");
    }
}
