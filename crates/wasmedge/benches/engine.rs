//! Hosts the engine for the benches: `cargo xtask bench`.

use std::process::ExitCode;

fn main() -> ExitCode {
    shimmer_benches::host::main::<shimmer_wasmedge::WasmEdge>()
}
