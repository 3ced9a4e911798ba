use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use wasmparser::{
    Chunk, ComponentExternalKind, CompositeInnerType, Encoding, ExternalKind, FromReader, Parser, Payload,
    SectionLimited, TypeRef,
};

use crate::{Capabilities, Error, ErrorKind, Result};

/// What a program asks of an engine, as far as its declarations tell; function bodies are not looked at.
///
/// It is small and can be stored beside the compiled file, so that a warm start need not read the program.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Needs {
    /// What sort of program it is.
    pub kind: Kind,
    /// Whether a memory of a module is addressed by 64 bits.
    pub memory64: bool,
    /// What it imports.
    pub imports: BTreeSet<Import>,
    /// The exported functions of a module that take and return nothing: what an entrypoint can name.
    pub functions: Vec<String>,
}

/// The sorts of programs.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Kind {
    /// A core module.
    Module,
    /// A component that exports `wasi:cli/run`.
    Command,
    /// A component that exports `wasi:http/incoming-handler`.
    HttpHandler,
    /// A component that exports neither and cannot be run.
    Library,
}

/// One import of a module or component.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Import {
    /// A function, global or table of a module: its namespace and name.
    Item(String, String),
    /// A memory of a module: its namespace and name.
    Memory(String, String),
    /// An interface of a component, like `wasi:cli/environment@0.2.0`.
    Interface(String),
}

impl Needs {
    /// Reads the declarations of a program in the binary format.
    ///
    /// Time and memory are bounded by the size of the declarations: code, data and nested modules are skipped.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] where the bytes are no WebAssembly, or end too early.
    pub fn of(wasm: &[u8]) -> Result<Self> {
        Reader::default().read(wasm)
    }
}

impl Import {
    /// Whether an engine with these capabilities provides it.
    #[must_use]
    pub fn is_provided(&self, capabilities: &Capabilities) -> bool {
        let Capabilities { components, http, sockets, wasix, .. } = *capabilities;
        match self {
            Self::Item(namespace, name) => match namespace.as_str() {
                "wasi_snapshot_preview1" => {
                    PREVIEW_1.contains(&name.as_str())
                        || sockets && SOCKETS.contains(&name.trim_end_matches("_v2"))
                }
                "wasix_32v1" | "wasix_64v1" => wasix,
                _ => false,
            },
            Self::Memory(namespace, name) => wasix && namespace == "env" && name == "memory",
            Self::Interface(name) => (components || http) && is_preview_2(name),
        }
    }
}

impl fmt::Display for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Item(namespace, name) | Self::Memory(namespace, name) => write!(f, "{namespace}.{name}"),
            Self::Interface(name) => f.write_str(name),
        }
    }
}

/// Gathers what the sections of one module or component declare.
#[derive(Default)]
struct Reader {
    component: bool,
    memory64: bool,
    imports: BTreeSet<Import>,
    /// Whether the type of each index is a function without parameters and results.
    plain_types: Vec<bool>,
    /// The type of each function, imported ones first.
    functions: Vec<u32>,
    exports: Vec<(String, u32)>,
    interfaces: BTreeSet<String>,
}

impl Reader {
    fn read(mut self, wasm: &[u8]) -> Result<Needs> {
        let mut parser = Parser::new(0);
        let mut rest = wasm;
        loop {
            let Chunk::Parsed { consumed, payload } = parser.parse(rest, true).map_err(invalid)? else {
                return Err(truncated());
            };
            rest = &rest[consumed..];
            let skipped = match payload {
                Payload::CodeSectionStart { size, .. } => {
                    parser.skip_section();
                    size as usize
                }
                Payload::ModuleSection { unchecked_range, .. }
                | Payload::ComponentSection { unchecked_range, .. } => {
                    unchecked_range.end - unchecked_range.start
                }
                Payload::End(_) => return Ok(self.finish()),
                payload => {
                    self.section(payload).map_err(invalid)?;
                    0
                }
            };
            rest = rest.get(skipped..).ok_or_else(truncated)?;
        }
    }

    fn section(&mut self, payload: Payload<'_>) -> wasmparser::Result<()> {
        match payload {
            Payload::Version { encoding, .. } => self.component = encoding == Encoding::Component,
            Payload::TypeSection(types) => each(types, |group| {
                self.plain_types.extend(group.into_types().map(|ty| match ty.composite_type.inner {
                    CompositeInnerType::Func(function) => {
                        function.params().is_empty() && function.results().is_empty()
                    }
                    _ => false,
                }));
            })?,
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    self.import(import?);
                }
            }
            Payload::FunctionSection(functions) => each(functions, |ty| self.functions.push(ty))?,
            Payload::MemorySection(memories) => each(memories, |memory| self.memory64 |= memory.memory64)?,
            Payload::ExportSection(exports) => each(exports, |export| {
                if export.kind == ExternalKind::Func {
                    self.exports.push((export.name.to_owned(), export.index));
                }
            })?,
            Payload::ComponentImportSection(imports) => each(imports, |import| {
                self.imports.insert(Import::Interface(import.name.name.to_owned()));
            })?,
            Payload::ComponentExportSection(exports) => each(exports, |export| {
                if export.kind == ComponentExternalKind::Instance {
                    self.interfaces.insert(export.name.name.to_owned());
                }
            })?,
            _ => {}
        }
        Ok(())
    }

    fn import(&mut self, import: wasmparser::Import<'_>) {
        let (namespace, name) = (import.module.to_owned(), import.name.to_owned());
        self.imports.insert(match import.ty {
            TypeRef::Memory(memory) => {
                self.memory64 |= memory.memory64;
                Import::Memory(namespace, name)
            }
            TypeRef::Func(ty) | TypeRef::FuncExact(ty) => {
                self.functions.push(ty);
                Import::Item(namespace, name)
            }
            _ => Import::Item(namespace, name),
        });
    }

    fn finish(self) -> Needs {
        let is_plain = |function: &u32| {
            let ty = self.functions.get(*function as usize);
            ty.and_then(|ty| self.plain_types.get(*ty as usize)).is_some_and(|plain| *plain)
        };
        let functions = self
            .exports
            .iter()
            .filter(|(_, function)| is_plain(function))
            .map(|(name, _)| name.clone())
            .collect();
        let exports = |interface: &str| {
            self.interfaces.iter().any(|name| {
                name.split_once('@')
                    .is_some_and(|(interface_name, version)| interface_name == interface && is_0_2(version))
            })
        };
        let kind = match () {
            () if !self.component => Kind::Module,
            () if exports("wasi:cli/run") => Kind::Command,
            () if exports("wasi:http/incoming-handler") => Kind::HttpHandler,
            () => Kind::Library,
        };
        Needs { kind, memory64: self.memory64, imports: self.imports, functions }
    }
}

fn each<'a, T: FromReader<'a>>(
    section: SectionLimited<'a, T>,
    mut visit: impl FnMut(T),
) -> wasmparser::Result<()> {
    section.into_iter().try_for_each(|item| item.map(&mut visit))
}

fn invalid(error: wasmparser::BinaryReaderError) -> Error {
    Error::new(ErrorKind::Invalid, "the bytes are no valid WebAssembly").because(error)
}

fn truncated() -> Error {
    Error::new(ErrorKind::Invalid, "the bytes begin like WebAssembly and end too early")
}

fn is_preview_2(interface: &str) -> bool {
    const PACKAGES: [&str; 7] =
        ["wasi:cli", "wasi:clocks", "wasi:filesystem", "wasi:http", "wasi:io", "wasi:random", "wasi:sockets"];
    interface
        .split_once('/')
        .and_then(|(package, rest)| Some((package, rest.split_once('@')?.1)))
        .is_some_and(|(package, version)| PACKAGES.contains(&package) && is_0_2(version))
}

fn is_0_2(version: &str) -> bool {
    version.starts_with("0.2.") && !version.contains('-')
}

/// The functions of `wasi_snapshot_preview1`, from the published witx.
const PREVIEW_1: [&str; 46] = [
    "args_get",
    "args_sizes_get",
    "clock_res_get",
    "clock_time_get",
    "environ_get",
    "environ_sizes_get",
    "fd_advise",
    "fd_allocate",
    "fd_close",
    "fd_datasync",
    "fd_fdstat_get",
    "fd_fdstat_set_flags",
    "fd_fdstat_set_rights",
    "fd_filestat_get",
    "fd_filestat_set_size",
    "fd_filestat_set_times",
    "fd_pread",
    "fd_prestat_dir_name",
    "fd_prestat_get",
    "fd_pwrite",
    "fd_read",
    "fd_readdir",
    "fd_renumber",
    "fd_seek",
    "fd_sync",
    "fd_tell",
    "fd_write",
    "path_create_directory",
    "path_filestat_get",
    "path_filestat_set_times",
    "path_link",
    "path_open",
    "path_readlink",
    "path_remove_directory",
    "path_rename",
    "path_symlink",
    "path_unlink_file",
    "poll_oneoff",
    "proc_exit",
    "proc_raise",
    "random_get",
    "sched_yield",
    "sock_accept",
    "sock_recv",
    "sock_send",
    "sock_shutdown",
];

/// What WasmEdge adds to it; the second version of each has `_v2` at its end.
const SOCKETS: [&str; 15] = [
    "sock_accept",
    "sock_bind",
    "sock_connect",
    "sock_getaddrinfo",
    "sock_getlocaladdr",
    "sock_getpeeraddr",
    "sock_getsockopt",
    "sock_listen",
    "sock_open",
    "sock_recv",
    "sock_recv_from",
    "sock_send",
    "sock_send_to",
    "sock_setsockopt",
    "sock_shutdown",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(wat: &str) -> Needs {
        Needs::of(&wat::parse_str(wat).expect("the test's WAT is valid")).expect("it parses")
    }

    #[test]
    fn lists_the_exports_that_an_entrypoint_can_name() {
        let needs = needs(
            r#"(module (import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))
                       (func (export "_start")) (func (export "sum") (param i32)) (memory (export "memory") 1))"#,
        );
        assert_eq!(needs.kind, Kind::Module);
        assert_eq!(needs.functions, ["_start"]);
    }

    #[test]
    fn tells_commands_from_handlers() {
        let component =
            |name| needs(&format!(r#"(component (instance $i) (export "{name}" (instance $i)))"#)).kind;
        assert_eq!(component("wasi:cli/run@0.2.6"), Kind::Command);
        assert_eq!(component("wasi:http/incoming-handler@0.2.0"), Kind::HttpHandler);
        assert_eq!(component("wasi:cli/run@0.3.0"), Kind::Library);
    }

    #[test]
    fn looks_into_no_nested_module() {
        let needs = needs(r#"(component (core module (import "env" "inner" (func))))"#);
        assert!(needs.imports.is_empty(), "{:?}", needs.imports);
    }

    #[test]
    fn every_prefix_of_a_module_is_refused() {
        let wasm = wat::parse_str(r#"(module (func (export "_start") (call 0)) (data "x"))"#).expect("valid");
        for length in 0..wasm.len() {
            // A module is a list of sections, so a prefix that ends between two is a module, too.
            match Needs::of(&wasm[..length]) {
                Ok(needs) => {
                    assert!(length >= 8 && needs.kind == Kind::Module, "{length} bytes gave {needs:?}")
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::Invalid, "{length} bytes gave {error}"),
            }
        }
    }

    #[test]
    fn refuses_a_code_section_that_promises_more_than_there_is() {
        let wasm = b"\0asm\x01\0\0\0\x0a\xff\xff\xff\x0f\x01";
        assert_eq!(Needs::of(wasm).expect_err("too short").kind(), ErrorKind::Invalid);
    }
}
