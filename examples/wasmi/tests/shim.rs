//! Holds the shim to the cases, under a private containerd.

use std::process::ExitCode;

fn main() -> ExitCode {
    shimmer_conformance::shim(
        env!("CARGO_BIN_EXE_containerd-shim-wasmi-v1"),
        &["../../conformance/expectations/host.toml", "expectations.toml"],
        env!("CARGO_TARGET_TMPDIR"),
    )
}
