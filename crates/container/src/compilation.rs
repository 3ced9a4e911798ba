use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};

use shimmer_engine::{Error, ErrorKind, Result};
use shimmer_oci::{Digest, MAX_PROGRAM_SIZE};

use crate::wire::{Compile, Report};
use crate::zygote::Estate;
use crate::{Connection, Failure, capabilities};

/// How long compiling may take, in seconds: a hundred times what the largest known component needs here.
const SECONDS: u32 = 600;
/// How much private memory it may take, in bytes: ten times what the largest known component needs.
const MEMORY: u64 = 4 << 30;
/// How large a file of native code may become, in bytes.
const OUTPUT: u64 = 4 << 30;

/// Compiles a program in this process, a fork of the zygote that lives for nothing else, and reports.
///
/// The program is a stranger's: whatever its compilation does to this process, the shim sees a refusal.
pub(crate) fn compile(connection: &Connection, estate: &Estate, request: &Compile, program: Option<OwnedFd>) {
    let answer = limit().map_err(Failure::from).and_then(|()| {
        let program = program.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        write(estate, request, File::from(program))
            .map_err(|error| Failure::refusal(&estate.title(), &error.with("file", request.name.clone())))
    });
    // A shim that does not listen any more has no use for it.
    let _ = match answer {
        Ok((digest, needs)) => connection.send(&Report::Compiled { digest }, &[needs.as_fd()]),
        Err(failure) => connection.send(&Report::Failed(failure), &[]),
    };
}

fn write(estate: &Estate, request: &Compile, program: File) -> Result<(String, File)> {
    let engine = estate.engine().ok_or_else(|| Error::new(ErrorKind::Engine, "there is no engine here"))?;
    let mut bytes = Vec::new();
    // One byte more than a program may have, so that a larger one is refused and not cut.
    program.take(MAX_PROGRAM_SIZE + 1).read_to_end(&mut bytes)?;
    let digest = Digest::of(&bytes).to_string();
    let source = shimmer_oci::program(&request.name, bytes)?;
    admit(engine, source.needs())?;
    engine.compile(&source, &request.output)?;
    let mut needs = in_memory()?;
    serde_json::to_writer(&mut needs, source.needs()).map_err(io::Error::from)?;
    needs.flush()?;
    needs.rewind()?;
    Ok((digest, needs))
}

/// What the engine cannot run need not be compiled. Which function is to be called is known only to the container.
fn admit(engine: &dyn shimmer_engine::Engine, needs: &shimmer_engine::Needs) -> Result<()> {
    let any = needs.functions.first().map_or("_start", String::as_str);
    engine.info().admit(needs, any)
}

fn in_memory() -> io::Result<File> {
    // SAFETY: the name is a C string, and the result is checked before it is used; nobody else owns the descriptor.
    unsafe {
        match libc::memfd_create(c"needs".as_ptr(), libc::MFD_CLOEXEC) {
            -1 => Err(io::Error::last_os_error()),
            descriptor => Ok(File::from_raw_fd(descriptor)),
        }
    }
}

fn limit() -> io::Result<()> {
    let set = |resource, value: u64| {
        let limit = libc::rlimit { rlim_cur: value, rlim_max: value };
        // SAFETY: setrlimit(2) reads the structure, which lives until it returns.
        if unsafe { libc::setrlimit(resource, &raw const limit) } == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    };
    set(libc::RLIMIT_DATA, MEMORY)?;
    set(libc::RLIMIT_FSIZE, OUTPUT)?;
    set(libc::RLIMIT_CPU, SECONDS.into())?;
    set(libc::RLIMIT_CORE, 0)?;
    // SAFETY: alarm(2) takes an integer; SIGALRM has its default disposition, which ends the process.
    unsafe { libc::alarm(SECONDS) };
    // SAFETY: nice(2) takes an integer. Starts that need no compiler go first.
    unsafe { libc::nice(5) };
    capabilities::drop_all()
}
