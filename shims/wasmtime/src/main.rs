//! `containerd-shim-wasmtime-v1`: Wasmtime under containerd. The engine itself is `shimmer-wasmtime`.

use std::process::ExitCode;

fn main() -> ExitCode {
    shimmer_shim::main("wasmtime", "48.0.8")
}
