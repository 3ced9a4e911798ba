use shimmer_engine::{Error, ErrorKind, Exit};
use wasmer::RuntimeError;
use wasmer_wasix::WasiError;

/// How a guest ended whose call came back with an error.
pub(crate) fn from_error(error: RuntimeError) -> Exit {
    match error.downcast_ref::<WasiError>() {
        Some(WasiError::Exit(code)) => Exit::with_code(code.raw() as u32),
        Some(WasiError::ThreadExit) => Exit::Code(0),
        _ => Exit::Trap(error.to_string()),
    }
}

/// The error for a program whose imports the engine cannot resolve.
pub(crate) fn unlinkable(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Unsupported, "the program cannot be linked").because(error)
}
