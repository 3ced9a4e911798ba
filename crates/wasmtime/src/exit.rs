use shimmer_engine::{Error, ErrorKind, Exit};
use wasmtime_wasi::I32Exit;

/// How a guest ended whose call came back with an error.
pub(crate) fn from_error(error: &wasmtime::Error) -> Exit {
    match error.downcast_ref::<I32Exit>() {
        Some(I32Exit(code)) => Exit::with_code(*code as u32),
        None => Exit::Trap(format!("{error:?}")),
    }
}

/// The error for a program whose imports the engine cannot resolve.
pub(crate) fn unlinkable(error: wasmtime::Error) -> Error {
    Error::new(ErrorKind::Unsupported, "the program cannot be linked").because(error)
}
