//! `shimmer-wasmtime`: Wasmtime, for the containers of `containerd-shim-wasmtime-v1`.

use std::process::ExitCode;

fn main() -> ExitCode {
    shimmer_container::main::<shimmer_wasmtime::Wasmtime>()
}
