//! Images: from an archive into containerd's content store, image store and snapshots.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

use containerd_client::services::v1::{
    CreateImageRequest, CreateRequest, DeleteImageRequest, DeleteRequest, Image as Record, ListImagesRequest,
    UpdateImageRequest, WriteAction, WriteContentRequest,
};
use containerd_client::types;
use prost_types::FieldMask;
use tonic::Code;
use tonic::metadata::AsciiMetadataValue;

use crate::archive::{Archive, Configuration, Descriptor, Index, Manifest, Process};
use crate::client::{Client, leased, request};
use crate::error::{Error, ErrorKind, Result};
use crate::snapshot;

/// An image that a node has: imported, and unpacked where it has a root filesystem.
#[derive(Clone, Debug)]
pub struct Image {
    name: String,
    digest: String,
    /// The digest of its configuration, which is what CRI calls its id.
    pub(crate) id: String,
    pub(crate) process: Process,
    /// The snapshot that its containers start from; none where the image is no root filesystem.
    pub(crate) snapshot: Option<String>,
}

impl Image {
    /// The name that containerd knows it by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The digest of the manifest or index that the name stands for.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    #[cfg(test)]
    pub(crate) fn fake(process: Process) -> Self {
        Self {
            name: "fake".into(),
            digest: "sha256:aa".into(),
            id: "sha256:bb".into(),
            process,
            snapshot: None,
        }
    }
}

/// Imports every image of the archive at `path`.
pub(crate) fn import(client: &Client, path: &Path) -> Result<Vec<Image>> {
    let mut archive = Archive::open(path)?;
    let roots = archive.index()?.manifests;
    if roots.is_empty() {
        return Err(archive.invalid("index.json lists no image"));
    }
    let lease = Lease::new(client)?;
    let importer = Importer { client, lease: &lease };
    roots.iter().map(|root| importer.image(&mut archive, root)).collect()
}

/// The images that `path` would bring: the name of each and the digest that it would stand for.
pub(crate) fn named(path: &Path) -> Result<Vec<(String, String)>> {
    let roots = Archive::open(path)?.index()?.manifests;
    let named = |root: Descriptor| Some((root.image_name()?.to_owned(), root.digest));
    Ok(roots.into_iter().filter_map(named).collect())
}

/// Removes an image, and what no other image needs of its content.
pub(crate) fn remove(client: &Client, name: &str) -> Result<()> {
    let message = DeleteImageRequest { name: name.to_owned(), sync: true, ..DeleteImageRequest::default() };
    let outcome =
        client.wait(format!("remove the image {name}"), client.api().images().delete(request(message)));
    outcome.map(drop).or_else(|error| if error.is_not_found() { Ok(()) } else { Err(error) })
}

/// All images: the name of each, and the digest that it stands for.
pub(crate) fn all(client: &Client) -> Result<HashMap<String, String>> {
    let named = |image: Record| (image.name, image.target.unwrap_or_default().digest);
    Ok(list(client)?.into_iter().map(named).collect())
}

/// Whether CRI has taken note of an image, for good.
pub(crate) fn is_managed(client: &Client, name: &str) -> Result<bool> {
    let is_it = |image: &Record| image.name == name && image.labels.contains_key("io.cri-containerd.image");
    Ok(list(client)?.iter().any(is_it))
}

fn list(client: &Client) -> Result<Vec<Record>> {
    let message = ListImagesRequest { filters: Vec::new() };
    Ok(client.wait("list the images", client.api().images().list(request(message)))?.images)
}

struct Importer<'a> {
    client: &'a Client,
    lease: &'a Lease<'a>,
}

impl Importer<'_> {
    fn image(&self, archive: &mut Archive, root: &Descriptor) -> Result<Image> {
        let name = root.image_name().map(str::to_owned).ok_or_else(|| {
            archive.invalid("an image in its index.json has no org.opencontainers.image.ref.name annotation")
        })?;
        let manifests = self.store(archive, root)?;
        let (_, manifest) = choose(&manifests).ok_or_else(|| {
            archive.invalid(format!("{name} has {} manifests, and none for this machine", manifests.len()))
        })?;
        let configuration: Configuration = archive.document(&manifest.config)?;
        let layers = filesystem(archive, manifest, &configuration)?;
        let snapshot = snapshot::unpack(self.client, &self.lease.id, &manifest.config, &layers)?;
        self.record(&name, root)?;
        let (digest, id) = (root.digest.clone(), manifest.config.digest.clone());
        Ok(Image { name, digest, id, process: configuration.config, snapshot })
    }

    /// Stores `root` and everything below it; returns the image manifests found, with what describes them.
    fn store(&self, archive: &mut Archive, root: &Descriptor) -> Result<Vec<(Descriptor, Manifest)>> {
        if !root.is_index() {
            let manifest: Manifest = archive.document(root)?;
            self.blob(archive, &manifest.config, HashMap::new())?;
            let mut labels = HashMap::from([reference("config", &manifest.config)]);
            for (number, layer) in manifest.layers.iter().enumerate() {
                self.blob(archive, layer, HashMap::new())?;
                labels.extend([reference(&format!("l.{number}"), layer)]);
            }
            self.blob(archive, root, labels)?;
            return Ok(vec![(root.clone(), manifest)]);
        }
        let index: Index = archive.document(root)?;
        let (mut manifests, mut labels) = (Vec::new(), HashMap::new());
        for (number, child) in index
            .manifests
            .iter()
            .enumerate()
            .filter(|(_, child)| archive.contains(child))
            .collect::<Vec<_>>()
        {
            manifests.extend(self.store(archive, child)?);
            labels.extend([reference(&format!("m.{number}"), child)]);
        }
        self.blob(archive, root, labels)?;
        Ok(manifests)
    }

    /// Writes one blob; containerd compares it with its digest.
    fn blob(&self, archive: &mut Archive, blob: &Descriptor, labels: HashMap<String, String>) -> Result<()> {
        let doing = format!("write the blob {}", blob.digest);
        let pieces = pieces(archive.stream(blob)?).map_err(|error| Error::io(&doing, error))?;
        let message = |action: WriteAction, offset, data| WriteContentRequest {
            action: action.into(),
            r#ref: format!("shimmer-{}", blob.digest),
            total: blob.size,
            expected: blob.digest.clone(),
            offset,
            data,
            labels: if action == WriteAction::Commit { labels.clone() } else { HashMap::new() },
        };
        let mut messages = Vec::new();
        let mut offset = 0;
        for piece in pieces {
            let start = offset;
            offset += i64::try_from(piece.len()).unwrap_or_default();
            messages.push(message(WriteAction::Write, start, piece));
        }
        messages.push(message(WriteAction::Commit, offset, Vec::new()));
        let requests = leased(tokio_stream::iter(messages), &self.lease.id);
        match self.client.collect(doing, self.client.api().content().write(requests)) {
            Err(error) if has_code(&error, Code::AlreadyExists) => Ok(()),
            outcome => outcome.map(drop),
        }
    }

    fn record(&self, name: &str, root: &Descriptor) -> Result<()> {
        let target = types::Descriptor {
            media_type: root.media_type.clone(),
            digest: root.digest.clone(),
            size: root.size,
            annotations: HashMap::new(),
        };
        let image = Some(Record { name: name.to_owned(), target: Some(target), ..Record::default() });
        let doing = format!("record the image {name}");
        let create = CreateImageRequest { image: image.clone(), ..CreateImageRequest::default() };
        match self.client.wait(&doing, self.client.api().images().create(request(create))) {
            Err(error) if has_code(&error, Code::AlreadyExists) => {
                let update_mask = Some(FieldMask { paths: vec!["target".into()] });
                let update = UpdateImageRequest { image, update_mask, ..UpdateImageRequest::default() };
                self.client.wait(doing, self.client.api().images().update(request(update))).map(drop)
            }
            outcome => outcome.map(drop),
        }
    }
}

/// Splits a blob into what fits into one message each.
fn pieces(mut blob: impl Read) -> std::io::Result<Vec<Vec<u8>>> {
    let mut pieces = Vec::new();
    loop {
        let mut piece = Vec::new();
        if blob.by_ref().take(CHUNK).read_to_end(&mut piece)? == 0 {
            return Ok(pieces);
        }
        pieces.push(piece);
    }
}

/// Pieces of a blob stay well below the size that gRPC allows a message.
const CHUNK: u64 = 1 << 20;

/// The manifest that containers of this machine use: the one for its platform, else the only one.
fn choose(manifests: &[(Descriptor, Manifest)]) -> Option<&(Descriptor, Manifest)> {
    let fitting = manifests.iter().find(|(descriptor, _)| descriptor.platform.runs_here());
    fitting.or(if let [only] = manifests { Some(only) } else { None })
}

/// The layers that make a root filesystem, each with the digest of its unpacked form.
fn filesystem(
    archive: &Archive,
    manifest: &Manifest,
    configuration: &Configuration,
) -> Result<Vec<(Descriptor, String)>> {
    let ids = &configuration.rootfs.diff_ids;
    let layers: Vec<_> = manifest.layers.iter().filter(|layer| layer.is_filesystem()).collect();
    if ids.len() == layers.len() {
        return Ok(layers.into_iter().cloned().zip(ids.iter().cloned()).collect());
    }
    if ids.len() == manifest.layers.len() {
        let all = manifest.layers.iter().cloned().zip(ids.iter().cloned());
        return Ok(all.filter(|(layer, _)| layer.is_filesystem()).collect());
    }
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    Err(archive.invalid(format!("its configuration has {} diff_ids for {} layers", ids.len(), layers.len())))
}

fn reference(name: &str, target: &Descriptor) -> (String, String) {
    (format!("containerd.io/gc.ref.content.{name}"), target.digest.clone())
}

pub(crate) fn has_code(error: &Error, wanted: Code) -> bool {
    matches!(error.kind(), ErrorKind::Containerd { code, .. } if *code == wanted)
}

/// Keeps what an import has written from being collected before an image refers to it.
struct Lease<'a> {
    client: &'a Client,
    id: AsciiMetadataValue,
}

impl<'a> Lease<'a> {
    fn new(client: &'a Client) -> Result<Self> {
        let message = CreateRequest { id: unique("import"), labels: HashMap::new() };
        let made = client.wait("make a lease", client.api().leases().create(request(message)))?;
        let id = made.lease.unwrap_or_default().id;
        let id = id.parse().map_err(|error| Error::io("use a lease", std::io::Error::other(error)))?;
        Ok(Self { client, id })
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let id = self.id.to_str().unwrap_or_default().to_owned();
        let message = DeleteRequest { id, sync: false };
        // A lease that stays keeps content alive until the node goes, which is harmless.
        let _unreported =
            self.client.wait("delete a lease", self.client.api().leases().delete(request(message)));
    }
}

/// A name that this process gives once.
pub(crate) fn unique(name: &str) -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{name}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}
