use std::fs;
use std::io::{self, Write};
use std::thread;

use containerd_shim_wasm::sandbox::context::RuntimeContext;
use shimmer_engine::{Engine, Error, ErrorKind, Exit, Guest, Instance, Result, Stop, Stopper};
use shimmer_oci::Process;

use crate::{privilege, program, signal, status, stdin};

/// As much stack as a native program's first thread has: some engines run the guest on it.
const STACK: usize = 8 << 20;

/// A guest that is loaded and waits for `start`.
pub(crate) struct Container {
    instance: Box<dyn Instance>,
    guest: Guest,
    stopper: Stopper,
}

impl Container {
    /// Resolves, admits and loads what the container is to run.
    pub(crate) fn load(engine: &dyn Engine, context: &impl RuntimeContext) -> Result<Self> {
        signal::hold();
        let cwd = std::env::current_dir()?;
        let cwd = cwd.to_str().ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, "the working directory's name is not UTF-8")
                .with("cwd", cwd.display().to_string())
        })?;
        let process = Process { args: context.args(), env: context.envs(), cwd };
        let (stop, stopper) = Stop::pair()?;
        let guest = process.guest(directories_beside(cwd)?, stop)?;
        let program = program::resolve(engine, &process, context.entrypoint().source)?;
        let file = process.entrypoint()?.name().to_owned();
        let named = |error: Error| error.with("file", file.clone());
        engine.info().admit(program.needs(), &guest.function).map_err(named)?;
        // The caller drives an asynchronous runtime on this thread, in which an engine could not have its own.
        let instance = apart(|| engine.load(program))?.map_err(named)?;
        Ok(Self { instance, guest, stopper })
    }

    /// Runs the guest to its end and returns the container's exit status.
    pub(crate) fn run(self) -> i32 {
        let Self { instance, guest, stopper } = self;
        signal::receive(instance.drains(), stopper);
        // Its input is opened before the rights to that may go.
        let prepared = stdin::let_end().and_then(|()| privilege::drop_as_execve_does()).map_err(Error::from);
        let ended = prepared.and_then(|()| apart(|| instance.run(&guest))?);
        match ended {
            Ok(Exit::Code(code)) => code.into(),
            Ok(Exit::Drained) => signal::received().map_or(0, status::of_signal),
            Ok(Exit::Trap(message)) => {
                report(&message);
                status::TRAP
            }
            Err(error) => {
                report(&error.to_string());
                status::of_error(&error)
            }
        }
    }
}

/// The names of the directories in the container's root, which matter to a guest that works elsewhere.
fn directories_beside(cwd: &str) -> Result<Vec<String>> {
    let mut names = Vec::new();
    if cwd == "/" {
        return Ok(names);
    }
    for entry in fs::read_dir("/")? {
        let entry = entry?;
        if fs::metadata(entry.path()).is_ok_and(|metadata| metadata.is_dir()) {
            names.extend(entry.file_name().into_string().ok());
        }
    }
    Ok(names)
}

/// Calls an engine on a thread of its own and turns its panic into an error.
fn apart<T: Send>(call: impl FnOnce() -> T + Send) -> Result<T> {
    thread::scope(|scope| {
        let thread =
            thread::Builder::new().name("guest".into()).stack_size(STACK).spawn_scoped(scope, call)?;
        thread.join().map_err(|panic| {
            let text = panic.downcast::<String>().map_or_else(|_| "no message".to_owned(), |text| *text);
            Error::new(ErrorKind::Engine, "the engine panicked").with("panic", text)
        })
    })
}

/// Writes to the container's stderr. Where nobody reads it, the exit status is all that is left to say.
fn report(message: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", message.trim_end());
}
