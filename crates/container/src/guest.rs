use std::fs;
use std::io::{self, Write};
use std::thread;

use shimmer_engine::{
    Compiled, Engine, Error, ErrorKind, Exit, Guest, Instance, Program, Result, Stop, Stopper,
};
use shimmer_oci::Process;

use crate::{capabilities, signal, status};

/// As much stack as a native program's first thread has: some engines run the guest on it.
const STACK: usize = 8 << 20;

/// A guest that is loaded and waits for its start.
pub(crate) struct Loaded {
    instance: Box<dyn Instance>,
    guest: Guest,
    stopper: Stopper,
}

impl Loaded {
    /// Admits and loads the program of a container.
    ///
    /// # Errors
    ///
    /// Those of [`Info::admit`](shimmer_engine::Info::admit) and [`Engine::load`].
    pub(crate) fn new(engine: &dyn Engine, process: &Process<'_>, compiled: Compiled) -> Result<Self> {
        signal::hold();
        let (stop, stopper) = Stop::pair()?;
        let guest = process.guest(directories_beside(process.cwd)?, stop)?;
        engine.info().admit(compiled.needs(), &guest.function)?;
        let instance = apart(|| engine.load(Program::Compiled(compiled)))??;
        Ok(Self { instance, guest, stopper })
    }

    /// Runs the guest to its end and returns the container's exit status.
    pub(crate) fn run(self) -> i32 {
        let Self { instance, guest, stopper } = self;
        signal::receive(instance.drains(), stopper);
        let prepared = capabilities::drop_as_execve_does().map_err(Error::from);
        let ended = prepared.and_then(|()| apart(|| instance.run(&guest))?);
        match ended {
            Ok(Exit::Code(code)) => code.into(),
            Ok(Exit::Drained) => signal::received().map_or(0, |signal| 128 + signal),
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

/// Ends the guest's process, without the destructors of what the monitor had in memory when it forked.
pub(crate) fn end(status: i32) -> ! {
    // What a guest wrote through Rust's stdout may still be in its buffer; where it leads nowhere, it is lost.
    let _ = io::stdout().flush();
    // SAFETY: _exit(2) ends the process, and nothing after it is reached.
    unsafe { libc::_exit(status) }
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

/// Calls an engine on a thread of its own, with the stack of a native program's, and turns its panic into an error.
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
