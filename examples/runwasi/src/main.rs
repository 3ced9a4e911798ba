//! `containerd-shim-runwasi-v1`: Wasmtime under containerd, on the shim library of the runwasi project.

use std::process::ExitCode;

fn main() -> ExitCode {
    shimmer_runwasi::main::<shimmer_wasmtime::Wasmtime>()
}
