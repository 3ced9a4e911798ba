//! A release: the programs of all engines and what they need, as they lie in the installer's image and later on a node.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::host::Host;
use crate::store::Store;

/// A release in a folder of this process's.
#[derive(Debug)]
pub(crate) struct Release {
    folder: PathBuf,
    id: String,
    manifest: Manifest,
    /// The manifest as it is written.
    bytes: Vec<u8>,
}

/// `release.json`.
#[derive(Debug, Deserialize, Serialize)]
struct Manifest {
    version: String,
    architecture: String,
    /// Paths below the folder, and the digest of each.
    files: BTreeMap<PathBuf, String>,
    #[serde(default)]
    notes: Vec<String>,
}

impl Release {
    /// Reads what the release says of itself.
    ///
    /// # Errors
    /// [`Refused`](crate::error::ErrorKind::Refused) where it is none, or one for another kind of machine.
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(MANIFEST);
        let bytes = std::fs::read(&path).map_err(|error| {
            let advice = "--release names the folder of a release, as `cargo xtask image` makes it";
            Error::refused(format!("cannot read {}: {error}; {advice}", path.display()))
        })?;
        let manifest: Manifest = serde_json::from_slice(&bytes)
            .map_err(|error| Error::refused(format!("{} is no release's: {error}", path.display())))?;
        if manifest.architecture != architecture() {
            let message = format!(
                "the release in {} is for {}, and this machine is {}",
                folder.display(),
                manifest.architecture,
                architecture()
            );
            return Err(Error::refused(message));
        }
        if let Some(odd) = manifest.files.keys().find(|file| !is_plain(file)) {
            return Err(Error::refused(format!("{} names {odd:?}, which no release has", path.display())));
        }
        if !manifest.version.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-+".contains(&byte)) {
            return Err(Error::refused(format!("{} has the version {:?}", path.display(), manifest.version)));
        }
        let digest = hex(&Sha256::digest(&bytes));
        let id = format!("{}-{}", manifest.version, digest.get(..DIGITS).unwrap_or(&digest));
        Ok(Self { folder: folder.to_owned(), id, manifest, bytes })
    }

    /// Its folder among the versions on a node.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn version(&self) -> &str {
        &self.manifest.version
    }

    /// What an operator should know of it.
    pub(crate) fn notes(&self) -> &[String] {
        &self.manifest.notes
    }

    /// The names of the shims in it.
    pub(crate) fn shims(&self) -> Vec<String> {
        let files = self.manifest.files.keys().filter_map(|file| file.to_str());
        files
            .filter_map(|file| file.strip_prefix("containerd-shim-")?.strip_suffix("-v1"))
            .map(str::to_owned)
            .collect()
    }

    /// The programs of a shim, below the release's folder.
    pub(crate) fn programs(&self, shim: &str) -> Vec<&Path> {
        let names = [shim_file(shim), format!("shimmer-{shim}")];
        let files = self.manifest.files.keys().map(PathBuf::as_path);
        files.filter(|file| names.iter().any(|name| *file == Path::new(name))).collect()
    }

    /// Puts all of it on the node, beside other versions; what is there already and whole is left alone.
    pub(crate) fn put(&self, host: &Host, store: &Store) -> Result<PathBuf> {
        let target = store.versions().join(&self.id);
        host.make_folders(&target)?;
        for (file, digest) in &self.manifest.files {
            let path = target.join(file);
            if digest_on(host, &path)?.as_ref() == Some(digest) {
                continue;
            }
            host.make_folders(path.parent().unwrap_or(&target))?;
            let source = self.folder.join(file);
            let opened = File::open(&source)
                .map_err(|error| Error::io(format!("read {}", source.display()), error))?;
            let mut hashing = Hashing { inner: opened, hash: Sha256::new() };
            host.write(&path, 0o755, &mut hashing)?;
            let found = format!("sha256:{}", hex(&hashing.hash.finalize()));
            if found != *digest {
                host.remove(&path)?;
                let message =
                    format!("{} is {found}, and should be {digest}: get the release anew", source.display());
                return Err(Error::refused(message));
            }
        }
        host.write(&target.join(MANIFEST), 0o644, &mut &*self.bytes)?;
        Ok(target)
    }
}

/// What is not as it should be of a release that was put on a node.
pub(crate) fn faults(host: &Host, store: &Store, id: &str) -> Result<Vec<String>> {
    let folder = store.versions().join(id);
    let manifest = host.read(&folder.join(MANIFEST))?.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let Some(Manifest { files, .. }) = manifest else {
        return Ok(vec![format!("{} is no release's: install again", folder.display())]);
    };
    let mut faults = Vec::new();
    for (file, digest) in &files {
        let path = folder.join(file);
        if digest_on(host, &path)?.as_ref() != Some(digest) {
            faults.push(format!("{} is missing, or not what was put there: install again", path.display()));
        }
    }
    Ok(faults)
}

/// The file that containerd executes.
pub(crate) fn shim_file(shim: &str) -> String {
    format!("containerd-shim-{shim}-v1")
}

const MANIFEST: &str = "release.json";
/// Of a digest, as many as tell releases of one version apart.
const DIGITS: usize = 12;

/// This machine's, in the OCI's words.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Whether a path can be below a folder, and nowhere else.
fn is_plain(file: &Path) -> bool {
    file.components().all(|part| matches!(part, Component::Normal(_))) && file.file_name().is_some()
}

fn digest_on(host: &Host, path: &Path) -> Result<Option<String>> {
    let Some(file) = host.found(path, OFlags::RDONLY)? else { return Ok(None) };
    let mut hashing = Hashing { inner: File::from(file), hash: Sha256::new() };
    io::copy(&mut hashing, &mut io::sink())
        .map_err(|error| Error::io(format!("read {}", path.display()), error))?;
    Ok(Some(format!("sha256:{}", hex(&hashing.hash.finalize()))))
}

/// As it is written in digests.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads, and hashes what was read.
struct Hashing {
    inner: File,
    hash: Sha256,
}

impl Read for Hashing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hash.update(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}
