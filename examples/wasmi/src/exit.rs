use shimmer_engine::{Error, ErrorKind, Exit};

/// How a guest ended whose call of `function` came back with an error. Wasmi names the trap and gives no backtrace.
pub(crate) fn from_error(error: &wasmi::Error, function: &str) -> Exit {
    match error.i32_exit_status() {
        Some(status) => Exit::with_code(status as u32),
        None => Exit::Trap(format!("wasm trap: {error}, in a call of the export `{function}`")),
    }
}

/// The error for a program whose imports the engine cannot resolve.
pub(crate) fn unlinkable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Unsupported, "the program cannot be linked").because(error)
}
