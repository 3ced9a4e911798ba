use serde::Deserialize;

use crate::descriptor::media;
use crate::{Descriptor, Error, ErrorKind, Result};

/// A manifest or an index. The type under which it was announced decides, and its fields must agree.
#[derive(Debug)]
pub(crate) enum Document {
    Index(Vec<Descriptor>),
    Manifest(Descriptor, Vec<Descriptor>),
}

/// What is read of either.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields {
    schema_version: Option<u64>,
    media_type: Option<String>,
    manifests: Option<Vec<Descriptor>>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
}

impl Document {
    /// Parses the blob that a descriptor announced as being of type `announced`.
    pub(crate) fn parse(announced: &str, bytes: &[u8]) -> Result<Self> {
        let invalid = |message: &str| Error::new(ErrorKind::Invalid, message);
        let fields: Fields = serde_json::from_slice(bytes).map_err(|error| {
            invalid("this is neither an image manifest nor an image index").because(error)
        })?;
        if fields.schema_version != Some(2) {
            return Err(
                invalid("the image is not of schema version 2").advise("rebuild it with a current tool")
            );
        }
        if fields.media_type.as_deref().is_some_and(|own| own != announced) {
            return Err(invalid("the image contradicts itself about the type of its manifest"));
        }
        let is_index = matches!(announced, media::INDEX | media::DOCKER_INDEX);
        if !is_index && !matches!(announced, media::MANIFEST | media::DOCKER_MANIFEST) {
            return Err(Error::new(ErrorKind::Unsupported, "this is the manifest of no image")
                .with("type", announced));
        }
        match (is_index, fields) {
            (true, Fields { manifests, config: None, layers: None, .. }) => {
                Ok(Self::Index(manifests.unwrap_or_default()))
            }
            (false, Fields { manifests: None, config: Some(config), layers, .. }) => {
                Ok(Self::Manifest(config, layers.unwrap_or_default()))
            }
            (false, Fields { manifests: None, config: None, .. }) => {
                Err(invalid("the manifest has no config"))
            }
            // What is an index to one reader and a manifest to another has two meanings under one digest.
            _ => Err(invalid("the image is a manifest and an index at once")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn manifest() -> String {
        let blob = format!(r#"{{"mediaType":"a/b","digest":"{DIGEST}","size":8}}"#);
        let own = media::MANIFEST;
        format!(r#"{{"schemaVersion":2,"mediaType":"{own}","config":{blob},"layers":[{blob}]}}"#)
    }

    fn refusal(announced: &str, text: &str) -> Error {
        Document::parse(announced, text.as_bytes()).expect_err("it is no image")
    }

    #[test]
    fn takes_a_null_for_an_empty_list() {
        let text = manifest().replace(r#""layers":["#, r#""layers":null,"ignored":["#);
        let document = Document::parse(media::MANIFEST, text.as_bytes()).expect("Go writes it so");
        assert!(matches!(document, Document::Manifest(_, layers) if layers.is_empty()));
    }

    #[test]
    fn refuses_a_manifest_with_two_meanings() {
        let one = manifest();
        let both = one.replacen('{', r#"{"manifests": [], "#, 1);
        for (announced, text, complaint) in [
            (media::MANIFEST, both.as_str(), "a manifest and an index at once"),
            (media::INDEX, &both.replace(media::MANIFEST, media::INDEX), "a manifest and an index at once"),
            (media::INDEX, &one, "contradicts itself"),
            (media::MANIFEST, &one.replacen('{', r#"{"layers": [], "#, 1), "duplicate field `layers`"),
        ] {
            let error = refusal(announced, text);
            assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
            assert!(error.to_string().contains(complaint), "{error}");
        }
    }

    #[test]
    fn refuses_what_is_no_manifest() {
        for (announced, text, complaint) in [
            ("text/html", r#"{"schemaVersion": 2}"#, "the manifest of no image (type: text/html)"),
            (media::MANIFEST, r#"{"schemaVersion": 2}"#, "has no config"),
            (media::MANIFEST, r#"{"schemaVersion": 1, "fsLayers": []}"#, "not of schema version 2"),
            (media::MANIFEST, "", "neither an image manifest nor an image index: EOF"),
        ] {
            let message = refusal(announced, text).to_string();
            assert!(message.contains(complaint), "{message}");
        }
    }

    #[test]
    fn refuses_hostile_json() {
        let size = |size: &str| manifest().replace(r#""size":8"#, &format!(r#""size":{size}"#));
        for (text, complaint) in [
            ("[".repeat(100_000), "invalid type"),
            (format!(r#"{{"x": {}"#, "[".repeat(100_000)), "EOF while parsing"),
            (size("1e400"), "number out of range"),
            (size("-1"), "invalid value"),
            (size("18446744073709551616"), "invalid type"),
            (manifest().replace("sha256:", "sha512:"), "no SHA-256 digest"),
            (manifest().replace("sha256:", "sha256:../../"), "64 lower-case"),
        ] {
            let error = refusal(media::MANIFEST, &text);
            assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
            assert!(error.to_string().contains(complaint), "{error}");
        }
    }
}
