//! The shims that are compared.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use shimmer_node::runc_shim;
use tempfile::TempDir;

use crate::Result;

/// A shim.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Its short name, which is the runtime handler of its pods.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) binary: PathBuf,
}

/// What a shim runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Wasm,
    /// runc: native twins of the programs.
    Native,
    /// Nothing.
    Floor,
}

impl Target {
    /// The name that containerd knows it by.
    pub(crate) fn runtime(&self) -> String {
        let version = if self.kind == Kind::Native { "v2" } else { "v1" };
        format!("io.containerd.{}.{version}", self.name)
    }
}

/// All shims, of which those under test come before runc and the floor.
#[derive(Debug)]
pub(crate) struct Targets {
    pub(crate) all: Vec<Target>,
    /// A folder for what takes long to make, beside cargo's own.
    pub(crate) cache: PathBuf,
}

impl Targets {
    /// Finds the shims that were named, or else those that are built.
    pub(crate) fn find(named: &[String]) -> Result<Self> {
        let built = built()?;
        let mut shims = BTreeMap::new();
        for shim in named {
            shims.extend(of_argument(shim)?);
        }
        if named.is_empty() {
            shims = of_folder(&built)?;
            shims.retain(|name, _| DEFAULTS.contains(&name.as_str()));
        }
        shims.retain(|name, _| ![RUNC, FLOOR].contains(&name.as_str()));
        if shims.is_empty() {
            let folder = built.display();
            return Err(format!("{folder} has no shim: build them with `cargo build --release`").into());
        }
        let mut all: Vec<Target> =
            shims.into_iter().map(|(name, binary)| Target { name, kind: Kind::Wasm, binary }).collect();
        all.push(Target { name: RUNC.into(), kind: Kind::Native, binary: runc_shim()? });
        all.push(Target {
            name: FLOOR.into(),
            kind: Kind::Floor,
            binary: built.join("containerd-shim-floor-v1"),
        });
        Ok(Self { all, cache: built.with_file_name("benches") })
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.all.iter().map(|target| target.name.as_str()).collect()
    }

    /// A folder as a node wants it, of these shims and the engines' programs that belong to them.
    pub(crate) fn linked(&self, targets: &[Target]) -> Result<TempDir> {
        let folder = TempDir::new()?;
        for target in targets.iter().filter(|target| target.kind != Kind::Native) {
            let binary = fs::canonicalize(&target.binary)
                .map_err(|error| format!("{}: {error}", target.binary.display()))?;
            symlink(&binary, folder.path().join(format!("containerd-shim-{}-v1", target.name)))?;
            if let Some(engine) = engine(&binary).filter(|engine| engine.exists()) {
                let link = folder.path().join(engine.file_name().unwrap_or_default());
                if !link.exists() {
                    symlink(engine, link)?;
                }
            }
        }
        Ok(folder)
    }
}

pub(crate) const RUNC: &str = "runc";
pub(crate) const FLOOR: &str = "floor";
const DEFAULTS: [&str; 4] = ["runwasi", "wasmedge", "wasmer", "wasmtime"];

/// The name of the old host with the same engine, as far as one is among the targets: `runwasi` is that with Wasmtime.
pub(crate) fn old_names(name: &str) -> Vec<String> {
    let mut names = vec![format!("old-{name}")];
    names.extend((name == "wasmtime").then(|| "runwasi".to_owned()));
    names
}

/// Whether a target is there to be compared with.
pub(crate) fn is_old(name: &str) -> bool {
    name == "runwasi" || name.starts_with("old-")
}

/// The folder of this program, where cargo has put the shims as well.
fn built() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    Ok(program.parent().unwrap_or_else(|| Path::new("/")).to_owned())
}

/// The program with the engine, which may lie beside its shim.
fn engine(shim: &Path) -> Option<PathBuf> {
    let name = name_of(shim.file_name()?.to_str()?)?;
    Some(shim.with_file_name(format!("shimmer-{name}")))
}

fn name_of(file: &str) -> Option<&str> {
    file.strip_prefix("containerd-shim-")?.strip_suffix("-v1")
}

fn of_argument(argument: &str) -> Result<BTreeMap<String, PathBuf>> {
    let (name, path) = match argument.split_once('=') {
        Some((name, path)) => (Some(name), Path::new(path)),
        None => (None, Path::new(argument)),
    };
    if path.is_dir() {
        return of_folder(path);
    }
    let file = path.file_name().and_then(|file| file.to_str()).unwrap_or_default();
    let name = name.or_else(|| name_of(file));
    let name = name
        .ok_or_else(|| format!("{file} is not called containerd-shim-<name>-v1: give a name, NAME=PATH"))?;
    Ok(BTreeMap::from([(name.to_owned(), path.to_owned())]))
}

fn of_folder(folder: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let describe = |error| format!("{}: {error}", folder.display());
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(describe)? {
        let path = entry.map_err(describe)?.path();
        let name = path.file_name().and_then(|file| name_of(file.to_str()?)).map(str::to_owned);
        found.extend(name.map(|name| (name, path)));
    }
    Ok(found)
}
