//! The images that carry a case's program.

mod collection;

use std::fs::{self, File};
use std::path::Path;

use shimmer_oci::{Archive, Digest, NewImage, Platform, Rootfs};

use crate::failure::{Failure, Result};
use crate::guests::{PROBE, PROBE_TWIN};

pub(crate) use collection::ARCHIVE;
pub use collection::write_images;

/// How a program gets into an image.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Form {
    /// A file in a root.
    Rootfs,
    /// The one layer of a CNCF Wasm artifact.
    Artifact,
    /// A layer of the type that runwasi's tools write.
    RunwasiLayer,
    /// A layer of the type that Spin writes.
    SpinLayer,
    /// A CNCF Wasm artifact behind an image index.
    Index,
    /// A file in a root for this machine, behind an index that has another for other machines.
    Platforms,
    /// A file in a root of two layers, of which the upper one changes the lower.
    Layers,
    /// A file in a root whose configuration says what is run, where and as whom.
    Configured,
    /// A file in a root that has a shell, its commands, the probe and its native twin besides.
    Userland,
}

/// A static program that is many: it stands in for any native one.
pub(crate) const BUSYBOX: &str = "/bin/busybox";
/// A registry that there is not: these images are made here.
const HOST: &str = "shimmer.test/";
const TAR: &str = "application/vnd.oci.image.layer.v1.tar";

/// A name that differs where the images differ.
pub(crate) fn reference(form: Form, name: &str, program: &[u8]) -> String {
    let form = format!("{form:?}").to_lowercase();
    let digest = Digest::of(&[name.as_bytes(), program].concat());
    format!("{HOST}{form}/{}:{}", name.to_lowercase(), &digest.hex()[..12])
}

/// The name of an image that was pushed elsewhere.
pub(crate) fn moved(reference: &str, prefix: &str) -> String {
    let path = reference.strip_prefix(HOST).unwrap_or(reference);
    format!("{}/{path}", prefix.trim_end_matches('/'))
}

/// Writes an archive with one image.
pub(crate) fn write(image: NewImage, reference: &str, archive: &Path) -> Result {
    Ok(Archive::default().image(reference, image).write(File::create(archive)?)?)
}

/// The image of a program.
pub(crate) fn build(form: Form, name: &str, program: &[u8]) -> Result<NewImage> {
    let image = match form {
        Form::Rootfs => root(name, program).build()?,
        Form::Artifact => NewImage::artifact(program),
        Form::RunwasiLayer => NewImage::runwasi(program),
        Form::SpinLayer => NewImage::spin(program),
        Form::Index => NewImage::index([NewImage::artifact(program)]),
        Form::Platforms => {
            NewImage::index([elsewhere()?, root(name, program).file("/here", 0o644, "").build()?])
        }
        Form::Layers => layers(name, program)?,
        Form::Configured => configured(name, program)?,
        Form::Userland => userland(name, program)?,
    };
    Ok(image)
}

fn root(name: &str, program: &[u8]) -> Rootfs {
    Rootfs::new(Platform::host()).file(&format!("/{name}"), 0o755, program)
}

/// A root that no container of this machine may get.
fn elsewhere() -> Result<NewImage> {
    let architecture = if Platform::host().architecture == "arm64" { "amd64" } else { "arm64" };
    Ok(Rootfs::new(Platform::new("linux", architecture)).file("/elsewhere", 0o644, "").build()?)
}

/// `/app` has the files `kept`, and `replaced` of the upper layer, which removes `gone`.
fn layers(name: &str, program: &[u8]) -> Result<NewImage> {
    let lower = [(name, program), ("app/gone", b"old\n"), ("app/kept", b"old\n"), ("app/replaced", b"old\n")];
    let upper = [("app/.wh.gone", b"".as_slice()), ("app/replaced", b"new\n")];
    Ok(NewImage::layers([(TAR, layer(&lower)?), (TAR, layer(&upper)?)]))
}

fn layer(files: &[(&str, &[u8])]) -> Result<Vec<u8>> {
    let mut layer = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o755);
        header.set_size(content.len().try_into()?);
        layer.append_data(&mut header, path, *content)?;
    }
    Ok(layer.into_inner()?)
}

fn configured(name: &str, program: &[u8]) -> Result<NewImage> {
    let image = root(name, program)
        .file("/app/note", 0o644, "from the image\n")
        .entrypoint([&format!("/{name}")])
        .cmd(["args", "from the image"])
        .env("FROM_IMAGE", "yes")
        .working_dir("/app")
        .user("1000:1001");
    Ok(image.build()?)
}

fn userland(name: &str, program: &[u8]) -> Result<NewImage> {
    let busybox = fs::read(BUSYBOX)
        .map_err(|error| Failure(format!("{BUSYBOX}: {error}; install the package busybox-static")))?;
    let (twin, script) = PROBE_TWIN;
    let mut root = Rootfs::new(Platform::host())
        .file(BUSYBOX, 0o755, busybox.clone())
        .file("/busybox", 0o755, busybox.clone())
        .file(&format!("/{twin}"), 0o755, script.as_bytes());
    if name != PROBE.name {
        root = root.file(&format!("/{}", PROBE.name), 0o755, PROBE.bytes);
    }
    if !program.is_empty() {
        root = root.file(&format!("/{name}"), 0o755, program);
    }
    Ok(root.build()?)
}
