use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};

use tar::EntryType;

use crate::descriptor::media;
use crate::rootfs::header;
use crate::writer::{Index, json};
use crate::{Descriptor, Digest, Error, ErrorKind, Layer, Measured, NewImage, Result};

/// Images with their names, to be written as an OCI image layout in a tar archive, as containerd imports
/// them.
///
/// The same images always make the same bytes.
#[derive(Clone, Debug, Default)]
pub struct Archive {
    images: Vec<(String, NewImage)>,
}

impl Archive {
    /// Adds an image under a full name, like `example.test/hello:1`.
    #[must_use]
    pub fn image(mut self, name: &str, image: NewImage) -> Self {
        self.images.push((name.to_owned(), image));
        self
    }

    /// Writes the archive.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] where a name is empty or given twice, [`ErrorKind::Io`] where `output` or a layer that lies
    /// elsewhere fails, [`ErrorKind::Damaged`] where such a layer is not what it was said to be.
    pub fn write(&self, output: impl Write) -> Result<()> {
        self.check_names()?;
        let index = Index {
            schema_version: 2,
            media_type: media::INDEX,
            manifests: self.images.iter().map(|(name, image)| named(name, image)).collect(),
        };
        let mut archive = tar::Builder::new(output);
        for directory in ["blobs", "blobs/sha256"] {
            archive.append_data(&mut header(EntryType::Directory, 0o755, 0), directory, io::empty())?;
        }
        let images = || self.images.iter().map(|(_, image)| image);
        let layers: BTreeMap<_, _> = images()
            .flat_map(|image| &image.elsewhere)
            .map(|layer| (layer.descriptor.digest, layer))
            .collect();
        let blobs: BTreeMap<_, _> = images().flat_map(|image| &image.blobs).collect();
        for (digest, bytes) in blobs {
            append(&mut archive, &blob(digest), bytes)?;
        }
        for layer in layers.values() {
            copy(&mut archive, layer)?;
        }
        append(&mut archive, "index.json", &json(&index))?;
        append(&mut archive, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        archive.into_inner()?.flush()?;
        Ok(())
    }

    fn check_names(&self) -> Result<()> {
        let mut names = BTreeSet::new();
        for (name, _) in &self.images {
            if name.is_empty() || !names.insert(name) {
                return Err(Error::new(ErrorKind::Invalid, "the name of an image is empty or given twice")
                    .with("image", format!("{name:?}"))
                    .advise("give each its own name"));
            }
        }
        Ok(())
    }
}

/// The descriptor of an image under its name. It says no platform: an importer would leave out images for
/// others.
fn named(name: &str, image: &NewImage) -> Descriptor {
    let annotations = BTreeMap::from([
        ("io.containerd.image.name".to_owned(), name.to_owned()),
        ("org.opencontainers.image.ref.name".to_owned(), tag(name).to_owned()),
    ]);
    Descriptor { platform: None, annotations: Some(annotations), ..image.descriptor.clone() }
}

fn tag(name: &str) -> &str {
    let last = name.rsplit('/').next().unwrap_or(name);
    let last = last.split_once('@').map_or(last, |(before, _)| before);
    last.split_once(':').map_or("latest", |(_, tag)| tag)
}

fn blob(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

fn append(archive: &mut tar::Builder<impl Write>, path: &str, bytes: &[u8]) -> io::Result<()> {
    archive.append_data(&mut header(EntryType::Regular, 0o644, bytes.len() as u64), path, bytes)
}

/// Copies a layer from where it lies, and compares: an archive that promises what it does not hold is no use to anybody.
fn copy(archive: &mut tar::Builder<impl Write>, layer: &Layer) -> Result<()> {
    let Descriptor { digest, size, .. } = layer.descriptor;
    let mut content =
        Measuring { reader: layer.content.open()?.take(size), measured: Measured::new(io::sink()) };
    archive.append_data(&mut header(EntryType::Regular, 0o644, size), blob(&digest), &mut content)?;
    let (_, found, read) = content.measured.finish();
    if (found, read) == (digest, size) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Damaged, "a layer changed while its image was written")
        .with("layer", digest.to_string())
        .advise("write the image again, and let nobody else write there"))
}

/// A reader that knows the digest of what it gave.
struct Measuring<R> {
    reader: R,
    measured: Measured<io::Sink>,
}

impl<R: Read> Read for Measuring<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.measured.write_all(&buffer[..read])?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Platform;

    fn written(archive: &Archive) -> Vec<u8> {
        let mut bytes = Vec::new();
        archive.write(&mut bytes).expect("memory can be written");
        bytes
    }

    #[test]
    fn always_makes_the_same_bytes() {
        let archive = || {
            let rootfs = crate::Rootfs::new(Platform::host()).file("a", 0o755, "1").build().expect("valid");
            Archive::default().image("example.test/a:1", rootfs).image("example.test/b", NewImage::spin("2"))
        };
        assert_eq!(written(&archive()), written(&archive()));
    }

    #[derive(Debug)]
    struct Bytes(&'static [u8]);

    impl crate::Content for Bytes {
        fn open(&self) -> io::Result<Box<dyn Read>> {
            Ok(Box::new(self.0))
        }
    }

    fn of_layer(digest: Digest, size: u64, content: &'static [u8]) -> Archive {
        let layer = Layer::gzip(digest, size, Digest::of(b"unpacked"), std::sync::Arc::new(Bytes(content)));
        let image = crate::Rootfs::new(Platform::host()).layer(layer).label("a", "b").build().expect("valid");
        Archive::default().image("a:1", NewImage::index([image]))
    }

    #[test]
    fn a_layer_that_lies_elsewhere_is_copied_and_described() {
        let bytes = written(&of_layer(Digest::of(b"packed"), 6, b"packed"));
        let mut tar = tar::Archive::new(bytes.as_slice());
        let mut texts = Vec::new();
        for entry in tar.entries().expect("a tar") {
            let mut text = String::new();
            entry.expect("an entry").read_to_string(&mut text).expect("text");
            texts.push(text);
        }
        assert!(texts.iter().any(|text| text == "packed"), "the blob");
        let config = texts.iter().find(|text| text.contains("diff_ids")).expect("a configuration");
        assert!(config.contains(&Digest::of(b"unpacked").to_string()), "{config}");
        assert!(config.contains(r#""Labels":{"a":"b"}"#), "{config}");
        let manifest = texts.iter().find(|text| text.contains("layers") && text.contains("tar+gzip"));
        assert!(manifest.is_some_and(|text| text.contains(&Digest::of(b"packed").to_string())), "{texts:?}");
    }

    #[test]
    fn refuses_a_layer_that_is_not_what_it_was() {
        for content in [&b"pack"[..], b"PACKED"] {
            let archive = of_layer(Digest::of(b"packed"), 6, content);
            let error = archive.write(Vec::new()).expect_err("it changed");
            assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
        }
        // What follows behind its end is nobody's.
        written(&of_layer(Digest::of(b"packed"), 6, b"packed and more"));
    }

    #[test]
    fn shared_blobs_are_written_once() {
        let image = NewImage::artifact("1");
        let archive = Archive::default().image("a", image.clone()).image("b", image);
        let bytes = written(&archive);
        let mut tar = tar::Archive::new(bytes.as_slice());
        let paths: Vec<_> = tar
            .entries()
            .expect("a tar")
            .map(|entry| entry.expect("an entry").path_bytes().to_vec())
            .collect();
        let distinct: BTreeSet<_> = paths.iter().collect();
        assert_eq!((paths.len(), distinct.len()), (7, 7), "2 folders, 3 blobs, index.json and oci-layout");
    }

    #[test]
    fn refuses_images_that_cannot_be_told_apart() {
        let image = NewImage::artifact("1");
        for archive in [
            Archive::default().image("a", image.clone()).image("a", image.clone()),
            Archive::default().image("", image),
        ] {
            assert_eq!(archive.write(Vec::new()).expect_err("no own name").kind(), ErrorKind::Invalid);
        }
    }

    #[test]
    fn says_why_it_could_not_be_written() {
        let archive = Archive::default().image("a", NewImage::artifact("1"));
        let error = archive.write(&mut [0_u8; 600][..]).expect_err("there is no room");
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.to_string().starts_with("the archive could not be written: "), "{error}");
    }

    #[test]
    fn finds_the_tag_in_a_name() {
        for (name, expected) in [
            ("example.test:5000/a", "latest"),
            ("example.test:5000/a:1", "1"),
            ("a:2@sha256:00", "2"),
            ("a", "latest"),
        ] {
            assert_eq!(tag(name), expected, "{name}");
        }
    }
}
