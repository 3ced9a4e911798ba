//! Small ELF files for tests: each says what a real one would say, and none of them runs.

use std::fs;
use std::path::Path;

use object::elf;
use serde_json::{Value, json};

/// An ELF file to be.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    machine: u16,
    interpreter: bool,
    dynamic: bool,
    needed: Vec<&'static str>,
    search: Option<&'static str>,
    versions: Vec<&'static str>,
}

impl Sample {
    /// A program that the loader starts.
    pub(crate) fn program() -> Self {
        Self { interpreter: true, ..Self::library() }
    }

    pub(crate) fn library() -> Self {
        Self {
            machine: 62,
            interpreter: false,
            dynamic: true,
            needed: Vec::new(),
            search: None,
            versions: Vec::new(),
        }
    }

    /// A static program.
    pub(crate) fn standalone() -> Self {
        Self { dynamic: false, ..Self::library() }
    }

    pub(crate) fn arm64(self) -> Self {
        Self { machine: 183, ..self }
    }

    pub(crate) fn needs(mut self, library: &'static str) -> Self {
        self.needed.push(library);
        self
    }

    pub(crate) fn search(self, folders: &'static str) -> Self {
        Self { search: Some(folders), ..self }
    }

    /// The versions of symbols that it uses.
    pub(crate) fn versions(self, versions: &[&'static str]) -> Self {
        Self { versions: versions.to_vec(), ..self }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut names = Names(vec![0]);
        let entries = self.entries(&mut names);
        let versions = self.version_needs(&mut names);
        let headers = u16::from(self.interpreter) + u16::from(self.dynamic);
        let dynamic = 64 + 56 * u64::from(headers);
        let strings = dynamic + entries.len() as u64;
        let needs = strings + names.0.len() as u64;
        let sections = needs + versions.len() as u64;
        let mut file = self.header(headers, sections);
        if self.interpreter {
            file.extend(program_header(elf::PT_INTERP.0, strings, 1));
        }
        if self.dynamic {
            file.extend(program_header(elf::PT_DYNAMIC.0, dynamic, entries.len() as u64));
        }
        file.extend(&entries);
        file.extend(&names.0);
        file.extend(&versions);
        if self.dynamic {
            file.extend([0; 64]);
            file.extend(section(elf::SHT_DYNAMIC.0, dynamic, entries.len() as u64, 2, 0));
            file.extend(section(elf::SHT_STRTAB.0, strings, names.0.len() as u64, 0, 0));
            let count = u32::from(!self.versions.is_empty());
            file.extend(section(elf::SHT_GNU_VERNEED.0, needs, versions.len() as u64, 2, count));
        }
        file
    }

    fn header(&self, headers: u16, sections: u64) -> Vec<u8> {
        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.resize(16, 0);
        file.extend(3_u16.to_le_bytes());
        file.extend(self.machine.to_le_bytes());
        file.extend(1_u32.to_le_bytes());
        file.extend(0_u64.to_le_bytes());
        file.extend(64_u64.to_le_bytes());
        file.extend(if self.dynamic { sections } else { 0 }.to_le_bytes());
        file.extend(0_u32.to_le_bytes());
        let (count, names) = if self.dynamic { (4, 2) } else { (0, 0) };
        for half in [64, 56, headers, 64, count, names] {
            file.extend(half.to_le_bytes());
        }
        file
    }

    /// The dynamic section.
    fn entries(&self, names: &mut Names) -> Vec<u8> {
        if !self.dynamic {
            return Vec::new();
        }
        let needed = self.needed.iter().map(|name| (elf::DT_NEEDED.0, *name));
        let search = self.search.iter().map(|folders| (elf::DT_RUNPATH.0, *folders));
        let pairs = needed.chain(search).map(|(tag, text)| (tag, u64::from(names.add(text))));
        pairs
            .chain([(elf::DT_NULL.0, 0)])
            .flat_map(|(tag, value)| [tag.to_le_bytes(), value.to_le_bytes()].concat())
            .collect()
    }

    fn version_needs(&self, names: &mut Names) -> Vec<u8> {
        let Ok(count @ 1..) = u16::try_from(self.versions.len()) else { return Vec::new() };
        let mut bytes = [1_u16.to_le_bytes(), count.to_le_bytes()].concat();
        for word in [names.add("libc.so.6"), 16, 0] {
            bytes.extend(word.to_le_bytes());
        }
        for (index, version) in self.versions.iter().enumerate() {
            let next = if index + 1 == self.versions.len() { 0 } else { 16 };
            for word in [0, 0, names.add(version), next] {
                bytes.extend(u32::to_le_bytes(word));
            }
        }
        bytes
    }
}

/// A table of strings.
struct Names(Vec<u8>);

impl Names {
    fn add(&mut self, name: &str) -> u32 {
        let at = u32::try_from(self.0.len()).expect("samples are small");
        self.0.extend(name.as_bytes());
        self.0.push(0);
        at
    }
}

fn program_header(kind: u32, offset: u64, size: u64) -> Vec<u8> {
    let mut bytes = [kind.to_le_bytes(), 4_u32.to_le_bytes()].concat();
    for word in [offset, offset, offset, size, size, 1] {
        bytes.extend(word.to_le_bytes());
    }
    bytes
}

fn section(kind: u32, offset: u64, size: u64, link: u32, info: u32) -> Vec<u8> {
    let mut bytes = [0_u32.to_le_bytes(), kind.to_le_bytes()].concat();
    for word in [0, offset, offset, size] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend([link.to_le_bytes(), info.to_le_bytes()].concat());
    for word in [1_u64, 0] {
        bytes.extend(word.to_le_bytes());
    }
    bytes
}

/// A folder of files that goes away with its value.
#[derive(Debug)]
pub(crate) struct Folder(tempfile::TempDir);

impl Default for Folder {
    fn default() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }
}

impl Folder {
    /// What a release of one engine needs.
    pub(crate) fn release() -> Self {
        let program = Sample::program().needs("libc.so.6").search("$ORIGIN/lib").versions(&["GLIBC_2.17"]);
        Self::default()
            .elf("shimmer-installer", &Sample::standalone())
            .elf("containerd-shim-fast-v1", &program)
            .elf("shimmer-fast", &program)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn elf(self, name: &str, sample: &Sample) -> Self {
        self.file(name, &sample.bytes())
    }

    pub(crate) fn file(self, name: &str, bytes: &[u8]) -> Self {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("it is below the folder")).expect("a folder");
        fs::write(path, bytes).expect("a file");
        self
    }

    pub(crate) fn without(self, name: &str) -> Self {
        fs::remove_file(self.path().join(name)).expect("it was there");
        self
    }
}

/// A workspace as cargo describes it.
pub(crate) struct Workspace;

impl Workspace {
    /// `metadata.json` and `Cargo.lock` for the programs of [`Folder::release`].
    pub(crate) fn written() -> Folder {
        let package = |name: &str, source: Option<&str>, targets: &[(&str, &str)]| {
            let targets: Vec<_> =
                targets.iter().map(|(name, kind)| json!({"name": name, "kind": [kind]})).collect();
            json!({"id": format!("{name}@1.0.0"), "name": name, "version": "1.0.0", "license": "MIT/Apache-2.0",
                "source": source, "targets": targets})
        };
        let dependency = |name: &str, kind: Option<&str>| json!({"pkg": format!("{name}@1.0.0"), "dep_kinds": [{"kind": kind}]});
        let node = |name: &str, deps: &[Value]| json!({"id": format!("{name}@1.0.0"), "deps": deps});
        let registry = Some("registry+somewhere");
        let shim = [("containerd-shim-fast-v1", "bin"), ("shimmer-fast", "bin")];
        let metadata = json!({
            "packages": [
                package("containerd-shim-fast-v1", None, &shim),
                package("shimmer-installer", None, &[("shimmer-installer", "bin")]),
                package("engine", None, &[("engine", "lib")]),
                package("serde", registry, &[("serde", "lib")]),
                package("derive", registry, &[("derive", "proc-macro")]),
                package("cc", registry, &[("cc", "lib")]),
                package("clap", registry, &[("clap", "lib")]),
            ],
            "resolve": {"nodes": [
                node("containerd-shim-fast-v1", &[dependency("engine", None), dependency("clap", Some("dev"))]),
                node("shimmer-installer", &[dependency("clap", None)]),
                node("engine", &[dependency("serde", None), dependency("cc", Some("build")), dependency("derive", None)]),
                node("derive", &[dependency("clap", None)]),
            ]},
        });
        let sum = "ab".repeat(32);
        let lock = format!(
            "version = 4\n[[package]]\nname = \"serde\"\nversion = \"1.0.0\"\nsource = \"x\"\nchecksum = \"{sum}\"\n\
             [[package]]\nname = \"engine\"\nversion = \"1.0.0\"\n"
        );
        let metadata = serde_json::to_vec(&metadata).expect("it is JSON");
        Folder::default().file("metadata.json", &metadata).file("Cargo.lock", lock.as_bytes())
    }
}
