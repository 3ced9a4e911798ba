//! Holds the engine to the cases that need no containerd.

use std::process::ExitCode;

fn main() -> ExitCode {
    shimmer_conformance::engine::<shimmer_wasmer::Wasmer>(
        &["../../conformance/expectations/wasmer.toml"],
        env!("CARGO_TARGET_TMPDIR"),
    )
}
