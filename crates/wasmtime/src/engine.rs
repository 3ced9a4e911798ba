use std::fs;
use std::hash::{Hash, Hasher};
use std::path::Path;

use shimmer_engine::{
    Capabilities, Engine, Error, ErrorKind, Fingerprint, Info, Instance, Kind, Program, Result, Source,
};
use wasmtime::component::Component;
use wasmtime::{Engine as Inner, Module};

use crate::component::Command;
use crate::http::Server;
use crate::module::Main;
use crate::settings;

/// The Wasmtime engine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wasmtime;

impl Engine for Wasmtime {
    fn info(&self) -> Info {
        let mut capabilities = Capabilities::default();
        capabilities.components = true;
        capabilities.http = true;
        capabilities.memory64 = true;
        capabilities.simd = true;
        Info { name: "wasmtime", version: settings::VERSION.into(), capabilities }
    }

    fn fingerprint(&self) -> Fingerprint {
        let mut settings = Bytes::default();
        // Settings that Wasmtime refuses make no code: `compile` and `load` report it.
        if let Ok(engine) = settings::engine(Kind::Module) {
            engine.precompile_compatibility_hash().hash(&mut settings);
        }
        Fingerprint::new(["wasmtime", settings::VERSION, &settings.0])
    }

    fn compile(&self, source: &Source, output: &Path) -> Result<()> {
        let engine = settings::engine(source.needs().kind)?;
        let compiled = match source.needs().kind {
            Kind::Module => engine.precompile_module(source.wasm()),
            _ => engine.precompile_component(source.wasm()),
        };
        Ok(fs::write(output, compiled.map_err(|error| source.refused(error))?)?)
    }

    fn load(&self, program: Program) -> Result<Box<dyn Instance>> {
        let engine = settings::engine(program.needs().kind)?;
        Ok(match program.needs().kind {
            Kind::Module => Box::new(Main::link(&module(&engine, &program)?)?),
            Kind::HttpHandler => Box::new(Server::link(&component(&engine, &program)?)?),
            Kind::Command | Kind::Library => Box::new(Command::link(&component(&engine, &program)?)?),
        })
    }
}

fn module(engine: &Inner, program: &Program) -> Result<Module> {
    match program {
        Program::Source(source) => Module::new(engine, source.wasm()).map_err(|error| source.refused(error)),
        Program::Compiled(compiled) => {
            // SAFETY: a `Compiled` exists only where its maker vouched for the file (`Compiled::trust`).
            let mapped = unsafe { Module::deserialize_file(engine, compiled.path()) };
            mapped.map_err(stale)
        }
    }
}

fn component(engine: &Inner, program: &Program) -> Result<Component> {
    match program {
        Program::Source(source) => {
            Component::new(engine, source.wasm()).map_err(|error| source.refused(error))
        }
        Program::Compiled(compiled) => {
            // SAFETY: as in `module`.
            let mapped = unsafe { Component::deserialize_file(engine, compiled.path()) };
            mapped.map_err(stale)
        }
    }
}

fn stale(error: wasmtime::Error) -> Error {
    Error::new(ErrorKind::Stale, "the compiled file is not this engine's").because(error)
}

/// Takes down in hexadecimal what a hash is fed with: the standard library's own hasher may change between releases.
#[derive(Default)]
struct Bytes(String);

impl Hasher for Bytes {
    fn finish(&self) -> u64 {
        0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.extend(bytes.iter().map(|byte| format!("{byte:02x}")));
    }
}
