//! From folders of programs to a release: the installer's OCI image, an archive for installing by hand, checksums, and a
//! list of what is inside. [`write`] does it all; `docs/release.md` says what comes out.
//!
//! Nothing is taken on trust that would show on somebody's node only. Every program is read as ELF: that it is for the
//! processor that it is given for, that it runs on the oldest C library that is promised ([`Promise`]), and that every
//! library it needs is there or comes beside it.
//!
//! The same files always make the same bytes.

mod binaries;
mod check;
mod contents;
mod elf;
mod error;
mod libraries;
mod packages;
mod packing;
#[cfg(test)]
mod sample;
mod sbom;
mod write;

pub use binaries::Architecture;
pub use check::Promise;
pub use elf::Glibc;
pub use error::{Error, ErrorKind, Result};
pub use write::{Order, Written, write};
