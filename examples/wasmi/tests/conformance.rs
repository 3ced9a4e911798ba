//! Holds the engine to the cases that need no containerd.

use std::process::ExitCode;

fn main() -> ExitCode {
    shimmer_conformance::engine::<shimmer_wasmi::Wasmi>(&["expectations.toml"], env!("CARGO_TARGET_TMPDIR"))
}
