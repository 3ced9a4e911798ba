//! `containerd-shim-wasmi-v1`: Wasmi under containerd.

use std::process::ExitCode;

fn main() -> ExitCode {
    shimmer_shim::main::<shimmer_wasmi::Wasmi>()
}
