//! Holds the shim to the cases of Kubernetes, in a private cluster.

use std::process::ExitCode;

fn main() -> ExitCode {
    shimmer_conformance::cluster(
        env!("CARGO_BIN_EXE_containerd-shim-wasmtime-v1"),
        &["../../conformance/expectations/host.toml", "../../conformance/expectations/wasmtime.toml"],
        env!("CARGO_TARGET_TMPDIR"),
    )
}
