//! What containerd has and how it is: content and plugins.

use std::collections::{BTreeMap, HashMap};

use containerd_client::services::v1::{Info, ListContentRequest, PluginsRequest, UpdateRequest};
use prost_types::FieldMask;

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

impl Plugin {
    /// Whether it is CRI, and serves.
    pub(crate) fn is_cri(&self) -> bool {
        self.kind == "io.containerd.grpc.v1" && self.id == "cri" && self.error.is_none()
    }
}

/// All blobs, by digest.
pub(crate) fn content(client: &Client) -> Result<Vec<Blob>> {
    let message = ListContentRequest { filters: Vec::new() };
    let pages = client.collect("list the content", client.api().content().list(request(message)))?;
    let blob = |info: Info| Blob {
        digest: info.digest,
        size: u64::try_from(info.size).unwrap_or_default(),
        labels: info.labels.into_iter().collect(),
    };
    let mut blobs: Vec<_> = pages.into_iter().flat_map(|page| page.info).map(blob).collect();
    blobs.sort_by(|one, other| one.digest.cmp(&other.digest));
    Ok(blobs)
}

/// Gives a blob one more label, or another value of it.
pub(crate) fn label(client: &Client, digest: &str, name: &str, value: &str) -> Result<()> {
    let labels = HashMap::from([(name.to_owned(), value.to_owned())]);
    let info = Info { digest: digest.to_owned(), labels, ..Info::default() };
    let update_mask = Some(FieldMask { paths: vec![format!("labels.{name}")] });
    let message = UpdateRequest { info: Some(info), update_mask };
    let doing = format!("label the blob {digest}");
    client.wait(doing, client.api().content().update(request(message))).map(drop)
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
