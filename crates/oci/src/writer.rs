use std::collections::BTreeMap;

use serde::Serialize;
use shimmer_engine::{Import, Kind, Needs};
use wasmparser::{Parser, Payload};

use crate::descriptor::media;
use crate::rootfs::Start;
use crate::{Descriptor, Digest, LAYER_TYPES, Layer, Platform};

/// An image to be written, with all its blobs.
///
/// The bytes of programs are not looked at, so that tests can make images that must be refused.
#[derive(Clone, Debug)]
pub struct NewImage {
    pub(crate) descriptor: Descriptor,
    pub(crate) blobs: BTreeMap<Digest, Vec<u8>>,
    /// The blobs that are not in memory.
    pub(crate) elsewhere: Vec<Layer>,
}

impl NewImage {
    /// A CNCF Wasm artifact: one layer of WebAssembly, and a configuration that says what it imports and
    /// exports.
    #[must_use]
    pub fn artifact(wasm: impl Into<Vec<u8>>) -> Self {
        let wasm = wasm.into();
        let component = Interfaces::of(&wasm);
        let platform = Platform::new(if component.is_some() { "wasip2" } else { "wasip1" }, "wasm");
        let config = ArtifactConfig {
            created: EPOCH,
            architecture: &platform.architecture,
            os: &platform.os,
            layer_digests: vec![Digest::of(&wasm)],
            component,
            rootfs: Layers::default(),
        };
        let config = (media::WASM_CONFIG, json(&config));
        Self::assemble(platform, config, vec![(LAYER_TYPES[0].to_owned(), wasm)], Vec::new())
    }

    /// An image in the form that runwasi's tools write: a common configuration, and one layer of runwasi's
    /// type.
    #[must_use]
    pub fn runwasi(wasm: impl Into<Vec<u8>>) -> Self {
        Self::layers([(LAYER_TYPES[1], wasm.into())])
    }

    /// An image in the form that Spin writes, of a single module and without files.
    #[must_use]
    pub fn spin(wasm: impl Into<Vec<u8>>) -> Self {
        Self::layers([(LAYER_TYPES[2], wasm.into())])
    }

    /// An image for `wasip1/wasm` with a common configuration, and these layers, each a media type and bytes.
    #[must_use]
    pub fn layers<const N: usize>(layers: [(&str, Vec<u8>); N]) -> Self {
        let layers = layers.map(|(media_type, bytes)| (media_type.to_owned(), bytes));
        Self::with_config(&Platform::new("wasip1", "wasm"), None, layers.into(), Vec::new())
    }

    /// An index of images, each found by its platform.
    #[must_use]
    pub fn index(images: impl IntoIterator<Item = Self>) -> Self {
        let images: Vec<Self> = images.into_iter().collect();
        let index = Index {
            schema_version: 2,
            media_type: media::INDEX,
            manifests: images.iter().map(|image| image.descriptor.clone()).collect(),
        };
        let bytes = json(&index);
        let descriptor = Descriptor::of(media::INDEX, &bytes);
        let mut whole = Self { descriptor, blobs: BTreeMap::new(), elsewhere: Vec::new() };
        for image in images {
            whole.blobs.extend(image.blobs);
            whole.elsewhere.extend(image.elsewhere);
        }
        whole.blobs.insert(whole.descriptor.digest, bytes);
        whole
    }

    /// The digest of its manifest or index.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.descriptor.digest
    }

    /// An image with a common configuration. The layers that lie elsewhere come last.
    pub(crate) fn with_config(
        platform: &Platform,
        start: Option<Start>,
        layers: Vec<(String, Vec<u8>)>,
        elsewhere: Vec<Layer>,
    ) -> Self {
        let is_tar = |media_type: &str| media_type == media::TAR;
        let history = layers.iter().map(|(media_type, bytes)| (Digest::of(bytes), !is_tar(media_type)));
        let history = history.chain(elsewhere.iter().map(|layer| (layer.descriptor.digest, false)));
        let step = |(comment, empty_layer)| Step { created: EPOCH, comment, empty_layer };
        let unpacked = layers.iter().filter(|(media_type, _)| is_tar(media_type));
        let unpacked = unpacked.map(|(_, bytes)| Digest::of(bytes));
        let config = ImageConfig {
            created: EPOCH,
            architecture: &platform.architecture,
            os: &platform.os,
            variant: platform.variant.as_deref(),
            config: start.unwrap_or_default(),
            rootfs: Layers {
                diff_ids: unpacked.chain(elsewhere.iter().map(|layer| layer.unpacked)).collect(),
                ..Layers::default()
            },
            history: history.map(step).collect(),
        };
        Self::assemble(platform.clone(), (media::CONFIG, json(&config)), layers, elsewhere)
    }

    fn assemble(
        platform: Platform,
        config: (&str, Vec<u8>),
        layers: Vec<(String, Vec<u8>)>,
        elsewhere: Vec<Layer>,
    ) -> Self {
        let in_memory = layers.iter().map(|(media_type, bytes)| Descriptor::of(media_type, bytes));
        let manifest = Manifest {
            schema_version: 2,
            media_type: media::MANIFEST,
            config: Descriptor::of(config.0, &config.1),
            layers: in_memory.chain(elsewhere.iter().map(|layer| layer.descriptor.clone())).collect(),
        };
        let manifest = json(&manifest);
        let descriptor =
            Descriptor { platform: Some(platform), ..Descriptor::of(media::MANIFEST, &manifest) };
        let layers = layers.into_iter().map(|(_, bytes)| bytes);
        let blobs = layers.chain([config.1, manifest]).map(|bytes| (Digest::of(&bytes), bytes)).collect();
        Self { descriptor, blobs, elsewhere }
    }
}

/// When everything was made, so that it does not show in digests.
const EPOCH: &str = "1970-01-01T00:00:00Z";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    schema_version: u32,
    media_type: &'a str,
    config: Descriptor,
    layers: Vec<Descriptor>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Index<'a> {
    pub(crate) schema_version: u32,
    pub(crate) media_type: &'a str,
    pub(crate) manifests: Vec<Descriptor>,
}

#[derive(Serialize)]
struct ImageConfig<'a> {
    created: &'a str,
    architecture: &'a str,
    os: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<&'a str>,
    config: Start,
    rootfs: Layers,
    history: Vec<Step<'a>>,
}

/// How a layer came to be. It names the layer's digest because a program's layer is not in `diff_ids`, and
/// CRI takes images with equal configurations for one image.
#[derive(Serialize)]
struct Step<'a> {
    created: &'a str,
    comment: Digest,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    empty_layer: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ArtifactConfig<'a> {
    created: &'a str,
    architecture: &'a str,
    os: &'a str,
    layer_digests: Vec<Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    component: Option<Interfaces>,
    rootfs: Layers,
}

/// The layers that make a root, which excludes programs: containerd counts only layers that it can unpack,
/// and refuses an image that lists more of them.
#[derive(Serialize)]
struct Layers {
    r#type: &'static str,
    diff_ids: Vec<Digest>,
}

impl Default for Layers {
    fn default() -> Self {
        Self { r#type: "layers", diff_ids: Vec::new() }
    }
}

/// What a component says about itself.
#[derive(Serialize)]
struct Interfaces {
    exports: Vec<String>,
    imports: Vec<String>,
}

impl Interfaces {
    /// Nothing for a module, or for bytes that are neither.
    fn of(wasm: &[u8]) -> Option<Self> {
        let needs = Needs::of(wasm).ok().filter(|needs| needs.kind != Kind::Module)?;
        let imports = needs.imports.iter().map(Import::to_string).collect();
        let (mut exports, mut depth) = (Vec::new(), 0_usize);
        for payload in Parser::new(0).parse_all(wasm) {
            match payload.ok()? {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentExportSection(section) if depth == 0 => {
                    exports.extend(section.into_iter().flatten().map(|export| export.name.name.to_owned()));
                }
                _ => {}
            }
        }
        Some(Self { exports, imports })
    }
}

pub(crate) fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("structs with text keys and no custom serialisation become JSON")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const MODULE: &[u8] = b"\0asm\x01\0\0\0";

    fn blob<'a>(image: &'a NewImage, digest: &Value) -> &'a [u8] {
        let digest = digest.as_str().and_then(|text| text.parse::<Digest>().ok()).expect("a digest");
        &image.blobs[&digest]
    }

    fn manifest_and_config(image: &NewImage) -> (Value, Value) {
        let manifest: Value =
            serde_json::from_slice(&image.blobs[&image.digest()]).expect("the manifest is JSON");
        let config =
            serde_json::from_slice(blob(image, &manifest["config"]["digest"])).expect("the config is JSON");
        (manifest, config)
    }

    #[test]
    fn an_artifact_of_a_module_has_the_form_that_the_cncf_describes() {
        let (manifest, config) = manifest_and_config(&NewImage::artifact(MODULE));
        assert_eq!(manifest["config"]["mediaType"], "application/vnd.wasm.config.v0+json");
        assert_eq!(manifest["layers"][0]["mediaType"], "application/wasm");
        let expected = json!({
            "created": "1970-01-01T00:00:00Z", "architecture": "wasm", "os": "wasip1",
            "layerDigests": [manifest["layers"][0]["digest"]], "rootfs": {"type": "layers", "diff_ids": []},
        });
        assert_eq!(config, expected);
    }

    #[test]
    fn an_artifact_of_a_component_names_its_interfaces() {
        let text = r#"(component (import "wasi:io/error@0.2.0" (instance))
            (component (instance $inner) (export "inner" (instance $inner)))
            (instance $run) (export "wasi:cli/run@0.2.0" (instance $run)))"#;
        let (_, config) = manifest_and_config(&NewImage::artifact(wat::parse_str(text).expect("valid")));
        assert_eq!(config["os"], "wasip2");
        let expected = json!({"exports": ["wasi:cli/run@0.2.0"], "imports": ["wasi:io/error@0.2.0"]});
        assert_eq!(config["component"], expected);
    }

    #[test]
    fn programs_do_not_count_as_layers_of_a_root() {
        for image in [NewImage::runwasi(MODULE), NewImage::spin(MODULE)] {
            let (manifest, config) = manifest_and_config(&image);
            assert_eq!(manifest["layers"].as_array().map(Vec::len), Some(1));
            assert_eq!(config["rootfs"], json!({"type": "layers", "diff_ids": []}));
            assert_eq!(config["history"][0]["empty_layer"], true);
        }
    }

    #[test]
    fn different_programs_have_different_configurations() {
        let makers: [fn(Vec<u8>) -> NewImage; 3] = [NewImage::artifact, NewImage::runwasi, NewImage::spin];
        for make in makers {
            let config = |bytes: &[u8]| manifest_and_config(&make(bytes.to_vec())).1;
            assert_ne!(config(MODULE), config(b"another"));
        }
    }

    #[test]
    fn a_rootfs_image_says_how_it_starts() {
        let image = crate::Rootfs::new(Platform::wasi())
            .file("app.wasm", 0o644, MODULE)
            .entrypoint(["/app.wasm#run"])
            .cmd(["-v"])
            .env("A", "1=2")
            .working_dir("/srv")
            .user("1000:1000")
            .build()
            .expect("it is valid");
        let (manifest, config) = manifest_and_config(&image);
        assert_eq!((&config["os"], &config["architecture"]), (&json!("wasi"), &json!("wasm")));
        let expected = json!({"Entrypoint": ["/app.wasm#run"], "Cmd": ["-v"], "Env": ["A=1=2"], "WorkingDir": "/srv",
            "User": "1000:1000"});
        assert_eq!(config["config"], expected);
        assert_eq!(config["rootfs"]["diff_ids"], json!([manifest["layers"][0]["digest"]]));
    }
}
