//! `containerd-shim-wasmtime-v1`: Wasmtime under containerd.

use std::process::ExitCode;

fn main() -> ExitCode {
    shimmer_shim::main::<shimmer_wasmtime::Wasmtime>()
}
