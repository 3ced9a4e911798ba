//! `shimmer-wasmedge`: WasmEdge, for the containers of `containerd-shim-wasmedge-v1`.

use std::process::ExitCode;

fn main() -> ExitCode {
    shimmer_container::main::<shimmer_wasmedge::WasmEdge>()
}
