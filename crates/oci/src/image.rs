use crate::descriptor::media;
use crate::document::Document;
use crate::{Descriptor, Error, ErrorKind, LAYER_TYPES, MAX_PROGRAM_SIZE, Platform, Result, index};

/// The largest manifest or index that is read, in bytes: 4 MiB, as containerd and registries have it.
pub const MAX_MANIFEST_SIZE: u64 = 4 << 20;

/// How many indexes may lead from a name to an image. Tools write one; each costs the node a look-up.
const MAX_INDEXES: usize = 4;

/// An image for this node: its manifest, understood.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Image {
    /// The manifest, as the index or the caller described it.
    pub manifest: Descriptor,
    /// The configuration.
    pub config: Descriptor,
    /// Where the program is.
    pub kind: ImageKind,
}

/// Where the program of an image is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ImageKind {
    /// In a file of its root, which the container's entrypoint names: these layers, the lowest first.
    Rootfs(Vec<Descriptor>),
    /// It is this layer.
    Program(Descriptor),
}

impl Image {
    /// Follows `target` through indexes to the image for `node`, and reads its manifest.
    ///
    /// `read` is asked for the bytes of one blob at a time, which are verified here, and only for blobs of at
    /// most [`MAX_MANIFEST_SIZE`]. The layers are not read: whoever does [verifies](Descriptor::verify) them.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Damaged`] where bytes are not those described, [`ErrorKind::Invalid`] where they are no
    /// manifest or index, [`ErrorKind::NotFound`] where an index has nothing for `node`,
    /// [`ErrorKind::Unsupported`] where the image is none that is run here; and the errors of `read`.
    pub fn resolve(
        target: &Descriptor,
        node: &Platform,
        mut read: impl FnMut(&Descriptor) -> Result<Vec<u8>>,
    ) -> Result<Self> {
        let mut manifest = target.clone();
        for _ in 0..=MAX_INDEXES {
            let about = |error: Error| error.with("manifest", manifest.digest.to_string());
            check_size(&manifest, MAX_MANIFEST_SIZE).map_err(about)?;
            let bytes = read(&manifest)?;
            manifest.verify(&bytes)?;
            manifest = match Document::parse(&manifest.media_type, &bytes).map_err(about)? {
                Document::Index(manifests) => index::select(&manifests, node).map_err(about)?.clone(),
                Document::Manifest(config, layers) => {
                    let kind = ImageKind::of(&config, layers).map_err(about)?;
                    return Ok(Self { config, kind, manifest });
                }
            };
        }
        Err(Error::new(
            ErrorKind::Invalid,
            format!("more than {MAX_INDEXES} image indexes lead to each other"),
        )
        .with("manifest", target.digest.to_string()))
    }
}

impl ImageKind {
    fn of(config: &Descriptor, layers: Vec<Descriptor>) -> Result<Self> {
        let is_program = |layer: &&Descriptor| LAYER_TYPES.contains(&layer.media_type.as_str());
        let programs: Vec<_> = layers.iter().filter(is_program).collect();
        match (programs.as_slice(), config.media_type.as_str()) {
            _ if layers.is_empty() => Err(Error::new(ErrorKind::Invalid, "the image has no layers")),
            ([_], media::WASM_CONFIG) if layers.len() > 1 => Err(several("layers", layers.len())),
            ([program], _) => {
                check_size(program, MAX_PROGRAM_SIZE).map(|()| Self::Program((*program).clone()))
            }
            ([], media::CONFIG | media::DOCKER_CONFIG) if layers.iter().all(is_tar) => {
                Ok(Self::Rootfs(layers))
            }
            ([], _) => Err(foreign(config, &layers)),
            (programs, _) => Err(several("WebAssembly layers", programs.len())),
        }
    }
}

fn check_size(blob: &Descriptor, limit: u64) -> Result<()> {
    if blob.size <= limit {
        return Ok(());
    }
    let message = format!("a blob of the image has {} bytes, more than the {limit} allowed", blob.size);
    Err(Error::new(ErrorKind::Invalid, message).with("blob", blob.digest.to_string()))
}

fn is_tar(layer: &Descriptor) -> bool {
    const TARS: [&str; 4] = [
        media::TAR,
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.docker.image.rootfs.diff.tar",
        "application/vnd.docker.image.rootfs.foreign.diff.tar",
    ];
    TARS.iter().any(|tar| {
        layer
            .media_type
            .strip_prefix(tar)
            .is_some_and(|rest| matches!(rest, "" | "+gzip" | "+zstd" | ".gzip" | ".zstd"))
    })
}

fn several(what: &str, count: usize) -> Error {
    Error::new(ErrorKind::Unsupported, format!("the image has {count} {what}, and one program is run here"))
        .advise("compose its components into one, or run a Spin application with Spin's own shim")
}

fn foreign(config: &Descriptor, layers: &[Descriptor]) -> Error {
    let layer = layers.iter().find(|layer| !is_tar(layer)).map_or("tar", |layer| layer.media_type.as_str());
    Error::new(ErrorKind::Unsupported, "the image has neither a WebAssembly layer nor a root of files")
        .with("config", format!("{:?}", config.media_type))
        .with("layer", format!("{layer:?}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read;

    use serde_json::json;

    use super::*;
    use crate::random::Random;
    use crate::{Archive, NewImage, Rootfs, program};

    const MODULE: &[u8] = b"\0asm\x01\0\0\0";

    fn node() -> Platform {
        Platform::new("linux", "amd64")
    }

    fn rootfs(platform: Platform) -> NewImage {
        Rootfs::new(platform).file("/app.wasm", 0o644, MODULE).build().expect("it is valid")
    }

    /// Resolves an image among its own blobs.
    fn resolve(image: &NewImage) -> Result<Image> {
        Image::resolve(&image.descriptor, &node(), |blob| {
            image
                .blobs
                .get(&blob.digest)
                .cloned()
                .ok_or_else(|| Error::new(ErrorKind::NotFound, "there is no blob"))
        })
    }

    /// Resolves one manifest, announced as such.
    fn resolve_json(media_type: &str, bytes: &[u8]) -> Result<Image> {
        Image::resolve(&Descriptor::of(media_type, bytes), &node(), |_| Ok(bytes.to_vec()))
    }

    fn refusal(media_type: &str, text: &str) -> Error {
        resolve_json(media_type, text.as_bytes()).expect_err("it is no image")
    }

    fn manifest(config: &str, layers: &[&str]) -> String {
        let layers: Vec<_> = layers.iter().map(|media_type| Descriptor::of(media_type, MODULE)).collect();
        let config = Descriptor::of(config, b"{}");
        json!({"schemaVersion": 2, "mediaType": media::MANIFEST, "config": config, "layers": layers})
            .to_string()
    }

    #[test]
    fn finds_the_program_of_every_kind_of_image() {
        for image in [NewImage::artifact(MODULE), NewImage::runwasi(MODULE), NewImage::spin(MODULE)] {
            let ImageKind::Program(layer) = resolve(&image).expect("it is an image").kind else {
                panic!("its program is a layer");
            };
            let bytes = image.blobs[&layer.digest].clone();
            layer.verify(&bytes).expect("the layer is whole");
            assert_eq!(program("layer", bytes).expect("it is a program").wasm(), MODULE);
        }
        let ImageKind::Rootfs(layers) = resolve(&rootfs(Platform::wasi())).expect("it is an image").kind
        else {
            panic!("its program is in a file");
        };
        assert_eq!(layers.len(), 1);
    }

    #[test]
    fn finds_the_same_image_through_an_index() {
        for image in [NewImage::artifact(MODULE), NewImage::runwasi(MODULE), rootfs(Platform::wasi())] {
            let alone = resolve(&image).expect("it is an image");
            let index = NewImage::index([rootfs(node()), image]);
            assert_eq!(resolve(&index).expect("one fits"), alone);
            let nested = NewImage::index([index]);
            assert_eq!(resolve(&nested).expect("one fits"), alone);
        }
    }

    #[test]
    fn reads_back_an_archive_of_several_images() {
        let images = [
            ("a.test/app:1", NewImage::artifact(MODULE)),
            ("a.test/index", NewImage::index([rootfs(node())])),
        ];
        let archive = images
            .iter()
            .fold(Archive::default(), |archive, (name, image)| archive.image(name, image.clone()));
        let mut bytes = Vec::new();
        archive.write(&mut bytes).expect("memory can be written");
        let mut files = BTreeMap::new();
        for entry in tar::Archive::new(bytes.as_slice()).entries().expect("a tar") {
            let mut entry = entry.expect("an entry");
            let (path, mut bytes) = (entry.path().expect("a path").display().to_string(), Vec::new());
            entry.read_to_end(&mut bytes).expect("the archive is whole");
            files.insert(path, bytes);
        }
        let Ok(Document::Index(listed)) = Document::parse(media::INDEX, &files["index.json"]) else {
            panic!("index.json is an index");
        };
        assert_eq!(listed.len(), images.len());
        for (listed, (name, image)) in listed.iter().zip(&images) {
            let annotations = listed.annotations.as_ref().expect("it is annotated");
            assert_eq!(annotations["io.containerd.image.name"], *name);
            let found = Image::resolve(listed, &node(), |blob| {
                Ok(files[&format!("blobs/sha256/{}", blob.digest.hex())].clone())
            });
            assert_eq!(found.expect("it is an image").kind, resolve(image).expect("it is an image").kind);
        }
    }

    #[test]
    fn ignores_what_spin_adds_to_its_module() {
        let text =
            manifest(media::CONFIG, &[LAYER_TYPES[2], "application/vnd.fermyon.spin.application.v1+config"]);
        let image = resolve_json(media::MANIFEST, text.as_bytes()).expect("there is one module");
        assert_eq!(image.kind, ImageKind::Program(Descriptor::of(LAYER_TYPES[2], MODULE)));
    }

    #[test]
    fn takes_what_docker_wrote() {
        let text = manifest(media::DOCKER_CONFIG, &["application/vnd.docker.image.rootfs.diff.tar.gzip"])
            .replace(media::MANIFEST, media::DOCKER_MANIFEST);
        let image = resolve_json(media::DOCKER_MANIFEST, text.as_bytes()).expect("it is an image");
        assert!(matches!(image.kind, ImageKind::Rootfs(_)));
    }

    #[test]
    fn refuses_images_without_exactly_one_program() {
        for (config, layers, complaint) in [
            (media::CONFIG, &[][..], "the image has no layers"),
            (media::WASM_CONFIG, &[LAYER_TYPES[0], LAYER_TYPES[0]], "has 2 WebAssembly layers"),
            (media::WASM_CONFIG, &[LAYER_TYPES[0], media::TAR], "has 2 layers"),
            (media::WASM_CONFIG, &[media::TAR], "neither a WebAssembly layer nor a root"),
            (
                media::CONFIG,
                &[LAYER_TYPES[2], LAYER_TYPES[2], LAYER_TYPES[2]],
                "run a Spin application with Spin's",
            ),
            (
                media::CONFIG,
                &[media::TAR, "text/plain"],
                "(config: \"application/vnd.oci.image.config.v1+json\", layer: \"text/plain\", ",
            ),
        ] {
            let error = refusal(media::MANIFEST, &manifest(config, layers)).to_string();
            assert!(error.contains(complaint) && error.contains("sha256:"), "{error}");
        }
    }

    #[test]
    fn asks_for_no_blob_that_is_too_large() {
        let target = Descriptor { size: MAX_MANIFEST_SIZE + 1, ..Descriptor::of(media::MANIFEST, b"") };
        let error =
            Image::resolve(&target, &node(), |_| panic!("it must not be read")).expect_err("it is too large");
        assert!(error.to_string().contains("4194305 bytes, more than the 4194304 allowed"), "{error}");
    }

    #[test]
    fn refuses_a_program_that_is_too_large() {
        let text = manifest(media::CONFIG, &[LAYER_TYPES[0]])
            .replace("\"size\":8", &format!("\"size\":{}", u64::MAX));
        let error = refusal(media::MANIFEST, &text).to_string();
        assert!(error.contains("18446744073709551615 bytes, more than the 536870912 allowed"), "{error}");
    }

    #[test]
    fn refuses_bytes_that_are_not_those_described() {
        let image = NewImage::artifact(MODULE);
        let error = Image::resolve(&image.descriptor, &node(), |blob| Ok(vec![b' '; blob.size as usize]));
        assert_eq!(error.expect_err("they differ").kind(), ErrorKind::Damaged);
    }

    #[test]
    fn names_the_blob_that_is_missing() {
        let index = NewImage::index([NewImage::artifact(MODULE)]);
        let only = index.digest();
        let index = NewImage {
            blobs: index.blobs.into_iter().filter(|(digest, _)| *digest == only).collect(),
            ..index
        };
        assert_eq!(resolve(&index).expect_err("the manifest is missing").kind(), ErrorKind::NotFound);
    }

    #[test]
    fn follows_no_chain_of_indexes_without_end() {
        let nest = |depth| (0..depth).fold(NewImage::artifact(MODULE), |image, _| NewImage::index([image]));
        resolve(&nest(MAX_INDEXES)).expect("this many are allowed");
        let error = resolve(&nest(MAX_INDEXES + 1)).expect_err("it is one too many");
        assert!(error.to_string().contains("more than 4 image indexes"), "{error}");
    }

    #[test]
    fn answers_any_manifest_with_an_image_or_an_error() {
        let mut random = Random::seeded(3);
        let artifact = NewImage::artifact(MODULE);
        let index = NewImage::index([artifact.clone(), rootfs(node())]);
        let seeds = [
            (media::MANIFEST, &artifact.blobs[&artifact.digest()]),
            (media::INDEX, &index.blobs[&index.digest()]),
        ];
        let (mut images, mut refusals) = (0, 0);
        for round in 0..10_000 {
            let (media_type, seed) = seeds[round % 2];
            let bytes = random.mutate(seed);
            let target = Descriptor::of(media_type, &bytes);
            let answer = Image::resolve(&target, &node(), |blob| {
                let known = index.blobs.get(&blob.digest).cloned();
                Ok(known.unwrap_or_else(|| bytes.clone()))
            });
            match answer {
                Ok(_) => images += 1,
                Err(error) => {
                    assert!(error.to_string().len() < 4096, "{error}");
                    refusals += 1;
                }
            }
        }
        assert!(
            images > 100 && refusals > 100,
            "{images} images, {refusals} refusals: the mutations are dull"
        );
    }
}
