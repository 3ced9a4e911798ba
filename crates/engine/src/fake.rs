//! An engine without an engine, for tests of hosts: it runs scripts that stand in a custom section of a module.
//!
//! It keeps the whole contract (a file of "native code" with its fingerprint, refusal of stale ones, exits and traps),
//! so that a host or a harness is tested in milliseconds, and it can be [broken](FakeEngine::broken) on purpose, so
//! that a suite can prove that it notices.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::Path;

use wasm_encoder::{
    CodeSection, CustomSection, ExportKind, ExportSection, Function, FunctionSection, Module, TypeSection,
};
use wasmparser::{Parser, Payload};

use crate::{
    Capabilities, Engine, Error, ErrorKind, Exit, Fingerprint, Guest, Info, Instance, Program, Result,
    Source, Stop,
};

const SECTION: &str = "shimmer-fake";

/// A module that exports `_start` and tells a [`FakeEngine`] what to do, one step a line:
///
/// | step | does |
/// |---|---|
/// | `stdout TEXT`, `stderr TEXT` | writes a line |
/// | `args`, `env` | writes each argument, each variable as a line |
/// | `exit N` | ends with a status |
/// | `trap TEXT` | traps |
/// | `fail TEXT` | makes [`Instance::run`] return an error |
/// | `serve` | waits for [`Guest::stop`], as a server does |
#[must_use]
pub fn module(script: &str) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut exports = ExportSection::new();
    exports.export("_start", ExportKind::Func, 0);
    let mut code = CodeSection::new();
    let mut body = Function::new([]);
    body.instructions().end();
    code.function(&body);
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&exports).section(&code);
    module.section(&CustomSection { name: SECTION.into(), data: script.as_bytes().into() });
    module.finish()
}

/// See the [module](self).
#[derive(Clone, Debug, Default)]
pub struct FakeEngine {
    /// What it claims.
    pub capabilities: Capabilities,
    /// What it does wrong.
    pub broken: Option<Defect>,
}

/// What a broken [`FakeEngine`] does wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Defect {
    /// Ends with a status that is one too high.
    ExitCode,
    /// Does not write the last line.
    LastLine,
}

impl FakeEngine {
    /// An engine with one defect.
    #[must_use]
    pub fn broken(defect: Defect) -> Self {
        Self { broken: Some(defect), ..Self::default() }
    }
}

impl Engine for FakeEngine {
    fn info(&self) -> Info {
        Info { name: "fake", version: "1.0.0".into(), capabilities: self.capabilities }
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::new(["fake", "1.0.0"])
    }

    fn compile(&self, source: &Source, output: &Path) -> Result<()> {
        let compiled = format!("{}\n{}", self.fingerprint(), script(source.wasm())?);
        Ok(fs::write(output, compiled)?)
    }

    fn load(&self, program: Program) -> Result<Box<dyn Instance>> {
        let script = match &program {
            Program::Source(source) => script(source.wasm())?,
            Program::Compiled(compiled) => {
                let mut text = String::new();
                compiled.file().read_to_string(&mut text)?;
                let body =
                    text.strip_prefix(self.fingerprint().as_str()).and_then(|rest| rest.strip_prefix('\n'));
                body.map(str::to_owned)
                    .ok_or_else(|| Error::new(ErrorKind::Stale, "the compiled file is another engine's"))?
            }
        };
        Ok(Box::new(Script { steps: script, broken: self.broken }))
    }
}

fn script(wasm: &[u8]) -> Result<String> {
    for payload in Parser::new(0).parse_all(wasm) {
        match payload
            .map_err(|error| Error::new(ErrorKind::Invalid, "the module is damaged").because(error))?
        {
            Payload::CustomSection(section) if section.name() == SECTION => {
                return Ok(String::from_utf8_lossy(section.data()).into_owned());
            }
            _ => {}
        }
    }
    Err(Error::new(ErrorKind::Unsupported, "the fake engine runs scripts only, and this module has none"))
}

#[derive(Debug)]
struct Script {
    steps: String,
    broken: Option<Defect>,
}

impl Instance for Script {
    fn drains(&self) -> bool {
        self.steps.lines().any(|step| step == "serve")
    }

    fn run(self: Box<Self>, guest: &Guest) -> Result<Exit> {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let exit = self.play(guest, &mut stdout, &mut stderr);
        if self.broken == Some(Defect::LastLine) {
            let kept = stdout.iter().rev().skip(1).position(|byte| *byte == b'\n');
            stdout.truncate(kept.map_or(0, |tail| stdout.len() - tail - 1));
        }
        std::io::stdout().write_all(&stdout).and_then(|()| std::io::stdout().flush())?;
        std::io::stderr().write_all(&stderr)?;
        exit
    }
}

impl Script {
    fn play(&self, guest: &Guest, stdout: &mut Vec<u8>, stderr: &mut Vec<u8>) -> Result<Exit> {
        for step in self.steps.lines() {
            let (verb, text) = step.split_once(' ').unwrap_or((step, ""));
            match verb {
                "stdout" => writeln!(stdout, "{text}")?,
                "stderr" => writeln!(stderr, "{text}")?,
                "args" => guest.args.iter().try_for_each(|arg| writeln!(stdout, "{arg}"))?,
                "env" => guest.env.iter().try_for_each(|(name, value)| writeln!(stdout, "{name}={value}"))?,
                "exit" => return Ok(self.exit(text)),
                "trap" => return Ok(Exit::Trap(text.to_owned())),
                "fail" => return Err(Error::new(ErrorKind::Engine, text)),
                "serve" => return serve(&guest.stop),
                _ => return Err(Error::new(ErrorKind::Invalid, format!("`{step}` is no step of a script"))),
            }
        }
        Ok(self.exit("0"))
    }

    fn exit(&self, code: &str) -> Exit {
        let code = code.parse().unwrap_or(u32::MAX);
        Exit::with_code(if self.broken == Some(Defect::ExitCode) { code + 1 } else { code })
    }
}

fn serve(stop: &Stop) -> Result<Exit> {
    let requests = fs::File::from(stop.as_fd().try_clone_to_owned()?);
    // One byte, or the end of the pipe where the host has gone.
    std::io::copy(&mut requests.take(1), &mut std::io::sink())?;
    Ok(Exit::Drained)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Compiled;

    fn guest() -> (Guest, crate::Stopper) {
        let (stop, stopper) = Stop::pair().expect("a pipe");
        let guest = Guest::new(vec!["app".into()], stop);
        (guest, stopper)
    }

    fn source(script: &str) -> Source {
        Source::parse(module(script)).expect("the fake's modules are valid")
    }

    fn run(engine: &FakeEngine, script: &str) -> Result<Exit> {
        engine.load(Program::Source(source(script)))?.run(&guest().0)
    }

    #[test]
    fn ends_as_the_script_says() {
        let engine = FakeEngine::default();
        assert_eq!(run(&engine, "exit 3").expect("it ran"), Exit::Code(3));
        assert_eq!(run(&engine, "trap unreachable").expect("it ran"), Exit::Trap("unreachable".into()));
        assert_eq!(run(&engine, "fail no").expect_err("it did not").kind(), ErrorKind::Engine);
    }

    #[test]
    fn loads_what_it_compiled() {
        let engine = FakeEngine::default();
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("compiled");
        let source = source("exit 4");
        engine.compile(&source, &path).expect("it compiles");
        let file = fs::File::open(&path).expect("it is there");
        // SAFETY: the file was compiled two lines above, in a folder of our own.
        let compiled = unsafe { Compiled::trust(file, source.needs().clone()) };
        let instance = engine.load(Program::Compiled(compiled)).expect("it loads");
        assert_eq!(instance.run(&guest().0).expect("it runs"), Exit::Code(4));
    }

    #[test]
    fn refuses_a_file_of_another_engine() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("compiled");
        fs::write(&path, "other-9\nexit 0").expect("written");
        // SAFETY: the fake executes no file; it reads it as text.
        let compiled =
            unsafe { Compiled::trust(fs::File::open(&path).expect("open"), source("").needs().clone()) };
        let error = FakeEngine::default().load(Program::Compiled(compiled)).err().expect("refused");
        assert_eq!(error.kind(), ErrorKind::Stale);
    }

    #[test]
    fn a_server_drains_when_it_is_stopped() {
        let instance = FakeEngine::default().load(Program::Source(source("serve"))).expect("it loads");
        assert!(instance.drains());
        let (guest, stopper) = guest();
        drop(stopper);
        assert_eq!(instance.run(&guest).expect("it runs"), Exit::Drained);
    }

    #[test]
    fn a_broken_fake_is_broken() {
        let exit = run(&FakeEngine::broken(Defect::ExitCode), "exit 3").expect("it ran");
        assert_eq!(exit, Exit::Code(4));
    }
}
