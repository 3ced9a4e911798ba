//! The image that pod sandboxes are made from, built on the spot: busybox that waits for SIGTERM.

use std::fs;
use std::io;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::archive::architecture;
use crate::cri::Cri;
use crate::error::{Error, ErrorKind, Result};
use crate::image;

/// The name that private nodes are configured to look for.
pub(crate) const NAME: &str = "localhost/shimmer/pause:1";

/// Imports the image where CRI does not know it yet.
pub(super) fn provide(cri: &Cri) -> Result<()> {
    // Of two imports of the same blobs at once, containerd refuses one.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    if cri.image_id(NAME)?.is_some() {
        return Ok(());
    }
    fs::create_dir_all(&cri.logs).map_err(describe)?;
    let file = tempfile::NamedTempFile::new_in(&cri.logs).map_err(describe)?;
    fs::write(file.path(), archive(&busybox()?).map_err(describe)?).map_err(describe)?;
    let images = image::import(&cri.client, file.path())?;
    images.iter().try_for_each(|image| cri.adopt(image))
}

/// The first process of a PID namespace ignores signals that it does not handle, so it handles them.
const SCRIPT: &str = "trap 'exit 0' TERM INT; while :; do /bin/busybox sleep 1000000 & wait; done";

fn busybox() -> Result<Vec<u8>> {
    fs::read("/bin/busybox").map_err(|error| {
        let message =
            format!("busybox, static, is needed as /bin/busybox for pods ({error}): run `cargo xtask setup`");
        Error::new(ErrorKind::Environment, message)
    })
}

fn archive(busybox: &[u8]) -> io::Result<Vec<u8>> {
    let mut layer = tar::Builder::new(Vec::new());
    append(&mut layer, "bin/busybox", busybox, 0o755)?;
    let layer = layer.into_inner()?;
    let config = json!({
        "architecture": architecture(),
        "os": "linux",
        "config": { "Entrypoint": ["/bin/busybox", "sh", "-c", SCRIPT] },
        "rootfs": { "type": "layers", "diff_ids": [digest(&layer)] },
    });
    let config = config.to_string().into_bytes();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", &layer)],
    });
    let manifest = manifest.to_string().into_bytes();
    let mut root = descriptor(MANIFEST, &manifest);
    root["annotations"] = json!({ "org.opencontainers.image.ref.name": NAME });
    let index = json!({ "schemaVersion": 2, "manifests": [root] }).to_string();
    let mut tar = tar::Builder::new(Vec::new());
    for blob in [layer, config, manifest] {
        append(&mut tar, &format!("blobs/{}", digest(&blob).replace(':', "/")), &blob, 0o644)?;
    }
    append(&mut tar, "index.json", index.as_bytes(), 0o644)?;
    tar.into_inner()
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn append(tar: &mut tar::Builder<Vec<u8>>, name: &str, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(mode);
    tar.append_data(&mut header, name, bytes)
}

fn descriptor(kind: &str, bytes: &[u8]) -> Value {
    json!({ "mediaType": kind, "digest": digest(bytes), "size": bytes.len() })
}

fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

fn describe(error: io::Error) -> Error {
    Error::io("write the image of pod sandboxes", error)
}
