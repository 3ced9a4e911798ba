use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use wasmparser::{
    Chunk, ComponentExternalKind, CompositeInnerType, Encoding, ExternalKind, FromReader, FuncType, Parser,
    Payload, SectionLimited, TypeRef, ValType,
};

use crate::{Capabilities, Error, ErrorKind, Result, preview1};

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
    /// The functions of WASI preview 1 that a module imports, and the type that it gives each, like `(i32 i64) -> i32`.
    ///
    /// A record without them is of an older version and is none: the types would go unchecked.
    pub signatures: BTreeSet<(String, String)>,
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
                preview1::NAMESPACE => {
                    preview1::signature(name).is_some()
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
    signatures: BTreeSet<(String, String)>,
    /// The text of the type of each index, if it is a function's.
    types: Vec<Option<Box<str>>>,
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
                self.types.extend(group.into_types().map(|ty| match ty.composite_type.inner {
                    CompositeInnerType::Func(function) => Some(signature(&function).into()),
                    _ => None,
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
        if import.module == preview1::NAMESPACE {
            self.preview1(import.name, import.ty);
        }
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

    fn preview1(&mut self, name: &str, ty: TypeRef) {
        /// More than there are functions: a module with more gives two types to one, which no engine links.
        const MOST: usize = 64;
        if preview1::signature(name).is_none() || self.signatures.len() == MOST {
            return;
        }
        let signature = match ty {
            TypeRef::Func(ty) | TypeRef::FuncExact(ty) => {
                self.text(ty).unwrap_or("a function without a type")
            }
            TypeRef::Global(_) => "a global",
            TypeRef::Memory(_) => "a memory",
            TypeRef::Table(_) => "a table",
            TypeRef::Tag(_) => "a tag",
        };
        self.signatures.insert((name.to_owned(), signature.to_owned()));
    }

    fn text(&self, ty: u32) -> Option<&str> {
        self.types.get(ty as usize)?.as_deref()
    }

    fn finish(self) -> Needs {
        let is_plain = |function: &u32| {
            let ty = self.functions.get(*function as usize);
            ty.and_then(|ty| self.text(*ty)).is_some_and(|text| text == "() -> ()")
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
        let Self { memory64, imports, signatures, .. } = self;
        Needs { kind, memory64, imports, signatures, functions }
    }
}

/// The text of a function's type. What is much longer than any of WASI's is cut, so that many imports of one long type
/// take no room.
fn signature(function: &FuncType) -> String {
    let list = |types: &[ValType]| {
        const SHOWN: usize = 16;
        let mut words: Vec<_> = types.iter().take(SHOWN).map(ValType::to_string).collect();
        if types.len() > SHOWN {
            words.push("…".to_owned());
        }
        words.join(" ")
    };
    let params = list(function.params());
    match function.results() {
        [result] => format!("({params}) -> {result}"),
        results => format!("({params}) -> ({})", list(results)),
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

/// What WasmEdge adds to WASI preview 1; the second version of each has `_v2` at its end.
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
mod tests;
