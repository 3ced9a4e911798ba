//! The node's store of compiled programs: what one container's start has compiled, all later starts of that program
//! map.
//!
//! A [`Cache`] is a folder that any number of processes use at once without a server between them. It answers three
//! questions: which program is in this file ([`Cache::digest`]), is there code for it ([`Cache::find`]), and, where
//! there is none, who compiles it ([`Cache::find_or_make`]). The answers never depend on the cache being healthy: where
//! its folder is full, read-only or not to be trusted, each start compiles for itself and says so once.
//!
//! # What is in the folder
//!
//! ```text
//! entries/<key>/code     native code, mode 0400, never written again
//! entries/<key>/record   what the code is of, its checksum, and when that was last compared; its mtime is the last use
//! digests/<identity>     the digest of a file that was read before; its mtime is the last use
//! locks/<key>            held while somebody compiles or verifies
//! temporary/<unique>/    what is being written, locked by its writer; it is renamed into its place
//! ```
//!
//! Every name is made of hexadecimal digits, so that nothing an image says can become a path.
//!
//! # Invariants
//!
//! - Whatever is found in the folder is used only if this user owns it, nobody else can write it, and no symbolic link
//!   was followed inside the folder.
//! - Code is handed out only if its bytes are those that were compiled: they are compared with a checksum once in a
//!   boot, and again whenever the file's inode, size or change time is another than at that comparison.
//! - An entry appears complete or not at all, at any crash.
//! - Whoever holds an [`Entry`], a duplicate of its descriptor or a mapping of it, holds a shared lock on it, and what
//!   is locked is not evicted.

mod candidate;
mod clock;
mod digest;
mod entry;
mod error;
mod eviction;
mod fallback;
#[cfg(test)]
mod fixture;
mod folder;
mod identity;
mod index;
mod key;
mod lock;
#[cfg(test)]
mod random;
mod record;
mod seal;
mod store;
mod workspace;

pub use digest::Digest;
pub use entry::{Entry, Origin};
pub use error::{Error, ErrorKind, MakeError, Result};
pub use eviction::Usage;
pub use identity::Identity;
pub use key::Key;
pub use store::Cache;
