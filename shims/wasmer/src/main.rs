//! `containerd-shim-wasmer-v1`: Wasmer under containerd. The engine itself is `shimmer-wasmer`.

use std::process::ExitCode;

fn main() -> ExitCode {
    shimmer_shim::main("wasmer", "7.3.0")
}
