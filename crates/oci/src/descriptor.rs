use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Digest, Error, ErrorKind, Result};

/// What an image says about one of its blobs.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What sort of blob it is.
    pub media_type: String,
    /// The digest of its bytes.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Where the image that it begins is meant to run, in an index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Remarks, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
}

/// Where an image is meant to run, in the words of the Go language.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Platform {
    /// The operating system: `linux`, `wasi`, `wasip1`, `wasip2`.
    #[serde(default)]
    pub os: String,
    /// The processor: `amd64`, `arm64`, `wasm`.
    #[serde(default)]
    pub architecture: String,
    /// The processor's variant, like `v8`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Descriptor {
    /// Describes these bytes.
    #[must_use]
    pub fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: Digest::of(bytes),
            size: bytes.len() as u64,
            platform: None,
            annotations: None,
        }
    }

    /// Compares bytes with their promised size and digest.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Damaged`] where they differ.
    pub fn verify(&self, bytes: &[u8]) -> Result<()> {
        let damaged = |message: String| {
            Err(Error::new(ErrorKind::Damaged, message).with("blob", self.digest.to_string()))
        };
        if bytes.len() as u64 != self.size {
            return damaged(format!(
                "the blob has {} bytes and its image promises {}",
                bytes.len(),
                self.size
            ));
        }
        match Digest::of(bytes) {
            digest if digest == self.digest => Ok(()),
            digest => damaged(format!("the blob has the digest {digest}")),
        }
    }
}

impl Platform {
    /// A platform without a variant.
    pub fn new(os: impl Into<String>, architecture: impl Into<String>) -> Self {
        Self { os: os.into(), architecture: architecture.into(), variant: None }
    }

    /// Linux on the processor for which this was compiled.
    #[must_use]
    pub fn host() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            "powerpc64" => "ppc64le",
            "loongarch64" => "loong64",
            same => same,
        };
        Self::new("linux", architecture)
    }

    /// `wasi/wasm`, for which rootfs images with a program in a file are built.
    #[must_use]
    pub fn wasi() -> Self {
        Self::new("wasi", "wasm")
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

/// The media types of the parts of an image.
pub(crate) mod media {
    pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    pub(crate) const TAR: &str = "application/vnd.oci.image.layer.v1.tar";
    pub(crate) const TAR_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
    pub(crate) const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";
    pub(crate) const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    pub(crate) const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verifies_size_and_digest() {
        let descriptor = Descriptor::of("a/b", b"bytes");
        descriptor.verify(b"bytes").expect("they are the same");
        for (bytes, complaint) in
            [(&b"byte"[..], "4 bytes and its image promises 5"), (b"BYTES", "has the digest")]
        {
            let error = descriptor.verify(bytes).expect_err("they differ");
            assert_eq!(error.kind(), ErrorKind::Damaged);
            assert!(error.to_string().contains(complaint), "{error}");
        }
    }

    #[test]
    fn writes_platforms_as_people_do() {
        let arm = Platform { variant: Some("v8".to_owned()), ..Platform::new("linux", "arm64") };
        assert_eq!([arm, Platform::wasi()].map(|each| each.to_string()), ["linux/arm64/v8", "wasi/wasm"]);
    }
}
