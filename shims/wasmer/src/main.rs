//! `containerd-shim-wasmer-v1`: Wasmer under containerd.

use std::process::ExitCode;

fn main() -> ExitCode {
    shimmer_shim::main::<shimmer_wasmer::Wasmer>()
}
