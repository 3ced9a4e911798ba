use std::fs;
use std::path::Path;

use shimmer_engine::{
    Capabilities, Engine, Error, ErrorKind, Fingerprint, Info, Instance, Program, Result, Source,
};
use wasmedge_sdk::{Compiler, Module};

use crate::jit::InMemory;
use crate::module::Main;
use crate::settings;

/// The WasmEdge engine.
#[derive(Clone, Copy, Debug, Default)]
pub struct WasmEdge;

impl Engine for WasmEdge {
    fn info(&self) -> Info {
        let mut capabilities = Capabilities::default();
        capabilities.memory64 = true;
        capabilities.simd = true;
        capabilities.sockets = true;
        Info { name: "wasmedge", version: settings::version(), capabilities }
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::new(["wasmedge", &settings::version(), &settings::processor()])
    }

    fn compile(&self, source: &Source, output: &Path) -> Result<()> {
        let config = settings::config()?;
        let compiler = Compiler::new(Some(&config)).map_err(settings::refused)?;
        let (Some(folder), Some(name)) = (output.parent(), output.file_name()) else {
            return Err(Error::new(ErrorKind::Io, "the output has no file name"));
        };
        // The SDK adds an extension of its own choice to the name that it is given.
        let written = compiler
            .compile_from_bytes(source.wasm(), name.to_string_lossy(), folder)
            .map_err(|error| source.refused(error))?;
        Ok(fs::rename(written, output)?)
    }

    fn load(&self, program: Program) -> Result<Box<dyn Instance>> {
        Ok(match &program {
            Program::Source(source) => Box::new(InMemory::load(source)?),
            Program::Compiled(compiled) => {
                let config = settings::config()?;
                let module = Module::from_file(Some(&config), compiled.path()).map_err(|error| {
                    Error::new(ErrorKind::Stale, "the compiled file is not this engine's").because(error)
                })?;
                Box::new(Main::link(config, module)?)
            }
        })
    }
}
