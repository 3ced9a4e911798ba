//! A folder of programs for one architecture.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::elf::{Elf, is_of_every_node};
use crate::libraries::Libraries;
use crate::{Error, Result};

/// A processor for which images are made.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Architecture {
    /// x86 of 64 bits.
    Amd64,
    /// ARM of 64 bits.
    Arm64,
}

impl Architecture {
    /// Its name in images and files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The programs of a release, and the libraries that go with them.
#[derive(Debug)]
pub(crate) struct Binaries {
    pub(crate) architecture: Architecture,
    pub(crate) installer: File,
    /// By their names: two of each engine.
    pub(crate) programs: BTreeMap<String, File>,
    pub(crate) libraries: BTreeMap<String, File>,
    /// What those who built them have to say about them.
    pub(crate) notes: Vec<String>,
    /// What is inside of them that no package of Rust is: names and versions.
    pub(crate) linked: Vec<(String, String)>,
}

/// An ELF file.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    pub(crate) elf: Elf,
}

impl Binaries {
    /// Reads a folder in which nothing else may be than programs, libraries and notes. Libraries are looked for in its `lib`, then in `libraries`.
    pub(crate) fn read(folder: &Path, architecture: Architecture, libraries: &[PathBuf]) -> Result<Self> {
        let mut installer = None;
        let (mut programs, mut notes, mut linked) = (BTreeMap::new(), Vec::new(), Vec::new());
        for name in names(folder)? {
            let path = folder.join(&name);
            if name == INSTALLER {
                installer = Some(File::read(path, architecture)?);
            } else if engine_of(&name).is_some() {
                programs.insert(name, File::read(path, architecture)?);
            } else if name == NOTES {
                notes = lines(&path)?;
            } else if name == LINKED {
                linked = lines(&path)?.iter().map(|line| named(line, &path)).collect::<Result<_>>()?;
            } else if name != LIBRARIES {
                return Err(Error::input(format!(
                    "{} does not belong into a release: {INSTALLER}, containerd-shim-ENGINE-v1, shimmer-ENGINE, \
                     {LIBRARIES}, {LINKED} and {NOTES} do",
                    path.display()
                )));
            }
        }
        let installer = installer.ok_or_else(|| {
            Error::input(format!("{} has no {INSTALLER}: build it into it", folder.display()))
        })?;
        pairs(folder, &programs)?;
        let places = [vec![folder.join(LIBRARIES)], libraries.to_vec()].concat();
        let libraries = Libraries::new(&places, architecture).for_programs(&programs)?;
        Ok(Self { architecture, installer, programs, libraries, notes, linked })
    }

    /// The engines, in their order.
    pub(crate) fn engines(&self) -> impl Iterator<Item = &str> {
        self.programs.keys().filter_map(|name| name.strip_prefix(PROGRAM))
    }

    /// Its two programs.
    pub(crate) fn of_engine(&self, engine: &str) -> impl Iterator<Item = (&str, &File)> {
        let is_its = move |name: &str| engine_of(name) == Some(engine);
        self.programs.iter().map(|(name, file)| (name.as_str(), file)).filter(move |(name, _)| is_its(name))
    }

    /// What `file` needs of `libraries`, and what those need of each other.
    pub(crate) fn libraries_of<'a>(&'a self, file: &'a File) -> BTreeMap<&'a str, &'a File> {
        let mut found = BTreeMap::new();
        let mut open = vec![file];
        while let Some(file) = open.pop() {
            for (name, library) in file.needed().filter_map(|name| self.libraries.get_key_value(name)) {
                if found.insert(name.as_str(), library).is_none() {
                    open.push(library);
                }
            }
        }
        found
    }
}

impl File {
    pub(crate) fn read(path: PathBuf, architecture: Architecture) -> Result<Self> {
        let bytes = fs::read(&path).map_err(Error::io("read", &path))?;
        let elf = Elf::parse(&bytes).map_err(|reason| {
            Error::input(format!("{} is no program for a release: {reason}", path.display()))
        })?;
        if elf.architecture != architecture {
            return Err(Error::input(format!(
                "{} is for {} and was given for {architecture}",
                path.display(),
                elf.architecture
            )));
        }
        Ok(Self { path, elf })
    }

    /// The libraries that it names and that not every node has.
    pub(crate) fn needed(&self) -> impl Iterator<Item = &str> {
        self.elf.needed.iter().map(String::as_str).filter(|name| !is_of_every_node(name))
    }

    /// Whether it looks for libraries in `lib` beside itself.
    pub(crate) fn looks_beside_itself(&self) -> bool {
        self.elf.search.iter().any(|folder| folder == BESIDE)
    }
}

pub(crate) const INSTALLER: &str = "shimmer-installer";
pub(crate) const LIBRARIES: &str = "lib";
/// A file of notes, one a line.
const NOTES: &str = "NOTES";
/// A file of what was linked statically, a name and a version on each line.
const LINKED: &str = "LINKED";
/// The folder of libraries as programs name it.
pub(crate) const BESIDE: &str = "$ORIGIN/lib";
/// How the name of a program with an engine begins.
const PROGRAM: &str = "shimmer-";

/// The engine that a program is one of the two of.
fn engine_of(name: &str) -> Option<&str> {
    let shim = name.strip_prefix("containerd-shim-").and_then(|rest| rest.strip_suffix("-v1"));
    let engine = shim.or_else(|| name.strip_prefix(PROGRAM).filter(|_| name != INSTALLER))?;
    let is_plain = engine.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (is_plain && !engine.is_empty()).then_some(engine)
}

/// A shim without its engine starts nothing, and fails where a user sees it.
fn pairs(folder: &Path, programs: &BTreeMap<String, File>) -> Result<()> {
    if programs.is_empty() {
        return Err(Error::input(format!("{} has no shim: build at least one into it", folder.display())));
    }
    for engine in programs.keys().filter_map(|name| engine_of(name)) {
        for name in [format!("containerd-shim-{engine}-v1"), format!("{PROGRAM}{engine}")] {
            if !programs.contains_key(&name) {
                return Err(Error::input(format!(
                    "{} has one of the two programs of {engine} and lacks {name}",
                    folder.display()
                )));
            }
        }
    }
    Ok(())
}

fn lines(path: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
    Ok(text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

fn named(line: &str, path: &Path) -> Result<(String, String)> {
    match line.split_whitespace().collect::<Vec<_>>()[..] {
        [name, version] => Ok((name.to_owned(), version.to_owned())),
        _ => {
            Err(Error::input(format!("{}: {line:?} is no name and version, like `zlib 1.3`", path.display())))
        }
    }
}

/// What is in a folder, in its order.
pub(crate) fn names(folder: &Path) -> Result<Vec<String>> {
    let read = || -> std::io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        Ok(names)
    };
    let mut names = read().map_err(Error::io("read the folder", folder))?;
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Folder, Sample};

    fn read(folder: &Folder) -> Result<Binaries> {
        Binaries::read(folder.path(), Architecture::Amd64, &[])
    }

    fn refusal(folder: &Folder) -> String {
        read(folder).expect_err("it is no folder of a release").to_string()
    }

    #[test]
    fn reads_programs_in_pairs() {
        let folder = Folder::release().file("NOTES", b"fast: built by hand\n\nand more\n");
        let binaries = read(&folder).expect("a complete folder");
        assert_eq!(binaries.notes, ["fast: built by hand", "and more"]);
        assert_eq!(binaries.engines().collect::<Vec<_>>(), ["fast"]);
        assert_eq!(
            binaries.of_engine("fast").map(|(name, _)| name).collect::<Vec<_>>(),
            ["containerd-shim-fast-v1", "shimmer-fast"]
        );
        assert!(binaries.libraries.is_empty());
    }

    #[test]
    fn refuses_a_folder_that_lacks_something() {
        let without = |name: &str| refusal(&Folder::release().without(name));
        assert!(without("shimmer-installer").contains("has no shimmer-installer"));
        assert!(without("shimmer-fast").contains("one of the two programs of fast and lacks shimmer-fast"));
        assert!(without("containerd-shim-fast-v1").contains("lacks containerd-shim-fast-v1"));
        let empty = refusal(&Folder::release().without("shimmer-fast").without("containerd-shim-fast-v1"));
        assert!(empty.contains("has no shim"), "{empty}");
        let nowhere =
            Binaries::read(Path::new("/nowhere/at/all"), Architecture::Amd64, &[]).expect_err("no folder");
        assert_eq!(nowhere.kind(), crate::ErrorKind::Input);
        assert!(nowhere.to_string().starts_with("cannot read the folder /nowhere/at/all: "), "{nowhere}");
    }

    #[test]
    fn refuses_what_does_not_belong_there() {
        for name in ["README.md", "shimmer-", "containerd-shim-fast-v2", "shimmer-fast.d", "shimmer-a b"] {
            let refusal = refusal(&Folder::release().file(name, b"x"));
            assert!(refusal.contains(&format!("{name} does not belong into a release")), "{refusal}");
        }
        let linked = refusal(&Folder::release().file("LINKED", b"libseccomp\n"));
        assert!(
            linked.ends_with("LINKED: \"libseccomp\" is no name and version, like `zlib 1.3`"),
            "{linked}"
        );
        let script = refusal(&Folder::release().file("shimmer-fast", b"#!/bin/sh\n"));
        assert!(script.contains("shimmer-fast is no program for a release: it is no ELF file"), "{script}");
        let foreign = refusal(&Folder::release().elf("shimmer-fast", &Sample::program().arm64()));
        assert!(foreign.ends_with("shimmer-fast is for arm64 and was given for amd64"), "{foreign}");
    }
}
