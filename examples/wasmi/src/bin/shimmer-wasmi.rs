//! `shimmer-wasmi`: the engine of `containerd-shim-wasmi-v1`, which looks for it in its own folder.

use std::process::ExitCode;

fn main() -> ExitCode {
    shimmer_container::main::<shimmer_wasmi::Wasmi>()
}
