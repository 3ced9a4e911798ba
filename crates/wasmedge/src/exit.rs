use shimmer_engine::{Error, ErrorKind, Exit};

/// How a guest ended that trapped. WasmEdge names the sort and gives no backtrace.
pub(crate) fn trap(message: &str, function: &str) -> Exit {
    Exit::Trap(format!("wasm trap: {message}, in a call of the export `{function}`"))
}

/// The error for a program whose imports the engine cannot resolve.
pub(crate) fn unlinkable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Unsupported, "the program cannot be linked").because(error)
}
