//! From OCI JSON and bytes to what an engine runs: a container's process becomes a
//! [`Guest`](shimmer_engine::Guest), a file or layer becomes a [`Source`](shimmer_engine::Source), an image
//! says which of its layers that is.
//!
//! It also writes images, for the demo, the tests, the benches and the installer: a [`NewImage`] of each format, in an
//! [`Archive`]. A [`Layer`] that is too big for memory lies elsewhere until then.
//!
//! Nothing here touches files, sockets or the environment. All input is a stranger's: whatever the bytes are,
//! the answer is a value or an error that names the thing, in bounded time and memory.

mod archive;
mod descriptor;
mod digest;
mod document;
mod entrypoint;
mod error;
mod image;
mod index;
mod layer;
mod process;
mod program;
#[cfg(test)]
mod random;
mod rootfs;
mod writer;

pub use archive::Archive;
pub use descriptor::{Descriptor, Platform};
pub use digest::{Digest, Measured};
pub use entrypoint::Entrypoint;
pub use error::{Error, ErrorKind, Result};
pub use image::{Image, ImageKind, MAX_MANIFEST_SIZE};
pub use layer::{Content, Layer};
pub use process::{HTTP_ADDR, Process};
pub use program::{MAX_PROGRAM_SIZE, program};
pub use rootfs::{Rootfs, header};
pub use writer::NewImage;

/// The media types of layers that are a program: of CNCF Wasm artifacts, of runwasi's images, of Spin's.
pub const LAYER_TYPES: &[&str] = &[
    "application/wasm",
    "application/vnd.bytecodealliance.wasm.component.layer.v0+wasm",
    "application/vnd.wasm.content.layer.v1+wasm",
];
