//! `containerd-shim-wasmedge-v1`: WasmEdge under containerd. The engine itself is `shimmer-wasmedge`.

use std::process::ExitCode;

fn main() -> ExitCode {
    shimmer_shim::main("wasmedge", "0.17.1")
}
