use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use serde::{Deserialize, Serialize};

use crate::clock::Time;

/// What tells one state of a file from any other without reading it.
///
/// A file cannot be changed without its change time: nobody can set that, not even root, short of the node's clock or a
/// write past the file system.
///
/// The same file seen through two overlay mounts has two device numbers, so that identities taken inside containers
/// meet in no second container. Take them of the file in its layer, or put the layer's device number into `device`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Identity {
    /// The number of the file system's device.
    pub device: u64,
    /// The number of the file in its file system.
    pub inode: u64,
    /// In bytes.
    pub size: u64,
    /// When the content was last changed, or what somebody has set for that: seconds since 1970, and nanoseconds.
    pub mtime: (i64, i64),
    /// When content, owner, mode or links were last changed.
    pub ctime: (i64, i64),
}

impl Identity {
    /// The identity of the file that has this metadata.
    #[must_use]
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            mtime: (metadata.mtime(), metadata.mtime_nsec()),
            ctime: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    pub(crate) fn changed(&self) -> Time {
        Time::new(self.ctime.0, self.ctime.1)
    }
}
