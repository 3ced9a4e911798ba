//! OCI image archives: a tar of `index.json` and `blobs/<algorithm>/<digest>`, read in place.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, ErrorKind, Result};

/// An archive whose entries are known by name.
#[derive(Debug)]
pub(crate) struct Archive {
    path: PathBuf,
    file: File,
    entries: HashMap<String, Extent>,
}

impl Archive {
    /// Opens `path` and finds its entries.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let describe = |error| Error::io(format!("read the image archive {}", path.display()), error);
        let file = File::open(path).map_err(describe)?;
        let mut entries = HashMap::new();
        for entry in tar::Archive::new(&file).entries_with_seek().map_err(describe)? {
            let entry = entry.map_err(describe)?;
            let name = entry.path().map_err(describe)?.to_string_lossy().trim_start_matches("./").to_owned();
            entries.insert(name, Extent { start: entry.raw_file_position(), size: entry.size() });
        }
        Ok(Self { path: path.to_owned(), file, entries })
    }

    /// The archive's entry point.
    pub(crate) fn index(&mut self) -> Result<Index> {
        let text = self.read("index.json")?;
        self.parse("index.json", &text)
    }

    /// The JSON document that `descriptor` describes.
    pub(crate) fn document<T: DeserializeOwned>(&mut self, descriptor: &Descriptor) -> Result<T> {
        let name = blob(&descriptor.digest);
        let text = self.read(&name)?;
        self.parse(&name, &text)
    }

    /// Whether the archive holds the blob; an index may describe platforms that were not exported.
    pub(crate) fn contains(&self, descriptor: &Descriptor) -> bool {
        self.entries.contains_key(&blob(&descriptor.digest))
    }

    /// Reads a blob piece by piece.
    pub(crate) fn stream(&mut self, descriptor: &Descriptor) -> Result<impl Read> {
        self.entry(&blob(&descriptor.digest))
    }

    /// An error that says what is wrong with this archive.
    pub(crate) fn invalid(&self, what: impl AsRef<str>) -> Error {
        let message = format!("{} is not a usable image archive: {}", self.path.display(), what.as_ref());
        Error::new(ErrorKind::Image, message)
    }

    fn read(&mut self, name: &str) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = self.entry(name)?.read_to_end(&mut bytes);
        read.map_err(|error| Error::io(format!("read {name} of {}", self.path.display()), error))?;
        Ok(bytes)
    }

    fn entry(&mut self, name: &str) -> Result<impl Read + use<'_>> {
        let extent = self.entries.get(name).ok_or_else(|| self.invalid(format!("it has no {name}")))?;
        self.file
            .seek(SeekFrom::Start(extent.start))
            .map_err(|error| Error::io(format!("find {name} in {}", self.path.display()), error))?;
        Ok((&self.file).take(extent.size))
    }

    fn parse<T: DeserializeOwned>(&self, name: &str, text: &[u8]) -> Result<T> {
        serde_json::from_slice(text).map_err(|error| self.invalid(format!("{name}: {error}")))
    }
}

#[derive(Clone, Copy, Debug)]
struct Extent {
    start: u64,
    size: u64,
}

fn blob(digest: &str) -> String {
    format!("blobs/{}", digest.replace(':', "/"))
}

/// What an index lists.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    #[serde(default)]
    pub(crate) media_type: String,
    pub(crate) digest: String,
    pub(crate) size: i64,
    #[serde(default)]
    pub(crate) annotations: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) platform: Platform,
}

impl Descriptor {
    /// The image's name, as containerd, buildx and the OCI write it.
    pub(crate) fn image_name(&self) -> Option<&str> {
        let names = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];
        names.iter().find_map(|name| self.annotations.get(*name)).map(String::as_str)
    }

    pub(crate) fn is_index(&self) -> bool {
        self.media_type.contains("image.index") || self.media_type.contains("manifest.list")
    }

    /// Whether containerd can unpack this layer into a root filesystem.
    pub(crate) fn is_filesystem(&self) -> bool {
        self.media_type.contains(".image.layer.") || self.media_type.contains(".image.rootfs.diff.")
    }
}

/// What a manifest in an index is for.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Platform {
    #[serde(default)]
    pub(crate) os: String,
    #[serde(default)]
    pub(crate) architecture: String,
}

impl Platform {
    /// Whether this machine runs it: its own programs, or WebAssembly.
    pub(crate) fn runs_here(&self) -> bool {
        (self.os == "linux" && self.architecture == architecture())
            || (self.os.starts_with("wasi") && self.architecture == "wasm")
    }
}

/// This machine's architecture, in the words of the OCI.
pub(crate) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// `index.json`, or an image index below it.
#[derive(Debug, Deserialize)]
pub(crate) struct Index {
    #[serde(default)]
    pub(crate) manifests: Vec<Descriptor>,
}

/// An image manifest.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) config: Descriptor,
    #[serde(default)]
    pub(crate) layers: Vec<Descriptor>,
}

/// The part of an image's configuration that a container depends on. Wasm artifacts have hardly any of it.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Configuration {
    #[serde(default)]
    pub(crate) config: Process,
    #[serde(default)]
    pub(crate) rootfs: Rootfs,
}

/// How an image wants to be run.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Process {
    pub(crate) entrypoint: Option<Vec<String>>,
    pub(crate) cmd: Option<Vec<String>>,
    pub(crate) env: Option<Vec<String>>,
    pub(crate) working_dir: Option<String>,
    pub(crate) user: Option<String>,
}

/// The digests of an image's unpacked layers.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Rootfs {
    #[serde(default)]
    pub(crate) diff_ids: Vec<String>,
}
