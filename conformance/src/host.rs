//! The child's side of the engine driver: a process that hosts one guest on an engine and ends as the guest did.
//!
//! A test binary calls itself again for it, and so does `shimmer-conformance --driver engine` with the binary that it
//! is given.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::ExitCode;

use serde::{Deserialize, Serialize};
use shimmer_engine::{
    Compiled, Directory, Engine, Error, ErrorKind, Exit, Guest, Program, Result, Source, Stop,
};

/// Asks a host what its engine is.
pub(crate) const DESCRIBE: &str = "--describe-engine";
/// Asks a host to run the guest that a folder describes.
pub(crate) const HOST: &str = "--host-guest-of";
/// Asks a host to compile the program of that folder, and no more.
pub(crate) const COMPILE: &str = "--compile-guest-of";
/// In that folder: what to run, the program, the guest's root, and why the guest did not run.
pub(crate) const ORDER: &str = "order.json";
pub(crate) const PROGRAM: &str = "program";
pub(crate) const ROOT: &str = "root";
pub(crate) const COMPILED: &str = "compiled";
pub(crate) const REFUSAL: &str = "refusal";
/// As SIGABRT ends a native program.
const TRAP: u8 = 134;

/// What a host is to run.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Order {
    pub(crate) file: String,
    pub(crate) function: String,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) form: Form,
    /// The engine's fingerprint, as another process has seen it.
    pub(crate) fingerprint: String,
}

/// In which form the engine gets the program.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) enum Form {
    /// Compiled by another process, which has ended.
    Compiled,
    Source,
    /// Compiled, and the engine has to map the file.
    Mapped,
    /// Compiled, and loaded, but not run.
    Unstarted,
    /// A compiled file of nobody's, as a cache might hold after a crash.
    Stale,
}

/// What an engine says of itself.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Description {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) claims: Vec<String>,
    pub(crate) fingerprint: String,
}

impl Form {
    /// Whether it takes a file that the engine has compiled.
    pub(crate) fn is_compiled(self) -> bool {
        matches!(self, Self::Compiled | Self::Mapped | Self::Unstarted)
    }
}

impl Description {
    pub(crate) fn of(engine: &dyn Engine) -> Self {
        let info = engine.info();
        let claims = info.capabilities.list().into_iter().filter(|(_, _, claimed)| *claimed);
        Self {
            name: info.name.to_owned(),
            claims: claims.map(|(name, _, _)| name.to_owned()).collect(),
            version: info.version,
            fingerprint: engine.fingerprint().to_string(),
        }
    }
}

/// In a child: does what the arguments say, and gives its exit code; nothing in a process that is no child.
pub(crate) fn child(engine: &dyn Engine) -> Option<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [DESCRIBE] => {
            let description = serde_json::to_string(&Description::of(engine));
            println!("{}", description.expect("strings and lists are always JSON"));
            Some(ExitCode::SUCCESS)
        }
        [HOST, folder] => Some(end(host(engine, Path::new(folder)), engine, Path::new(folder))),
        [COMPILE, folder] => {
            let folder = Path::new(folder);
            Some(end(compile(engine, folder), engine, folder))
        }
        _ => None,
    }
}

fn end(ended: Result<Exit>, engine: &dyn Engine, folder: &Path) -> ExitCode {
    match ended {
        Ok(Exit::Code(code)) => ExitCode::from(code),
        Ok(Exit::Drained) => ExitCode::SUCCESS,
        Ok(Exit::Trap(message)) => {
            // A guest's stderr that nobody reads is no reason for another status.
            let _unread = writeln!(io::stderr(), "{message}");
            ExitCode::from(TRAP)
        }
        Err(error) => {
            let error = error.with("engine", engine.info().to_string());
            let written = fs::write(folder.join(REFUSAL), error.to_string());
            if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
    }
}

fn host(engine: &dyn Engine, folder: &Path) -> Result<Exit> {
    let (order, source) = program(folder)?;
    let named = |error: Error| error.with("file", &order.file);
    let info = engine.info();
    info.admit(source.needs(), &order.function).map_err(named)?;
    let program = match order.form {
        Form::Source => Program::Source(source),
        Form::Stale => stale(&source, folder)?,
        Form::Compiled | Form::Mapped | Form::Unstarted => trusted(&source, folder)?,
    };
    let instance = engine.load(program).map_err(named)?;
    if engine.info() != info || engine.fingerprint().as_str() != order.fingerprint {
        return Err(Error::new(ErrorKind::Engine, "the engine names itself otherwise than it did before"));
    }
    match order.form {
        Form::Unstarted => return Ok(Exit::Code(0)),
        Form::Mapped => ensure_mapped(&folder.join(COMPILED))?,
        _ => {}
    }
    let (stop, _stopper) = Stop::pair()?;
    let guest = Guest {
        env: order.env,
        function: order.function,
        directories: vec![Directory { host: folder.join(ROOT), guest: "/".into() }],
        ..Guest::new(order.args, stop)
    };
    instance.run(&guest)
}

fn compile(engine: &dyn Engine, folder: &Path) -> Result<Exit> {
    let (order, source) = program(folder)?;
    let admitted = engine.info().admit(source.needs(), &order.function);
    let compiled = admitted.and_then(|()| engine.compile(&source, &folder.join(COMPILED)));
    compiled.map(|()| Exit::Code(0)).map_err(|error| error.with("file", &order.file))
}

fn program(folder: &Path) -> Result<(Order, Source)> {
    let order = fs::read(folder.join(ORDER))?;
    let order: Order = serde_json::from_slice(&order).map_err(io::Error::from)?;
    let source = Source::parse(fs::read(folder.join(PROGRAM))?);
    let source = source.map_err(|error| error.with("file", &order.file))?;
    Ok((order, source))
}

fn ensure_mapped(file: &Path) -> Result<()> {
    let inode = format!(" {} ", file.metadata()?.ino());
    if fs::read_to_string("/proc/self/maps")?.lines().any(|line| line.contains(&inode)) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Engine, "the compiled file is not mapped, so no two containers can share it"))
}

fn stale(source: &Source, folder: &Path) -> Result<Program> {
    let output = folder.join(COMPILED);
    fs::write(&output, "neither native code nor WebAssembly")?;
    // SAFETY: not kept, on purpose; but the bytes are text, which no engine takes for code.
    Ok(Program::Compiled(unsafe { Compiled::trust(File::open(&output)?, source.needs().clone()) }))
}

fn trusted(source: &Source, folder: &Path) -> Result<Program> {
    let file = File::open(folder.join(COMPILED))?;
    // SAFETY: this engine has compiled the file, in the host that was asked to `COMPILE`, and only the run has access.
    Ok(Program::Compiled(unsafe { Compiled::trust(file, source.needs().clone()) }))
}
