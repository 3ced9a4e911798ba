//! `containerd-shim-wasmi-v1`: Wasmi under containerd.

use std::process::ExitCode;

fn main() -> ExitCode {
    shimmer_shim::main("wasmi", "2.0.0")
}
