//! What containerd has and how it is: content and plugins.

use std::collections::BTreeMap;

use containerd_client::services::v1::{ListContentRequest, PluginsRequest};

use crate::client::{Client, request};
use crate::error::Result;

/// A blob of containerd's content store.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Blob {
    /// Its digest, for example `sha256:…`.
    pub digest: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its labels; shims note there what they have compiled from it.
    pub labels: BTreeMap<String, String>,
}

/// A plugin of containerd.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Plugin {
    /// Its type, for example `io.containerd.grpc.v1`.
    pub kind: String,
    /// Its name within the type, for example `cri`.
    pub id: String,
    /// Why it did not start; nothing where it did.
    pub error: Option<String>,
}

/// All blobs, by digest.
pub(crate) fn content(client: &Client) -> Result<Vec<Blob>> {
    let message = ListContentRequest { filters: Vec::new() };
    let pages = client.collect("list the content", client.api().content().list(request(message)))?;
    let blob = |info: containerd_client::services::v1::Info| Blob {
        digest: info.digest,
        size: u64::try_from(info.size).unwrap_or_default(),
        labels: info.labels.into_iter().collect(),
    };
    let mut blobs: Vec<_> = pages.into_iter().flat_map(|page| page.info).map(blob).collect();
    blobs.sort_by(|one, other| one.digest.cmp(&other.digest));
    Ok(blobs)
}

/// All plugins.
pub(crate) fn plugins(client: &Client) -> Result<Vec<Plugin>> {
    let message = PluginsRequest { filters: Vec::new() };
    let answer = client.wait("list the plugins", client.api().introspection().plugins(request(message)))?;
    let plugin = |plugin: containerd_client::services::v1::Plugin| Plugin {
        kind: plugin.r#type,
        id: plugin.id,
        error: plugin.init_err.map(|status| status.message),
    };
    Ok(answer.plugins.into_iter().map(plugin).collect())
}
