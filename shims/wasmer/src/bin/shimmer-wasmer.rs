//! `shimmer-wasmer`: Wasmer, for the containers of `containerd-shim-wasmer-v1`.

use std::process::ExitCode;

fn main() -> ExitCode {
    shimmer_container::main::<shimmer_wasmer::Wasmer>()
}
