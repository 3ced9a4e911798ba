use std::fmt;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use wasmparser::{Validator, WasmFeatures};

use crate::{Error, ErrorKind, Needs, Result};

/// What an engine loads.
#[derive(Debug)]
pub enum Program {
    /// Native code in a file, to be mapped.
    Compiled(Compiled),
    /// Portable WebAssembly, to be compiled in memory.
    Source(Source),
}

impl Program {
    /// What the program asks of an engine.
    #[must_use]
    pub fn needs(&self) -> &Needs {
        match self {
            Self::Compiled(compiled) => &compiled.needs,
            Self::Source(source) => &source.needs,
        }
    }
}

/// A portable program in the binary format, whose declarations have been read.
///
/// Its bytes are a stranger's: an engine validates them before it trusts them, and never takes them for native code,
/// whatever they look like.
#[derive(Clone, Eq, PartialEq)]
pub struct Source {
    wasm: Vec<u8>,
    needs: Needs,
}

impl Source {
    /// Parses the declarations of a module or component.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] where the bytes are no WebAssembly in the binary format.
    pub fn parse(wasm: Vec<u8>) -> Result<Self> {
        if !wasm.starts_with(b"\0asm") {
            let looks = looks_like(&wasm);
            return Err(Error::new(ErrorKind::Invalid, format!("this is not WebAssembly but {looks}")));
        }
        Ok(Self { needs: Needs::of(&wasm)?, wasm })
    }

    /// The program in the binary format.
    #[must_use]
    pub fn wasm(&self) -> &[u8] {
        &self.wasm
    }

    /// What the program asks of an engine.
    #[must_use]
    pub fn needs(&self) -> &Needs {
        &self.needs
    }

    /// The error for an engine to return when it cannot compile the program, given the engine's own error.
    ///
    /// Whether the fault is the program's or the engine's is decided here, by validating the program with every known
    /// proposal enabled, so that the kind means the same on every engine.
    pub fn refused(&self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        match Validator::new_with_features(WasmFeatures::all()).validate_all(&self.wasm) {
            Ok(_) => {
                Error::new(ErrorKind::Unsupported, "the program is valid, but this engine cannot compile it")
            }
            Err(_) => Error::new(ErrorKind::Invalid, "the program is no valid WebAssembly"),
        }
        .because(cause)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("bytes", &self.wasm.len()).field("needs", &self.needs).finish()
    }
}

/// Native code in an open file, made by [`Engine::compile`](crate::Engine::compile).
///
/// Running it is running machine code with the rights of the process, so there is no safe way to make one: only the
/// host does, of files that only the host writes.
#[derive(Debug)]
pub struct Compiled {
    file: File,
    needs: Needs,
}

impl Compiled {
    /// Vouches for a file.
    ///
    /// # Safety
    ///
    /// [`Engine::compile`](crate::Engine::compile) of an engine with the same
    /// [fingerprint](crate::Engine::fingerprint) wrote the bytes of `file`, for a program with these `needs`, and
    /// nobody else can have written them since, nor will while the guest runs.
    #[must_use]
    pub unsafe fn trust(file: File, needs: Needs) -> Self {
        Self { file, needs }
    }

    /// The file, for engines that map a descriptor.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The file under a name, for engines that open one. It is valid while `self` lives and `/proc` is mounted.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd()))
    }

    /// What the program asks of an engine.
    #[must_use]
    pub fn needs(&self) -> &Needs {
        &self.needs
    }
}

/// Names what people put into images by mistake.
fn looks_like(bytes: &[u8]) -> &'static str {
    match bytes {
        [] => "an empty file",
        [0x7f, b'E', b'L', b'F', ..] => "an ELF file (native code is not accepted from images)",
        [b'#', b'!', ..] => "a script",
        [b'W', b'A', b'S', b'M', b'E', b'R', ..] => "a compiled Wasmer module (not accepted from images)",
        [0x1f, 0x8b, ..] => "a gzip archive",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "a zstd archive",
        _ => "something else",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(bytes: &[u8]) -> String {
        let error = Source::parse(bytes.to_vec()).expect_err("it is not WebAssembly");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        error.to_string()
    }

    #[test]
    fn says_what_the_bytes_are_instead() {
        assert!(refusal(b"").contains("an empty file"));
        assert!(refusal(b"\x7fELF\x02\x01").contains("native code is not accepted"));
        assert!(refusal(b"WASMER\0\0").contains("compiled Wasmer module"));
        assert!(refusal(b"hello").contains("something else"));
    }

    #[test]
    fn blames_the_program_only_if_it_is_invalid() {
        let valid = wat::parse_str("(module (memory i64 1))").expect("valid with a proposal");
        let invalid =
            wat::parse_str("(module (func (result i32)))").expect("well-formed, and returns nothing");
        let kind = |wasm| Source::parse(wasm).expect("its declarations are readable").refused("no").kind();
        assert_eq!(kind(valid), ErrorKind::Unsupported);
        assert_eq!(kind(invalid), ErrorKind::Invalid);
    }

    #[test]
    fn parses_a_module() {
        let source = Source::parse(b"\0asm\x01\0\0\0".to_vec()).expect("the smallest module");
        assert!(source.needs().imports.is_empty());
    }
}
