use std::path::Path;

use shimmer_engine::{
    Capabilities, Engine, Error, ErrorKind, Fingerprint, Info, Instance, Program, Result, Source,
};
use wasmer::Module;

use crate::module::Main;
use crate::settings;

/// The Wasmer engine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wasmer;

impl Engine for Wasmer {
    fn info(&self) -> Info {
        let mut capabilities = Capabilities::default();
        capabilities.simd = true;
        capabilities.wasix = true;
        Info { name: "wasmer", version: settings::VERSION.into(), capabilities }
    }

    fn fingerprint(&self) -> Fingerprint {
        let target = format!("{:?}", settings::target());
        Fingerprint::new(["wasmer", settings::VERSION, &settings::engine().deterministic_id(), &target])
    }

    fn compile(&self, source: &Source, output: &Path) -> Result<()> {
        let module =
            Module::from_binary(&settings::engine(), source.wasm()).map_err(|error| source.refused(error))?;
        module.serialize_to_file(output).map_err(|error| {
            Error::new(ErrorKind::Io, "the compiled module cannot be written")
                .with("file", output.display().to_string())
                .because(error)
        })
    }

    fn load(&self, program: Program) -> Result<Box<dyn Instance>> {
        let engine = settings::engine();
        let module = match &program {
            Program::Source(source) => {
                Module::from_binary(&engine, source.wasm()).map_err(|error| source.refused(error))?
            }
            // SAFETY: a `Compiled` exists only where its maker vouched for the file (`Compiled::trust`).
            Program::Compiled(compiled) => unsafe { Module::deserialize_from_file(&engine, compiled.path()) }
                .map_err(|error| {
                    Error::new(ErrorKind::Stale, "the compiled file is not this engine's").because(error)
                })?,
        };
        Ok(Box::new(Main::link(engine, module)?))
    }
}
