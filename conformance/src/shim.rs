use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use shimmer_node::{Image, Node};
use shimmer_oci::NewImage;
use tempfile::TempDir;

use crate::claims::Claims;
use crate::failure::{Failure, Result};
use crate::ground::Ground;
use crate::images::{self, Form};
use crate::patience::patience;
use crate::starts::{Starts, Turn};

/// A shim under a containerd.
#[derive(Debug)]
pub(crate) struct Shim {
    pub(crate) node: Node,
    /// Its short name, which is the runtime handler of its pods, for example `wasmtime`.
    pub(crate) name: String,
    /// The name that containerd knows it by, for example `io.containerd.wasmtime.v1`.
    pub(crate) runtime: String,
    pub(crate) claims: Claims,
    /// How long a guest may take for anything, and the shim to answer.
    pub(crate) patience: Duration,
    /// The binary, where it is known.
    pub(crate) binary: Option<PathBuf>,
    images: Mutex<BTreeMap<String, Image>>,
    /// The names of the images that Docker has.
    loaded: Mutex<BTreeSet<String>>,
    starts: Starts,
    /// Holds the one shim that a private containerd finds.
    _folder: Option<TempDir>,
}

/// The shim that containerd brings along: it runs native programs, and is the reference for them.
pub(crate) const REFERENCE: &str = "runc";

impl Shim {
    /// Starts a private containerd that finds `binary` and no other shim of its folder. No call to it may take longer
    /// than `patience`. On ground with systemd, that makes the cgroups of pods.
    ///
    /// # Errors
    ///
    /// Those of [`Node`], and where `binary` is not called `containerd-shim-<name>-<version>`.
    pub(crate) fn start(binary: &Path, claims: Claims, patience: Duration, ground: Ground) -> Result<Self> {
        let folder = TempDir::new()?;
        let file = binary.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let (name, version) = named(file)
            .ok_or_else(|| Failure(format!("{file} is not called containerd-shim-<name>-v<number>")))?;
        let binary = fs::canonicalize(binary).map_err(|error| format!("{}: {error}", binary.display()))?;
        // Not resolved further: a shim may look at the name by which it is called.
        symlink(&binary, folder.path().join(file))?;
        let builder = Node::builder().shims(folder.path()).memory().patience(patience);
        let node = builder.systemd(ground == Ground::VmSystemd).start()?;
        let runtime = format!("io.containerd.{name}.{version}");
        Ok(Self {
            patience,
            binary: Some(binary),
            _folder: Some(folder),
            ..Self::new(node, name, runtime, claims)
        })
    }

    /// A shim under a containerd that runs already, as `io.containerd.<name>.<version>`.
    ///
    /// # Errors
    ///
    /// Those of [`Node::connect`], and where `runtime` is no such name.
    pub(crate) fn connect(runtime: &str, socket: &Path, claims: Claims) -> Result<Self> {
        let name = runtime.strip_prefix("io.containerd.").and_then(|rest| rest.split_once('.'));
        let (name, _) = name.ok_or_else(|| {
            Failure(format!("`{runtime}` is no runtime's name like io.containerd.wasmtime.v1"))
        })?;
        let node = Node::connect(socket)?;
        Ok(Self::new(node, name, runtime.to_owned(), claims))
    }

    /// Whether containerd was started for it.
    pub(crate) fn is_private(&self) -> bool {
        self.binary.is_some()
    }

    /// Whether it runs native programs only, so that the guests' native twins are its guests.
    pub(crate) fn is_native(&self) -> bool {
        is_natives_name(&self.name)
    }

    /// The image of a program, imported once.
    pub(crate) fn image(&self, form: Form, name: &str, program: &[u8]) -> Result<Image> {
        self.imported(images::reference(form, name, program), || images::build(form, name, program))
    }

    /// The image of this name, made and imported once.
    pub(crate) fn imported(
        &self,
        reference: String,
        image: impl FnOnce() -> Result<NewImage>,
    ) -> Result<Image> {
        let mut images = self.images.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(image) = images.get(&reference) {
            return Ok(image.clone());
        }
        let folder = TempDir::new()?;
        let archive = folder.path().join("image.tar");
        images::write(image()?, &reference, &archive)?;
        let image = self.node.import(&archive)?.into_iter().next();
        let image = image.ok_or("the archive had no image")?;
        images.insert(reference, image.clone());
        Ok(image)
    }

    /// The name of a program's image in Docker, which loads it once.
    pub(crate) fn loaded(&self, form: Form, name: &str, program: &[u8]) -> Result<String> {
        let reference = images::reference(form, name, program);
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if !loaded.contains(&reference) {
            let folder = TempDir::new()?;
            let archive = folder.path().join("image.tar");
            images::write(images::build(form, name, program)?, &reference, &archive)?;
            self.node.docker()?.load(&archive)?;
            loaded.insert(reference.clone());
        }
        Ok(reference)
    }

    /// To be held while a container of an image is made: alone where it is the image's first.
    pub(crate) fn turn(&self, image: &Image) -> Turn<'_> {
        self.turn_of(image.name())
    }

    /// The same for an image of this name.
    pub(crate) fn turn_of(&self, image: &str) -> Turn<'_> {
        self.starts.turn(image)
    }

    /// Ends a private containerd and fails where anything of it is left on the machine.
    pub(crate) fn stop(self) -> Result {
        Ok(self.node.stop()?)
    }

    fn new(node: Node, name: &str, runtime: String, claims: Claims) -> Self {
        Self {
            node,
            name: name.to_owned(),
            runtime,
            claims,
            patience: patience(),
            binary: None,
            images: Mutex::default(),
            loaded: Mutex::default(),
            starts: Starts::default(),
            _folder: None,
        }
    }
}

/// Whether a shim's binary runs native programs only, by its name.
pub(crate) fn is_native(binary: &Path) -> bool {
    let file = binary.file_name().and_then(|name| name.to_str());
    file.and_then(named).is_some_and(|(name, _)| is_natives_name(name))
}

/// The fakes by which the suite is tested are runc with a defect.
pub(crate) fn is_natives_name(name: &str) -> bool {
    name == REFERENCE || name.starts_with("broken-")
}

/// Name and version of a shim's file, `containerd-shim-<name>-<version>`.
pub(crate) fn named(file: &str) -> Option<(&str, &str)> {
    let (name, version) = file.strip_prefix("containerd-shim-")?.rsplit_once('-')?;
    let number = version.strip_prefix('v')?;
    (!name.is_empty() && number.parse::<u32>().is_ok()).then_some((name, version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_shims_name_and_version_from_its_files_name() {
        assert_eq!(named("containerd-shim-wasmtime-v1"), Some(("wasmtime", "v1")));
        assert_eq!(named("containerd-shim-runc-v2"), Some(("runc", "v2")));
        assert_eq!(named("containerd-shim-my-own-v1"), Some(("my-own", "v1")));
        for file in ["wasmtime", "containerd-shim-v1", "containerd-shim-x-one", "containerd-shim--v1"] {
            assert_eq!(named(file), None, "{file}");
        }
    }
}
