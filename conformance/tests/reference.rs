//! Holds runc to the cases that have a native twin: what containers do under it is what they must do.

use std::process::ExitCode;

fn main() -> ExitCode {
    match shimmer_node::runc_shim() {
        Ok(shim) => shimmer_conformance::shim(&shim.to_string_lossy(), &[], env!("CARGO_TARGET_TMPDIR")),
        Err(error) => {
            println!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
