//! The images that carry a case's program.

use std::fs::File;
use std::path::Path;

use shimmer_oci::{Archive, Digest, NewImage, Platform, Result, Rootfs};

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
}

/// A name that differs where the images differ.
pub(crate) fn reference(form: Form, name: &str, program: &[u8]) -> String {
    let form = format!("{form:?}").to_lowercase();
    format!("shimmer.test/{form}/{name}:{}", &Digest::of(program).hex()[..12])
}

/// Writes an archive with one image.
pub(crate) fn write(form: Form, reference: &str, name: &str, program: &[u8], archive: &Path) -> Result<()> {
    let image = match form {
        Form::Rootfs => Rootfs::new(Platform::host()).file(&format!("/{name}"), 0o755, program).build()?,
        Form::Artifact => NewImage::artifact(program),
        Form::RunwasiLayer => NewImage::runwasi(program),
        Form::SpinLayer => NewImage::spin(program),
    };
    Archive::default().image(reference, image).write(File::create(archive)?)
}
