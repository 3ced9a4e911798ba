//! `containerd-shim-wasmedge-v1`: WasmEdge under containerd.

use std::process::ExitCode;

fn main() -> ExitCode {
    shimmer_shim::main::<shimmer_wasmedge::WasmEdge>()
}
