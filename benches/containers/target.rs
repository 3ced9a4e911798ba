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
        let shims = if named.is_empty() { defaults(&built)? } else { of_arguments(named)? };
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

/// Examples lie in the folder as well, which are no engines to choose between.
const DEFAULTS: [&str; 4] = [RUNWASI, "wasmedge", "wasmer", "wasmtime"];

/// Those of [`DEFAULTS`] that are built.
fn defaults(built: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let mut shims = of_folder(built)?;
    shims.retain(|name, _| DEFAULTS.contains(&name.as_str()));
    let folder = built.display();
    if shims.is_empty() {
        return Err(format!("{folder} has no shim: build them with `cargo build --release`").into());
    }
    for name in DEFAULTS.iter().filter(|name| !shims.contains_key(**name)) {
        println!("{name} is left out: {folder} has no containerd-shim-{name}-v1");
    }
    Ok(shims)
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

fn of_arguments(named: &[String]) -> Result<BTreeMap<String, PathBuf>> {
    let mut shims = BTreeMap::new();
    for argument in named {
        let found = of_argument(argument)?;
        if found.is_empty() {
            return Err(format!("{argument} has no file that is called containerd-shim-<name>-v1").into());
        }
        for (name, path) in found {
            if [RUNC, FLOOR].contains(&name.as_str()) {
                // Each of them is there once, as what the others are compared with.
                println!("{argument}: {name} is a target anyhow, and this one is left out");
            } else {
                shims.insert(name, path);
            }
        }
    }
    if shims.is_empty() {
        return Err(
            format!("{} has no shim but {RUNC} and {FLOOR}, which need none", named.join(" and ")).into()
        );
    }
    Ok(shims)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn named(arguments: &[&str]) -> Result<Vec<String>> {
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        Ok(of_arguments(&arguments)?.into_keys().collect())
    }

    #[test]
    fn a_folder_or_a_shim_that_cannot_be_measured_is_named() {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().display().to_string();
        assert!(named(&[&path]).expect_err("it is empty").to_string().contains(&path));
        let error = named(&["runc=/x/y"]).expect_err("it is a target anyhow").to_string();
        assert!(error.starts_with("runc=/x/y has no shim but runc and floor"), "{error}");
    }

    #[test]
    fn the_shims_of_a_folder_are_measured_without_the_floor() {
        let folder = TempDir::new().expect("a folder");
        for name in ["a", "wasmer", FLOOR] {
            fs::write(folder.path().join(format!("containerd-shim-{name}-v1")), "").expect("a file");
        }
        let path = folder.path().display().to_string();
        assert_eq!(named(&[&path, "b=/x/y"]).expect("three shims"), ["a", "b", "wasmer"]);
        assert_eq!(
            defaults(folder.path()).expect("one shim").into_keys().collect::<Vec<_>>(),
            ["wasmer"],
            "a is no engine of ours"
        );
    }
}
