//! What is written into containerd's configuration, and how it is taken out again.
//!
//! An upgrade is `restore` in memory, then `write` on what that gives: one file is written, once.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::distribution::Site;
use crate::error::{Error, Result};
use crate::schema::Schema;

/// A runtime of containerd's that is one of our shims.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Runtime {
    /// What a RuntimeClass calls it.
    pub(crate) handler: String,
    /// `wasmtime`, for the type `io.containerd.wasmtime.v1`.
    pub(crate) shim: String,
    /// The shim's binary.
    pub(crate) path: PathBuf,
    /// `options.SystemdCgroup`; nothing where runc has none either.
    pub(crate) systemd_cgroup: Option<bool>,
}

/// What `--fix` sets beside the runtimes.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Settings {
    /// `use_local_image_pull = true`, without which containerd 2.1 and later do not unpack images of a platform `wasi/wasm`.
    pub(crate) local_image_pull: bool,
}

/// All that the configuration shall have.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Wanted {
    pub(crate) runtimes: Vec<Runtime>,
    pub(crate) settings: Settings,
}

/// A file's new content, and what has to be kept to take it back.
#[derive(Clone, Debug)]
pub(crate) struct Writing {
    pub(crate) content: Vec<u8>,
    pub(crate) written: Written,
}

/// What an install has written. The bytes that were there before are kept beside it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Written {
    pub(crate) file: PathBuf,
    /// Whether there was such a file before.
    pub(crate) existed: bool,
    /// SHA-256 of what was written, in hexadecimal.
    pub(crate) digest: String,
    pub(crate) schema: Schema,
    pub(crate) wanted: Wanted,
    /// What was put into the text.
    pub(crate) pieces: Vec<Piece>,
}

/// Text that was put in, in place of other text that mostly is empty.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Piece {
    pub(crate) inserted: String,
    pub(crate) replaced: String,
}

/// What a file has to be after an uninstall.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Restored {
    /// Its bytes; `None`: there must be no such file.
    pub(crate) content: Option<Vec<u8>>,
    /// What somebody has changed since, so that it is no longer ours and stays: sentences for the operator.
    pub(crate) left: Vec<String>,
}

/// The new content of `site.placement.file()`, in which there is `now`.
///
/// # Errors
/// Where our tables cannot be put in without a change to anything else, or a handler is there that is not ours.
pub(crate) fn write(site: &Site, now: Option<&[u8]>, wanted: &Wanted) -> Result<Writing> {
    let _ = (site, now, wanted);
    Err(Error::refused("not yet"))
}

/// What has to be in `written.file`, in which there is `now`, so that nothing of what was written is left.
/// `original` is what was there before the install, if `written.existed`.
///
/// A file that is as we wrote it gets its original bytes. One that somebody has changed since keeps all of that: only what
/// still is as we wrote it is taken out.
///
/// # Errors
/// Where the file cannot be read as a configuration any more and our text is not in it as it was.
pub(crate) fn restore(now: Option<&[u8]>, written: &Written, original: Option<&[u8]>) -> Result<Restored> {
    let _ = (now, written, original);
    Err(Error::refused("not yet"))
}
