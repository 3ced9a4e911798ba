//! Files into and out of a container of Docker, as archives.

use bollard::body_full;
use bollard::query_parameters::{DownloadFromContainerOptionsBuilder, UploadToContainerOptionsBuilder};

use super::api::Api;
use crate::error::Result;

/// Unpacks `archive` in a folder of the container.
pub(crate) fn put(api: &Api, id: &str, doing: &str, folder: &str, archive: Vec<u8>) -> Result<()> {
    let options = UploadToContainerOptionsBuilder::new().path(folder).build();
    api.wait(doing, api.docker().upload_to_container(id, Some(options), body_full(archive.into())))
}

/// Packs what is at `path` in the container.
pub(crate) fn take(api: &Api, id: &str, doing: &str, path: &str) -> Result<Vec<u8>> {
    let options = DownloadFromContainerOptionsBuilder::new().path(path).build();
    let pieces = api.collect(doing, api.docker().download_from_container(id, Some(options)))?;
    Ok(pieces.concat())
}
