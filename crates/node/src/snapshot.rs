//! Root filesystems: an image's layers as overlayfs snapshots, and a writable one for each container.

use std::collections::HashMap;

use containerd_client::services::v1::ApplyRequest;
use containerd_client::services::v1::snapshots::{
    CommitSnapshotRequest, PrepareSnapshotRequest, RemoveSnapshotRequest, StatSnapshotRequest,
};
use containerd_client::types;
use sha2::{Digest, Sha256};
use tonic::metadata::AsciiMetadataValue;

use crate::archive::Descriptor;
use crate::client::{Client, leased, request};
use crate::error::{Error, Result};
use crate::image::unique;
use crate::inspection;

/// The snapshotter of every node.
pub(crate) const SNAPSHOTTER: &str = "overlayfs";

/// Unpacks layers, each given with the digest of its unpacked form, and lets `config` keep the result alive.
/// Returns the topmost snapshot, none where there are no layers.
pub(crate) fn unpack(
    client: &Client,
    lease: &AsciiMetadataValue,
    config: &Descriptor,
    layers: &[(Descriptor, String)],
) -> Result<Option<String>> {
    let mut chain: Option<String> = None;
    for (layer, id) in layers {
        let name = chain_id(chain.as_deref(), id);
        if !exists(client, &name)? {
            apply(client, lease, chain.as_deref().unwrap_or_default(), layer, &name)?;
        }
        chain = Some(name);
    }
    if let Some(name) = &chain {
        keep(client, config, name)?;
    }
    Ok(chain)
}

/// Makes a writable snapshot on top of `parent`, or an empty one; the mounts are its root filesystem.
pub(crate) fn prepare(client: &Client, key: &str, parent: Option<&str>) -> Result<Vec<types::Mount>> {
    let message = prepare_request(key, parent.unwrap_or_default());
    let doing = format!("prepare the snapshot {key}");
    Ok(client.wait(doing, client.api().snapshots().prepare(request(message)))?.mounts)
}

/// Removes a writable snapshot; one that is not there needs no removal.
pub(crate) fn remove(client: &Client, key: &str) -> Result<()> {
    let message = RemoveSnapshotRequest { snapshotter: SNAPSHOTTER.into(), key: key.into() };
    let outcome =
        client.wait(format!("remove the snapshot {key}"), client.api().snapshots().remove(request(message)));
    outcome.map(drop).or_else(|error: Error| if error.is_not_found() { Ok(()) } else { Err(error) })
}

fn exists(client: &Client, key: &str) -> Result<bool> {
    let message = StatSnapshotRequest { snapshotter: SNAPSHOTTER.into(), key: key.into() };
    match client.wait(format!("look at the snapshot {key}"), client.api().snapshots().stat(request(message)))
    {
        Err(error) if error.is_not_found() => Ok(false),
        outcome => outcome.map(|_| true),
    }
}

fn apply(
    client: &Client,
    lease: &AsciiMetadataValue,
    parent: &str,
    layer: &Descriptor,
    name: &str,
) -> Result<()> {
    let key = unique("unpack");
    let doing = format!("unpack the layer {}", layer.digest);
    let message = prepare_request(&key, parent);
    let mounts = client.wait(&doing, client.api().snapshots().prepare(leased(message, lease)))?.mounts;
    let diff = types::Descriptor {
        media_type: layer.media_type.clone(),
        digest: layer.digest.clone(),
        size: layer.size,
        annotations: HashMap::new(),
    };
    let message = ApplyRequest { diff: Some(diff), mounts, ..ApplyRequest::default() };
    let commit = CommitSnapshotRequest {
        snapshotter: SNAPSHOTTER.into(),
        name: name.into(),
        key: key.clone(),
        ..CommitSnapshotRequest::default()
    };
    let applied = client
        .wait(&doing, client.api().diff().apply(leased(message, lease)))
        .and_then(|_| client.wait(&doing, client.api().snapshots().commit(leased(commit, lease))));
    applied.or_else(|error| {
        remove(client, &key)?;
        Err(error)
    })
}

/// Makes the garbage collector count the snapshot as part of the image whose configuration this is.
fn keep(client: &Client, config: &Descriptor, snapshot: &str) -> Result<()> {
    let label = format!("containerd.io/gc.ref.snapshot.{SNAPSHOTTER}");
    inspection::label(client, &config.digest, &label, snapshot)
}

fn prepare_request(key: &str, parent: &str) -> PrepareSnapshotRequest {
    PrepareSnapshotRequest {
        snapshotter: SNAPSHOTTER.into(),
        key: key.into(),
        parent: parent.into(),
        ..PrepareSnapshotRequest::default()
    }
}

/// The OCI chain ID: the name of a layer together with all below it.
fn chain_id(parent: Option<&str>, layer: &str) -> String {
    let Some(parent) = parent else { return layer.to_owned() };
    let digest = Sha256::digest(format!("{parent} {layer}"));
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_lowest_layer_by_its_own_digest() {
        assert_eq!(chain_id(None, "sha256:aa"), "sha256:aa");
    }

    #[test]
    fn names_a_layer_by_all_below_it() {
        let name = chain_id(Some("sha256:aa"), "sha256:bb");
        assert_eq!(name, "sha256:b68ad689d6d1ec110ea1c13617437ad6f3766d4b3b309f6a603a222e07a0164f");
    }
}
