//! Holds the shim to the cases of a container's life, under a private containerd; `cargo xtask conformance` plays the
//! rest.

use std::process::ExitCode;

use shimmer_conformance::{Level, Profile};

fn main() -> ExitCode {
    shimmer_conformance::part_of_shim(
        env!("CARGO_BIN_EXE_containerd-shim-runwasi-v1"),
        &["../../conformance/expectations/runwasi.toml", "../../conformance/expectations/wasmtime.toml"],
        &[Profile::Core],
        &[Level::Task],
    )
}
