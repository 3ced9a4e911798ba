use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};
use shimmer_engine::{
    Capabilities, Compiled, Engine, Error, ErrorKind, Fingerprint, Info, Instance, Program, Result, Source,
};
use wasmi::{CompilationMode, Module};

use crate::module::Main;
use crate::settings;

/// The Wasmi engine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wasmi;

impl Engine for Wasmi {
    fn info(&self) -> Info {
        let mut capabilities = Capabilities::default();
        capabilities.memory64 = true;
        capabilities.simd = true;
        Info { name: "wasmi", version: settings::VERSION.into(), capabilities }
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::new(["wasmi", settings::VERSION, &settings::text()])
    }

    fn compile(&self, source: &Source, output: &Path) -> Result<()> {
        translate(source)?;
        Ok(fs::write(output, seal(&self.fingerprint(), source.wasm()))?)
    }

    fn load(&self, program: Program) -> Result<Box<dyn Instance>> {
        let module = match &program {
            Program::Source(source) => translate(source)?,
            Program::Compiled(compiled) => checked(&self.fingerprint(), compiled)?,
        };
        Ok(Box::new(Main::link(module)?))
    }
}

/// Validates a stranger's program and translates all of it, so that nothing in it is refused later.
fn translate(source: &Source) -> Result<Module> {
    let engine = settings::engine(CompilationMode::Eager);
    Module::new(&engine, source.wasm()).map_err(|error| source.refused(error))
}

/// Loads what [`Wasmi::compile`] has validated: only functions that are called are translated.
fn checked(fingerprint: &Fingerprint, compiled: &Compiled) -> Result<Module> {
    // Read, where other engines map: Wasmi copies what it runs, so there are no pages to share.
    let file = fs::read(compiled.path())?;
    let wasm = unseal(fingerprint, &file).ok_or_else(stale)?;
    let engine = settings::engine(CompilationMode::LazyTranslation);
    // SAFETY: the seal says that `compile` wrote these bytes under the same version and settings, after it had
    // validated them. Nobody can have forged it: whoever made the `Compiled` vouched for the file.
    unsafe { Module::new_unchecked(&engine, wasm) }.map_err(|error| stale().because(error))
}

/// The compiled file: a line with the fingerprint, the checksum of what follows, and the program.
fn seal(fingerprint: &Fingerprint, wasm: &[u8]) -> Vec<u8> {
    [fingerprint.as_str().as_bytes(), b"\n", &Sha256::digest(wasm), wasm].concat()
}

/// The program in a compiled file, unless the file is another engine's or damaged.
fn unseal<'a>(fingerprint: &Fingerprint, file: &'a [u8]) -> Option<&'a [u8]> {
    let sealed = file.strip_prefix(fingerprint.as_str().as_bytes())?.strip_prefix(b"\n")?;
    let (checksum, wasm) = sealed.split_at_checked(Sha256::output_size())?;
    (checksum == Sha256::digest(wasm).as_slice()).then_some(wasm)
}

fn stale() -> Error {
    Error::new(ErrorKind::Stale, "the compiled file is not this engine's")
}

#[cfg(test)]
mod tests {
    use super::*;

    const WASM: &[u8] = b"\0asm\x01\0\0\0";

    #[test]
    fn unseals_what_it_has_sealed() {
        let fingerprint = Wasmi.fingerprint();
        assert_eq!(unseal(&fingerprint, &seal(&fingerprint, WASM)), Some(WASM));
    }

    #[test]
    fn refuses_a_file_of_another_version() {
        let file = seal(&Fingerprint::new(["wasmi", "1.0.0"]), WASM);
        assert_eq!(unseal(&Wasmi.fingerprint(), &file), None);
    }

    #[test]
    fn refuses_a_file_that_is_cut_off_anywhere() {
        let fingerprint = Wasmi.fingerprint();
        let file = seal(&fingerprint, WASM);
        for length in 0..file.len() {
            assert_eq!(unseal(&fingerprint, &file[..length]), None, "{length} of {} bytes", file.len());
        }
    }

    #[test]
    fn refuses_a_file_in_which_a_byte_has_changed() {
        let fingerprint = Wasmi.fingerprint();
        let sealed = seal(&fingerprint, WASM);
        for position in 0..sealed.len() {
            let mut file = sealed.clone();
            file[position] ^= 1;
            assert_eq!(unseal(&fingerprint, &file), None, "byte {position}");
        }
    }
}
