//! Holds runc to the cases of Kubernetes in a private cluster: a case that fails here is wrong itself.

use std::process::ExitCode;

fn main() -> ExitCode {
    match shimmer_node::runc_shim() {
        Ok(shim) => shimmer_conformance::cluster(&shim.to_string_lossy(), &[], env!("CARGO_TARGET_TMPDIR")),
        Err(error) => {
            println!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
