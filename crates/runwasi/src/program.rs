use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::FromRawFd;
use std::path::{Path, PathBuf};

use containerd_shim_wasm::sandbox::context::{Source as Origin, WasmLayer};
use shimmer_engine::{Compiled, Engine, Error, ErrorKind, Program, Result};
use shimmer_oci::Process;

use crate::envelope::Envelope;

/// Finds the program of a container: a layer of its image, or a file in its root.
pub(crate) fn resolve(engine: &dyn Engine, process: &Process<'_>, origin: Origin<'_>) -> Result<Program> {
    match origin {
        Origin::Oci([layer]) if layer.precompiled => compiled(engine, layer),
        Origin::Oci([layer]) => source(process.entrypoint()?.name(), layer.layer.clone())
            .map_err(|error| error.with("layer", layer.config.digest().to_string())),
        Origin::Oci(layers) => Err(Error::new(
            ErrorKind::Unsupported,
            format!("the image has {} WebAssembly layers, and a container runs one", layers.len()),
        )
        .advise("link them into one component")),
        Origin::File(_) => file(process),
    }
}

fn file(process: &Process<'_>) -> Result<Program> {
    let entrypoint = process.entrypoint()?;
    let environment = process.environment()?;
    let candidates: Vec<PathBuf> = entrypoint.candidates(&environment, process.cwd);
    let found = candidates.iter().find(|path| path.is_file()).ok_or_else(|| {
        let tried: Vec<_> = candidates.iter().map(|path| path.display().to_string()).collect();
        Error::new(ErrorKind::NotFound, "the entrypoint does not exist in the image")
            .with("file", entrypoint.path().display().to_string())
            .with("looked for", tried.join(" "))
            .advise("name a file of the image as the first element of `command`")
    })?;
    let name = found.display().to_string();
    let bytes = read(found).map_err(|error| Error::from(error).with("file", &name))?;
    source(&name, bytes)
}

/// Reads one byte more than a program may have, so that a larger one is refused and not cut.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(shimmer_oci::MAX_PROGRAM_SIZE + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn source(name: &str, bytes: Vec<u8>) -> Result<Program> {
    Ok(Program::Source(shimmer_oci::program(name, bytes)?))
}

/// Takes compiled code out of the bytes that the library keeps in containerd's content store.
///
/// The library marks a layer as precompiled only where its own label on the content says so; an image cannot set one.
fn compiled(engine: &dyn Engine, layer: &WasmLayer) -> Result<Program> {
    let envelope = Envelope::open(&layer.layer, &engine.fingerprint())
        .map_err(|error| error.with("layer", layer.config.digest().to_string()))?;
    let file = in_memory(envelope.code)?;
    // SAFETY: `Envelope::open` has compared the fingerprint with this engine's; the bytes were compiled by `Compiler`
    // in the shim and kept under a label that only the shim sets; the memory file is sealed and has no other name.
    Ok(Program::Compiled(unsafe { Compiled::trust(file, envelope.needs) }))
}

/// A file that engines can map, of bytes that this host has in memory.
fn in_memory(bytes: &[u8]) -> io::Result<File> {
    const NAME: &CStr = c"compiled";
    const SEALS: libc::c_int =
        libc::F_SEAL_GROW | libc::F_SEAL_SEAL | libc::F_SEAL_SHRINK | libc::F_SEAL_WRITE;
    // SAFETY: the name is a C string, and the result is checked before it is used.
    let descriptor =
        unsafe { libc::memfd_create(NAME.as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: memfd_create has just made the descriptor, and nobody else owns it.
    let mut file = unsafe { File::from_raw_fd(descriptor) };
    file.write_all(bytes)?;
    // SAFETY: the descriptor is open, and F_ADD_SEALS takes an integer.
    if unsafe { libc::fcntl(descriptor, libc::F_ADD_SEALS, SEALS) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use shimmer_engine::fake::FakeEngine;

    use super::*;

    fn process<'a>(args: &'a [String]) -> Process<'a> {
        Process { args, env: &[], cwd: "/" }
    }

    #[test]
    fn a_missing_file_is_named_with_where_it_was_looked_for() {
        let args = ["no/such.wasm".to_owned()];
        let origin = Origin::File(PathBuf::new());
        let error =
            resolve(&FakeEngine::default(), &process(&args), origin).expect_err("there is no such file");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("/no/such.wasm"), "{error}");
    }

    #[test]
    fn a_memory_file_cannot_be_changed_any_more() {
        let mut file = in_memory(b"code").expect("a memory file");
        assert!(file.write_all(b"more").is_err(), "it is sealed against growing");
    }
}
