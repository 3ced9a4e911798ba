//! The process that a guest runs in.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use shimmer_engine::{Compiled, Engine, Exit, Guest, Program, Source, Stop};

use crate::kernel::Kernel;

/// What tells a child from the bench: this word, the wasm, the compiled file, the kernel, its size.
const CHILD: &str = "--as-guest-of";

/// Starts guests of one compiled file.
pub(crate) struct Child {
    compiled: PathBuf,
    wasm: PathBuf,
}

/// How long the phases of one guest took.
pub(crate) struct Times {
    pub(crate) load: Duration,
    pub(crate) run: Duration,
}

impl Child {
    pub(crate) fn new(compiled: PathBuf, source: &Source) -> Self {
        let wasm = compiled.with_extension("wasm");
        std::fs::write(&wasm, source.wasm()).expect("the folder is ours");
        Self { compiled, wasm }
    }

    pub(crate) fn times(&self, kernel: Kernel, size: u32) -> Times {
        let mut child = Command::new(std::env::current_exe().expect("a process knows its program"))
            .arg(CHILD)
            .args([&self.wasm, &self.compiled])
            .args([kernel.name(), &size.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the bench can start itself again");
        let mut report = String::new();
        child.stderr.take().expect("it is piped").read_to_string(&mut report).expect("it is text");
        let status = child.wait().expect("it was started");
        let times: Vec<u64> = report.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let [load, run] = times[..] else { panic!("the guest ended with {status} and said: {report}") };
        Times { load: Duration::from_nanos(load), run: Duration::from_nanos(run) }
    }
}

/// In a child: runs the guest that the arguments name, and reports on stderr in nanoseconds. Says whether it was one.
pub(crate) fn serve(engine: &dyn Engine) -> bool {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, word, wasm, compiled, kernel, size] = arguments.as_slice() else { return false };
    if word != CHILD {
        return false;
    }
    let source = Source::parse(std::fs::read(wasm).expect("the bench wrote it")).expect("it is valid");
    let file = File::open(compiled).expect("the bench compiled it");
    // SAFETY: the bench has compiled the file with this engine, in a folder of its own.
    let compiled = unsafe { Compiled::trust(file, source.needs().clone()) };
    let (stop, _stopper) = Stop::pair().expect("a pipe");
    let guest = Guest::new(vec!["compute".into(), kernel.clone(), size.clone()], stop);
    let start = Instant::now();
    let instance = engine.load(Program::Compiled(compiled)).expect("it was compiled by this engine");
    let loaded = Instant::now();
    let exit = instance.run(&guest).expect("it runs");
    let ended = Instant::now();
    assert_eq!(exit, Exit::Code(0), "the guest did its work");
    #[expect(clippy::print_stderr, reason = "this is how a child answers; stdout is the guest's")]
    {
        eprintln!("{} {}", (loaded - start).as_nanos(), (ended - loaded).as_nanos());
    }
    true
}
