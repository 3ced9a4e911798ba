//! Which Rust packages are in a program: from cargo's own description of the workspace.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::{Error, Result};

/// The packages that are linked into programs.
#[derive(Debug, Default)]
pub(crate) struct Packages {
    /// By cargo's identifier.
    pub(crate) packages: BTreeMap<String, Package>,
    /// Who depends on whom, by identifiers.
    pub(crate) edges: BTreeSet<(String, String)>,
    /// The package of each program.
    pub(crate) programs: BTreeMap<String, String>,
}

/// A package of cargo's.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Package {
    id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) license: Option<String>,
    /// Nothing for those of this workspace.
    pub(crate) source: Option<String>,
    targets: Vec<Target>,
    /// The SHA-256 sum of its archive.
    #[serde(skip)]
    pub(crate) checksum: Option<String>,
}

impl Packages {
    /// Reads what `cargo metadata` printed, and Cargo.lock, and keeps what goes into `programs`.
    pub(crate) fn read<'a>(
        metadata: &Path,
        lock: &Path,
        programs: impl Iterator<Item = &'a str>,
    ) -> Result<Self> {
        let mut described: Metadata = parse(metadata, "what `cargo metadata` prints", |text| {
            serde_json::from_str(text).map_err(|error| error.to_string())
        })?;
        let lock: Lock =
            parse(lock, "a Cargo.lock", |text| toml::from_str(text).map_err(|error| error.to_string()))?;
        let sums: BTreeMap<_, _> =
            lock.package.into_iter().map(|locked| ((locked.name, locked.version), locked.checksum)).collect();
        for package in &mut described.packages {
            let sum = sums.get(&(package.name.clone(), package.version.clone()));
            package.checksum = sum.cloned().flatten();
        }
        described.choose(programs)
    }
}

fn parse<T: DeserializeOwned>(path: &Path, what: &str, parse: fn(&str) -> Result<T, String>) -> Result<T> {
    let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
    parse(&text).map_err(|error| Error::input(format!("{} is not {what}: {error}", path.display())))
}

#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Clone, Debug, Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Debug, Deserialize)]
struct Kind {
    /// Nothing where it is neither for building nor for tests.
    kind: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Debug, Deserialize)]
struct Locked {
    name: String,
    version: String,
    checksum: Option<String>,
}

impl Metadata {
    fn choose<'a>(self, programs: impl Iterator<Item = &'a str>) -> Result<Packages> {
        let described: BTreeMap<_, _> =
            self.packages.into_iter().map(|package| (package.id.clone(), package)).collect();
        let nodes: BTreeMap<_, _> = self.resolve.nodes.into_iter().map(|node| (node.id, node.deps)).collect();
        let mut chosen = Packages::default();
        let mut open = Vec::new();
        for program in programs {
            let package = described.values().find(|package| package.makes(program)).ok_or_else(|| {
                Error::input(format!(
                    "no package of this workspace makes {program}: give the metadata of the one that does"
                ))
            })?;
            chosen.programs.insert(program.to_owned(), package.id.clone());
            open.push(package.id.clone());
        }
        while let Some(id) = open.pop() {
            let Some(package) = described.get(&id) else { continue };
            if chosen.packages.insert(id.clone(), package.clone()).is_some() {
                continue;
            }
            for dependency in nodes.get(&id).into_iter().flatten().filter(|dependency| dependency.is_linked())
            {
                // What expands macros ends with the compiler.
                if described.get(&dependency.pkg).is_some_and(|package| !package.is("proc-macro")) {
                    chosen.edges.insert((id.clone(), dependency.pkg.clone()));
                    open.push(dependency.pkg.clone());
                }
            }
        }
        Ok(chosen)
    }
}

impl Package {
    fn makes(&self, program: &str) -> bool {
        let is_it = |target: &Target| target.name == program && target.kind.iter().any(|kind| kind == "bin");
        self.source.is_none() && self.targets.iter().any(is_it)
    }

    fn is(&self, kind: &str) -> bool {
        self.targets.iter().any(|target| target.kind.iter().any(|its| its == kind))
    }
}

impl Dependency {
    fn is_linked(&self) -> bool {
        self.dep_kinds.iter().any(|kind| kind.kind.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Folder, Workspace};

    fn read(folder: &Folder, programs: &[&str]) -> Result<Packages> {
        let at = |name| folder.path().join(name);
        Packages::read(&at("metadata.json"), &at("Cargo.lock"), programs.iter().copied())
    }

    #[test]
    fn keeps_what_is_linked_into_the_programs() {
        let folder = Workspace::written();
        let packages = read(&folder, &["shimmer-fast"]).expect("both can be read");
        let names: BTreeSet<_> = packages.packages.values().map(|package| package.name.as_str()).collect();
        let linked = ["containerd-shim-fast-v1", "engine", "serde"];
        assert_eq!(names, linked.into(), "no build script, macro, test, or another program");
        assert_eq!(packages.edges.len(), 2);
        let serde = packages.packages.values().find(|package| package.name == "serde").expect("linked");
        assert_eq!(serde.checksum.as_deref(), Some("ab".repeat(32).as_str()));
    }

    #[test]
    fn says_what_is_wrong_with_what_was_given() {
        let folder = Workspace::written();
        let unknown = read(&folder, &["shimmer-slow"]).expect_err("nobody makes it").to_string();
        assert!(unknown.starts_with("no package of this workspace makes shimmer-slow"), "{unknown}");
        let folder = folder.file("Cargo.lock", b"=");
        let lock = read(&folder, &[]).expect_err("no lock").to_string();
        assert!(lock.contains("Cargo.lock is not a Cargo.lock: "), "{lock}");
        let folder = folder.file("metadata.json", b"{\"packages\": 7}");
        let metadata = read(&folder, &[]).expect_err("no metadata").to_string();
        assert!(metadata.contains("metadata.json is not what `cargo metadata` prints: "), "{metadata}");
    }
}
