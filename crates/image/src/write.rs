//! A release, written: the image, the archives, the lists, and the sums of all of them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use shimmer_oci::{Archive, Content, Digest, Layer, NewImage, Platform, Rootfs};

use crate::binaries::{self, Binaries, INSTALLER};
use crate::contents::Contents;
use crate::packages::Packages;
use crate::packing::{Entries, Entry, Source, pack};
use crate::{Architecture, Error, Promise, Result, check, sbom};

/// What a release is to be made of.
#[derive(Clone, Debug)]
pub struct Order {
    /// A folder of programs for each architecture.
    pub folders: BTreeMap<Architecture, PathBuf>,
    /// Where libraries are found that are not in those folders.
    pub libraries: Vec<PathBuf>,
    /// Which nodes it is for.
    pub promise: Promise,
    /// Like `0.1.0`.
    pub version: String,
    /// The commit that was built.
    pub revision: String,
    /// When that was made, like `2026-01-02T03:04:05Z`.
    pub created: String,
    /// The image's name; without a tag, it gets the version for one.
    pub name: String,
    /// A WebAssembly program that prints a line, by which a user tries the image.
    pub hello: PathBuf,
    /// What `cargo metadata` printed.
    pub metadata: PathBuf,
    /// Cargo.lock.
    pub lock: PathBuf,
    /// Where everything is written.
    pub output: PathBuf,
}

/// What was written.
#[derive(Debug)]
pub struct Written {
    /// The full name of the image.
    pub name: String,
    /// The digest of its index.
    pub digest: Digest,
    /// The files, and the number of bytes in each.
    pub files: Vec<(PathBuf, u64)>,
    /// What the release says about itself, for each architecture.
    pub notes: Vec<(Architecture, Vec<String>)>,
}

/// Checks everything, and then writes a release. Where that fails, what was there before is as it was.
///
/// # Errors
///
/// [`ErrorKind::Incompatible`](crate::ErrorKind::Incompatible) where a program would not run on a node that the release is
/// for, [`ErrorKind::Input`](crate::ErrorKind::Input) where something is missing or is not what it should be,
/// [`ErrorKind::Io`](crate::ErrorKind::Io) where a file cannot be read or written.
pub fn write(order: &Order) -> Result<Written> {
    let name = order.check()?;
    let releases = order.folders.iter().map(|(&architecture, folder)| order.read(architecture, folder));
    let releases = releases.collect::<Result<Vec<_>>>()?;
    fs::create_dir_all(&order.output).map_err(Error::io("make the folder", &order.output))?;
    let work = tempfile::Builder::new().prefix(".unfinished").tempdir_in(&order.output);
    let work = work.map_err(Error::io("make a folder in", &order.output))?;
    let folders = [work.path().join("layers"), work.path().join("done")];
    for folder in &folders {
        fs::create_dir(folder).map_err(Error::io("make", folder))?;
    }
    let [layers, done] = folders;
    let mut images = Vec::new();
    for (contents, packages, _) in &releases {
        images.push(order.image(contents, &layers)?);
        let stem = format!("shimmer-{}-{}", order.version, contents.architecture);
        pack(&contents.entries(&format!("{stem}/")), &done.join(format!("{stem}.tar.gz")))?;
        let list = sbom::document(contents, packages, &order.version, &order.created)?;
        save(&done.join(format!("{stem}.spdx.json")), &list)?;
    }
    let image = NewImage::index(images);
    let digest = image.digest();
    archive(&name, image, &done.join(format!("{INSTALLER}-{}.oci.tar", order.version)))?;
    sums(&done)?;
    let notes = releases.into_iter().map(|(contents, _, notes)| (contents.architecture, notes)).collect();
    Ok(Written { name, digest, files: publish(&done, &order.output)?, notes })
}

impl Order {
    /// Refuses texts that would make files or images that nobody can name. Gives the image's full name.
    fn check(&self) -> Result<String> {
        let is_plain = |text: &str, more: &str| {
            !text.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.contains(char::from(byte)))
        };
        if !is_plain(&self.version, ".-+") || self.version.starts_with(['.', '-']) {
            return Err(Error::input(format!("{:?} is no version, like 0.1.0", self.version)));
        }
        if !is_plain(&self.name, "./:_-") || self.name.contains("//") || self.name.ends_with(['/', ':']) {
            return Err(Error::input(format!(
                "{:?} is no name of an image, like localhost/{INSTALLER}",
                self.name
            )));
        }
        let hello = fs::read(&self.hello).map_err(Error::io("read", &self.hello))?;
        if !hello.starts_with(b"\0asm") {
            return Err(Error::input(format!("{} is no WebAssembly program", self.hello.display())));
        }
        if self.folders.is_empty() {
            return Err(Error::input(
                "no folder of programs was given: give one for an architecture at least",
            ));
        }
        let tag = self.name.rsplit('/').next().is_some_and(|last| last.contains(':'));
        // A tag has no plus, by which versions name a build.
        let version = self.version.replace('+', "_");
        Ok(if tag { self.name.clone() } else { format!("{}:{version}", self.name) })
    }

    fn read(&self, architecture: Architecture, folder: &Path) -> Result<(Contents, Packages, Vec<String>)> {
        let binaries = Binaries::read(folder, architecture, &self.libraries)?;
        let notes = [binaries.notes.clone(), check::notes(&binaries, &self.promise)?].concat();
        let contents = Contents::new(&binaries, &self.version, &self.revision, &notes)?;
        let programs = binaries.programs.keys().map(String::as_str).chain([INSTALLER]);
        Ok((contents, Packages::read(&self.metadata, &self.lock, programs)?, notes))
    }

    fn image(&self, contents: &Contents, layers: &Path) -> Result<NewImage> {
        let mut entries: Entries = contents.entries("");
        entries.insert("hello.wasm".to_owned(), Entry::Data(Source::File(self.hello.clone())));
        entries.insert("tmp".to_owned(), Entry::Folder { mode: 0o1777 });
        let path = layers.join(contents.architecture.name());
        let packed = pack(&entries, &path)?;
        let layer = Layer::gzip(packed.digest, packed.size, packed.unpacked, Arc::new(Stored(path)));
        let label = |rootfs: Rootfs, (name, value): (&str, &str)| {
            rootfs.label(&format!("org.opencontainers.image.{name}"), value)
        };
        let labels = [
            ("title", INSTALLER),
            ("description", "Puts Shimmer's shims on a node of Kubernetes"),
            ("version", &self.version),
            ("revision", &self.revision),
            ("created", &self.created),
            ("licenses", env!("CARGO_PKG_LICENSE")),
            ("vendor", env!("CARGO_PKG_AUTHORS")),
        ];
        let rootfs = Rootfs::new(Platform::new("linux", contents.architecture.name()));
        let rootfs = rootfs.layer(layer).entrypoint(["/shimmer-installer"]).working_dir("/");
        Ok(labels.into_iter().fold(rootfs, label).build()?)
    }
}

/// A layer in a file.
#[derive(Debug)]
struct Stored(PathBuf);

impl Content for Stored {
    fn open(&self) -> io::Result<Box<dyn Read>> {
        Ok(Box::new(File::open(&self.0)?))
    }
}

fn archive(name: &str, image: NewImage, path: &Path) -> Result<()> {
    let file = File::create_new(path).map_err(Error::io("make", path))?;
    Ok(Archive::default().image(name, image).write(BufWriter::new(file))?)
}

/// The sums of all files, as `sha256sum --check` reads them.
fn sums(folder: &Path) -> Result<()> {
    let mut sums = String::new();
    for name in binaries::names(folder)? {
        let digest = Source::File(folder.join(&name)).digest()?;
        sums += &format!("{}  {name}\n", digest.hex());
    }
    save(&folder.join("SHA256SUMS"), sums.as_bytes())
}

fn save(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || File::create_new(path)?.write_all(bytes);
    write().map_err(Error::io("write", path))
}

/// Moves what is finished to where it belongs, the sums last.
fn publish(done: &Path, output: &Path) -> Result<Vec<(PathBuf, u64)>> {
    let mut names = binaries::names(done)?;
    names.sort_by_key(|name| name == "SHA256SUMS");
    let mut files = Vec::new();
    for name in names {
        let path = output.join(&name);
        fs::rename(done.join(&name), &path).map_err(Error::io("write", &path))?;
        let size = path.metadata().map_err(Error::io("read", &path))?.len();
        files.push((path, size));
    }
    Ok(files)
}
