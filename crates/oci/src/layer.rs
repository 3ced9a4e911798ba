use std::fmt::Debug;
use std::io::{self, Read};
use std::sync::Arc;

use crate::descriptor::media;
use crate::{Descriptor, Digest};

/// Where the bytes of a blob lie that nobody wants to hold in memory.
pub trait Content: Debug + Send + Sync {
    /// Begins to read them.
    ///
    /// # Errors
    ///
    /// Whatever keeps them from being read.
    fn open(&self) -> io::Result<Box<dyn Read>>;
}

/// A layer of files, compressed with gzip, whose bytes are read when the image is written.
#[derive(Clone, Debug)]
pub struct Layer {
    pub(crate) descriptor: Descriptor,
    pub(crate) unpacked: Digest,
    pub(crate) content: Arc<dyn Content>,
}

impl Layer {
    /// A layer of a digest and size, which unpacks to a tar archive of another digest.
    pub fn gzip(digest: Digest, size: u64, unpacked: Digest, content: Arc<dyn Content>) -> Self {
        let descriptor = Descriptor {
            media_type: media::TAR_GZIP.to_owned(),
            digest,
            size,
            platform: None,
            annotations: None,
        };
        Self { descriptor, unpacked, content }
    }
}
