use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use tar::EntryType;

use crate::descriptor::media;
use crate::rootfs::header;
use crate::writer::{Index, json};
use crate::{Descriptor, Error, ErrorKind, NewImage, Result};

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
    /// [`ErrorKind::Invalid`] where a name is empty or given twice, [`ErrorKind::Io`] where `output` fails.
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
        let blobs: BTreeMap<_, _> = self.images.iter().flat_map(|(_, image)| &image.blobs).collect();
        for (digest, bytes) in blobs {
            append(&mut archive, &format!("blobs/sha256/{}", digest.hex()), bytes)?;
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

fn append(archive: &mut tar::Builder<impl Write>, path: &str, bytes: &[u8]) -> io::Result<()> {
    archive.append_data(&mut header(EntryType::Regular, 0o644, bytes.len()), path, bytes)
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
