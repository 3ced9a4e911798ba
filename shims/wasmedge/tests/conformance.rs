//! Holds the shim to the cases, under a private containerd.

use std::process::ExitCode;

use shimmer_engine::Engine;

fn main() -> ExitCode {
    shimmer_conformance::task(
        env!("CARGO_BIN_EXE_containerd-shim-wasmedge-v1"),
        &shimmer_wasmedge::WasmEdge.info(),
    )
}
