//! What is installed on a node, written down there.

use serde::{Deserialize, Serialize};

use crate::config::Written;
use crate::error::{Error, Result};
use crate::host::Host;
use crate::journal::Restarting;
use crate::store::{Own, Store};

/// What an install has done, as the next one and an uninstall must know it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Record {
    /// [`FORMAT`], as long as this installer has written it.
    pub(crate) format: u32,
    /// The folder of the release among the versions.
    pub(crate) release: String,
    pub(crate) version: String,
    pub(crate) shims: Vec<Shim>,
    /// What was written into containerd's configuration.
    pub(crate) written: Written,
    /// What was in that file before, if there was one.
    pub(crate) original: Option<String>,
    /// How containerd is started again.
    pub(crate) restart: Restarting,
    pub(crate) own: Own,
}

/// A shim, and what it is called in containerd.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub(crate) struct Shim {
    /// As in `containerd-shim-<name>-v1`.
    pub(crate) name: String,
    /// What a RuntimeClass names.
    pub(crate) handler: String,
}

impl Record {
    /// What is installed; `None` where nothing is.
    ///
    /// # Errors
    /// [`Refused`](crate::error::ErrorKind::Refused) where a newer installer has been here, or somebody's pencil.
    pub(crate) fn read(host: &Host, store: &Store) -> Result<Option<Self>> {
        let path = store.record();
        let Some(bytes) = host.read(&path)? else { return Ok(None) };
        let record: Self = serde_json::from_slice(&bytes).map_err(|error| {
            let message = format!(
                "{} cannot be read ({error}): it was written by another version; use that one's installer",
                path.display()
            );
            Error::refused(message)
        })?;
        if record.format == FORMAT {
            return Ok(Some(record));
        }
        let message = format!(
            "{} has format {}, and this installer writes {FORMAT}: use the installer that wrote it, or a newer one",
            path.display(),
            record.format
        );
        Err(Error::refused(message))
    }

    pub(crate) fn bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec_pretty(self).map_err(|error| Error::io("write what is installed", error))
    }

    /// The handlers that containerd has for us.
    pub(crate) fn handlers(&self) -> Vec<String> {
        self.shims.iter().map(|shim| shim.handler.clone()).collect()
    }

    /// Those of them that were written, and are not somebody else's.
    pub(crate) fn written_handlers(&self) -> Vec<String> {
        self.written.wanted.runtimes.iter().map(|runtime| runtime.handler.clone()).collect()
    }

    /// What was in containerd's file before.
    pub(crate) fn original(&self) -> Option<&[u8]> {
        self.original.as_deref().map(str::as_bytes)
    }
}

/// What this installer writes and reads.
pub(crate) const FORMAT: u32 = 1;
