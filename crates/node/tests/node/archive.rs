//! Image archives made on the spot: busybox as a root filesystem, in an index, and a wasm artifact.

use std::fs::{self, File};
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// An image archive in the making.
#[derive(Default)]
pub(crate) struct Archive(Vec<(String, Vec<u8>)>);

impl Archive {
    /// Writes the tar.
    pub(crate) fn save(self, path: &Path) {
        let mut tar = tar::Builder::new(File::create(path).expect("an archive"));
        append(&mut tar, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#, 0o644);
        for (name, bytes) in self.0 {
            append(&mut tar, &name, &bytes, 0o644);
        }
        tar.finish().expect("a whole archive");
    }

    fn blob(&mut self, kind: &str, bytes: Vec<u8>) -> Value {
        let digest = digest(&bytes);
        let descriptor = json!({ "mediaType": kind, "digest": digest, "size": bytes.len() });
        self.0.push((format!("blobs/{}", digest.replace(':', "/")), bytes));
        descriptor
    }

    fn manifest(&mut self, config: &Value, config_kind: &str, layer: Vec<u8>, layer_kind: &str) -> Value {
        let config = self.blob(config_kind, config.to_string().into_bytes());
        let layer = self.blob(layer_kind, layer);
        let manifest =
            json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer] });
        self.blob(MANIFEST, manifest.to_string().into_bytes())
    }

    fn image(&mut self, variable: &str) -> Value {
        let layer = rootfs();
        let config = json!({
            "architecture": architecture(),
            "os": "linux",
            "config": { "Entrypoint": ["/bin/sh"], "Env": ["PATH=/bin", variable] },
            "rootfs": { "type": "layers", "diff_ids": [digest(&layer)] },
        });
        let layer_kind = "application/vnd.oci.image.layer.v1.tar";
        self.manifest(&config, "application/vnd.oci.image.config.v1+json", layer, layer_kind)
    }

    fn name(mut self, mut root: Value, name: &str) -> Self {
        root["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
        let index = json!({ "schemaVersion": 2, "manifests": [root] });
        self.0.push(("index.json".into(), index.to_string().into_bytes()));
        self
    }
}

/// A root filesystem image of busybox.
pub(crate) fn busybox() -> Archive {
    busybox_with("FROM_IMAGE=yes")
}

/// The same, of the same name, with another environment variable.
pub(crate) fn busybox_with(variable: &str) -> Archive {
    let mut archive = Archive::default();
    let image = archive.image(variable);
    archive.name(image, "localhost/busybox:1")
}

/// An index of busybox for this machine, and of another platform whose blobs are not in the archive.
pub(crate) fn index() -> Archive {
    let mut archive = Archive::default();
    let mut image = archive.image("FROM_IMAGE=yes");
    image["platform"] = json!({ "os": "linux", "architecture": architecture() });
    let other = json!({ "mediaType": MANIFEST, "digest": digest(b"elsewhere"), "size": 9,
        "platform": { "os": "linux", "architecture": "s390x" } });
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [other, image] });
    let index = archive.blob(INDEX, index.to_string().into_bytes());
    archive.name(index, "localhost/index:1")
}

/// A CNCF Wasm artifact.
pub(crate) fn artifact(module: &[u8]) -> Archive {
    let mut archive = Archive::default();
    let config = json!({ "architecture": "wasm", "os": "wasip1", "layerDigests": [digest(module)] });
    let kind = "application/vnd.wasm.config.v0+json";
    let manifest = archive.manifest(&config, kind, module.to_owned(), "application/wasm");
    archive.name(manifest, "localhost/artifact:1")
}

/// An image one of whose blobs was damaged.
pub(crate) fn corrupt() -> Archive {
    let mut archive = artifact(b"\0asm\x01\0\0\0");
    let module = archive.0.iter_mut().find(|(_, bytes)| bytes.starts_with(b"\0asm")).expect("the module");
    module.1[7] = 1;
    archive
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn rootfs() -> Vec<u8> {
    let busybox = fs::read("/bin/busybox").expect("/bin/busybox, static, is needed: run `cargo xtask setup`");
    let mut tar = tar::Builder::new(Vec::new());
    append(&mut tar, "bin/busybox", &busybox, 0o755);
    for applet in ["cat", "echo", "env", "head", "id", "pwd", "sh", "sleep", "sort", "true"] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        tar.append_link(&mut header, format!("bin/{applet}"), "busybox").expect("a link");
    }
    for folder in ["tmp/", "ro/", "rw/"] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(0o1777);
        header.set_size(0);
        tar.append_data(&mut header, folder, std::io::empty()).expect("a folder");
    }
    tar.into_inner().expect("a whole layer")
}

fn append(tar: &mut tar::Builder<impl std::io::Write>, name: &str, bytes: &[u8], mode: u32) {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(mode);
    tar.append_data(&mut header, name, bytes).expect("an entry");
}

fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
