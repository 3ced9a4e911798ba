//! A process that does one thing on an engine, and reports how long it took and what it needed.
//!
//! One process for each thing, as in a container: a guest runs once in its process, and the most memory that a process
//! ever had can be read only of the whole of it.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use std::{env, fs, io};

use serde::{Deserialize, Serialize};
use shimmer_engine::{Compiled, Engine, Exit, Guest, Program, Source, Stop};

/// The first argument of every host.
pub const HOST: &str = "--host";

/// What a host is asked, in the words of its arguments after [`HOST`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Request {
    /// `info`: what engine it is.
    Info,
    /// `compile WASM OUTPUT`: compile a program into a file.
    Compile(String, String),
    /// `source WASM ARGUMENT...`: compile it in memory, and run it with these arguments after the program's name.
    Source(String, Vec<String>),
    /// `run WASM COMPILED ARGUMENT...`: load what was compiled, and run it with these arguments after the program's name.
    Run(String, String, Vec<String>),
}

/// The answer of a host: one line of JSON, the last on its stderr; stdout is the guest's.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Answer {
    /// The engine's name.
    pub name: String,
    /// The engine's version.
    pub version: String,
    /// Whether it claims components.
    pub components: bool,
    /// How long compiling took.
    pub compile: Duration,
    /// How long loading took.
    pub load: Duration,
    /// How long running took.
    pub run: Duration,
    /// The status that the guest ended with.
    pub code: u8,
    /// The most memory that the process has had, in KiB.
    pub peak: u64,
}

/// The `main` of a backend's bench target: does what the arguments ask for.
#[must_use]
pub fn main<E: Engine + Default>() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let answer = match Request::parse(&arguments) {
        Some(request) => answer(&E::default(), request),
        None => Err("this hosts an engine for the benches: run `cargo xtask bench`".into()),
    };
    tell(answer)
}

/// Answers, and ends with 0; or says what is wrong, and ends with 1.
#[must_use]
pub fn tell(answer: Result<Answer>) -> ExitCode {
    let (line, code) = match answer {
        Ok(answer) => (serde_json::to_string(&answer).unwrap_or_default(), ExitCode::SUCCESS),
        Err(error) => (error.to_string(), ExitCode::FAILURE),
    };
    // Where nobody listens, the status says it.
    let _ = writeln!(io::stderr(), "{line}");
    code
}

/// A sentence for whoever started the host.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

impl Request {
    /// What these arguments ask for; none where they are not a host's.
    #[must_use]
    pub fn parse(arguments: &[String]) -> Option<Self> {
        match arguments {
            [host, rest @ ..] if host == HOST => match rest {
                [word] if word == "info" => Some(Self::Info),
                [word, wasm, output] if word == "compile" => {
                    Some(Self::Compile(wasm.clone(), output.clone()))
                }
                [word, wasm, arguments @ ..] if word == "source" => {
                    Some(Self::Source(wasm.clone(), arguments.to_vec()))
                }
                [word, wasm, compiled, arguments @ ..] if word == "run" => {
                    Some(Self::Run(wasm.clone(), compiled.clone(), arguments.to_vec()))
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// The arguments that ask for it.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let words: Vec<&str> = match self {
            Self::Info => vec!["info"],
            Self::Compile(wasm, output) => vec!["compile", wasm, output],
            Self::Source(wasm, arguments) => {
                ["source", wasm].into_iter().chain(arguments.iter().map(String::as_str)).collect()
            }
            Self::Run(wasm, compiled, arguments) => {
                ["run", wasm, compiled].into_iter().chain(arguments.iter().map(String::as_str)).collect()
            }
        };
        [HOST].into_iter().chain(words).map(str::to_owned).collect()
    }
}

fn answer(engine: &dyn Engine, request: Request) -> Result<Answer> {
    let mut answer = match request {
        Request::Info => Answer::default(),
        Request::Compile(wasm, output) => {
            let source = source(&wasm)?;
            let begin = Instant::now();
            engine.compile(&source, Path::new(&output))?;
            Answer { compile: begin.elapsed(), ..Answer::default() }
        }
        Request::Source(wasm, arguments) => run(engine, Program::Source(source(&wasm)?), &wasm, arguments)?,
        Request::Run(wasm, compiled, arguments) => {
            run(engine, compiled_by_us(&wasm, &compiled)?, &wasm, arguments)?
        }
    };
    let info = engine.info();
    answer.name = info.name.to_owned();
    answer.components = info.capabilities.components;
    answer.version = info.version;
    answer.peak = peak()?;
    Ok(answer)
}

fn compiled_by_us(wasm: &str, compiled: &str) -> Result<Program> {
    // Only its needs are asked for: a shim has them from its cache, and what reading took is no part of the peak.
    let needs = source(wasm)?.needs().clone();
    forget_peak()?;
    let file = File::open(compiled)?;
    // SAFETY: the bench has compiled the file with this engine, in a folder of its own.
    Ok(Program::Compiled(unsafe { Compiled::trust(file, needs) }))
}

fn run(engine: &dyn Engine, program: Program, wasm: &str, arguments: Vec<String>) -> Result<Answer> {
    let name = Path::new(wasm).file_name().unwrap_or_default().display().to_string();
    let (stop, _stopper) = Stop::pair()?;
    let guest = Guest::new([vec![name], arguments].concat(), stop);
    let begin = Instant::now();
    let instance = engine.load(program)?;
    let loaded = Instant::now();
    let exit = instance.run(&guest)?;
    let ended = Instant::now();
    match exit {
        Exit::Code(code) => {
            Ok(Answer { load: loaded - begin, run: ended - loaded, code, ..Answer::default() })
        }
        Exit::Trap(trap) => Err(format!("the guest trapped: {trap}").into()),
        Exit::Drained => Err("the guest was asked to end, and nobody has".into()),
    }
}

fn source(wasm: &str) -> Result<Source> {
    Ok(Source::parse(fs::read(wasm).map_err(|error| format!("{wasm}: {error}"))?)?)
}

/// The most memory that this process has had, in KiB: of this program, not of the one that forked it.
///
/// # Errors
/// Where there is no `/proc`.
pub fn peak() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
    peak.ok_or_else(|| io::Error::other("/proc/self/status has no VmHWM"))
}

/// Lets [`peak`] begin anew, see `clear_refs` in proc(5).
fn forget_peak() -> io::Result<()> {
    fs::write("/proc/self/clear_refs", "5")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_understood_as_it_was_meant() {
        let text = str::to_owned;
        for request in [
            Request::Info,
            Request::Compile(text("a.wasm"), text("a.out")),
            Request::Source(text("a.wasm"), vec![text("0")]),
            Request::Run(text("a.wasm"), text("a.out"), vec![text("fib"), text("35")]),
        ] {
            assert_eq!(Request::parse(&request.arguments()), Some(request));
        }
        assert_eq!(Request::parse(&[text("--bench")]), None, "cargo's own");
        assert_eq!(Request::parse(&[text(HOST), text("fly")]), None);
    }

    #[test]
    fn a_process_knows_its_peak() {
        assert!(peak().expect("there is /proc") > 100, "a process has more than 100 KiB");
    }
}
