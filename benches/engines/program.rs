//! The programs, in files of this run, and what is to be measured of each.

use std::fs;
use std::path::PathBuf;

use shimmer_benches::host::{Request, Result};
use shimmer_benches::python;
use shimmer_engine::{Kind, Source};
use tempfile::TempDir;

use crate::arguments::Arguments;
use crate::case::{Case, Subject};
use crate::engine::Engine;
use crate::kernel::{Guest, KERNELS, Kernel};
use crate::native;

const HELLO: &[u8] = include_bytes!("../../conformance/guests/prebuilt/hello.wasm");

/// A program whose way to its first instruction is measured.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) wasm_bytes: u64,
    is_component: bool,
    /// With these it ends at once.
    arguments: Vec<String>,
}

/// All programs, and the folder that they are compiled in.
pub(crate) struct Programs {
    folder: TempDir,
    all: Vec<Program>,
    kernels: Vec<&'static Kernel>,
}

impl Programs {
    /// Ours, or the one that was named.
    pub(crate) fn new(arguments: &Arguments) -> Result<Self> {
        let mut programs = Self { folder: TempDir::new()?, all: Vec::new(), kernels: Vec::new() };
        if let Some(module) = &arguments.module {
            let wasm = fs::read(module).map_err(|error| format!("{}: {error}", module.display()))?;
            let name = module.file_stem().unwrap_or_default().display().to_string();
            programs.add(&name, &wasm, arguments.arguments.clone())?;
            return Ok(programs);
        }
        programs.kernels = KERNELS.iter().collect();
        programs.add("hello", HELLO, Vec::new())?;
        if arguments.quick {
            return Ok(programs);
        }
        programs.add("logs", Guest::Logs.wasm(), vec!["0".into()])?;
        println!("the large component, in {}", arguments.cache.display());
        match python::component(&arguments.cache) {
            Ok(wasm) => programs.add("python", &wasm, Vec::new())?,
            Err(reason) => println!("the Python component is left out: {reason}"),
        }
        Ok(programs)
    }

    fn add(&mut self, name: &str, wasm: &[u8], arguments: Vec<String>) -> Result<()> {
        fs::write(self.path(name, "wasm"), wasm)?;
        self.all.push(Program {
            name: name.to_owned(),
            wasm_bytes: wasm.len() as u64,
            is_component: Source::parse(wasm.to_vec())?.needs().kind != Kind::Module,
            arguments,
        });
        Ok(())
    }

    /// Compiles everything once on every engine, and gives the cases.
    pub(crate) fn prepared(&self, engines: &[Engine], arguments: &Arguments) -> Result<Vec<Case>> {
        let mut cases = Vec::new();
        for program in &self.all {
            for engine in engines.iter().filter(|engine| engine.has_components || !program.is_component) {
                cases.extend(self.of_program(program, engine));
            }
        }
        for guest in Guest::ALL.into_iter().filter(|_| !self.kernels.is_empty()) {
            fs::write(self.path(guest.name(), "wasm"), guest.wasm())?;
        }
        let native = Engine::native()?;
        for kernel in &self.kernels {
            let size = kernel.size(arguments.quick);
            let line = kernel.line(size);
            let subject = |engine: &Engine| Subject::Kernel { kernel, size, engine: engine.name.clone() };
            for engine in engines {
                let (wasm, compiled) = self.files(kernel.guest.name(), engine);
                let run = Request::Run(wasm, compiled, kernel.arguments(size));
                cases.push(Case::new(subject(engine), engine, run.arguments()).prints(line.clone()));
            }
            let run = native::arguments(kernel, size);
            cases.push(Case::new(subject(&native), &native, run).prints(line));
        }
        self.compile(engines, &mut cases);
        Ok(cases)
    }

    /// Compiling, loading the source, and loading and running what was compiled.
    fn of_program(&self, program: &Program, engine: &Engine) -> [Case; 3] {
        let (wasm, compiled) = self.files(&program.name, engine);
        let output = self.path(&format!("{}-{}", program.name, engine.name), "new").display().to_string();
        let requests = [
            (Subject::compile as fn(_, _) -> _, Request::Compile(wasm.clone(), output.clone())),
            (Subject::source, Request::Source(wasm.clone(), program.arguments.clone())),
            (Subject::start, Request::Run(wasm, compiled, program.arguments.clone())),
        ];
        requests.map(|(subject, request)| {
            let is_compiling = matches!(request, Request::Compile(..));
            let case = Case::new(subject(program.clone(), engine.name.clone()), engine, request.arguments());
            if is_compiling { case.writes(output.clone().into()) } else { case }
        })
    }

    /// Lets every engine compile what its guests are loaded from; a case whose program does not compile has failed.
    fn compile(&self, engines: &[Engine], cases: &mut [Case]) {
        let programs = self.all.iter().map(|program| (program.name.clone(), program.is_component));
        let guests = Guest::ALL.iter().filter(|_| !self.kernels.is_empty());
        let guests = guests.map(|guest| (guest.name().to_owned(), false));
        let mut names: Vec<_> = programs.chain(guests).collect();
        names.sort();
        names.dedup();
        for (name, is_component) in names {
            for engine in engines.iter().filter(|engine| engine.has_components || !is_component) {
                let (wasm, compiled) = self.files(&name, engine);
                println!("compiling {name} on {}", engine.name);
                if let Err(error) = engine.call(&Request::Compile(wasm, compiled.clone()).arguments()) {
                    let fails = |case: &&mut Case| case.arguments.contains(&compiled);
                    cases.iter_mut().filter(fails).for_each(|case| case.failure = Some(error.to_string()));
                }
            }
        }
    }

    /// A program, and the file that an engine makes of it.
    fn files(&self, name: &str, engine: &Engine) -> (String, String) {
        let compiled = self.path(&format!("{name}-{}", engine.name), "compiled");
        (self.path(name, "wasm").display().to_string(), compiled.display().to_string())
    }

    fn path(&self, name: &str, extension: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.{extension}"))
    }
}
