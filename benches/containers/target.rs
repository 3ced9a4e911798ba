//! The shims that are compared.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use shimmer_benches::results::target::{FLOOR, RUNC, RUNWASI};
use shimmer_node::runc_shim;
use shimmer_oci::Digest;
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

    /// What its binary says of itself, and the digest of the file.
    pub(crate) fn identity(&self) -> Result<String> {
        let bytes = fs::read(&self.binary).map_err(|error| format!("{}: {error}", self.binary.display()))?;
        let digest = Digest::of(&bytes).hex()[..12].to_owned();
        // containerd's own shim knows the short one only.
        let said = said(&self.binary, "--version").or_else(|| said(&self.binary, "-v")).unwrap_or_default();
        Ok(format!("{said} {digest}").trim_start().to_owned())
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

/// What a program writes when asked so, in one line; nothing, where it does not know the question.
fn said(program: &Path, question: &str) -> Option<String> {
    let output = Command::new(program).arg(question).env_clear().stdin(Stdio::null()).output().ok()?;
    let words = String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    output.status.success().then_some(words)
}

const DEFAULTS: [&str; 4] = [RUNWASI, "wasmedge", "wasmer", "wasmtime"];

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
