//! [Wasmer](https://wasmer.io) as a Shimmer engine: core modules with WASI preview 1 and WASIX, compiled by Cranelift.

mod engine;
mod exit;
mod files;
mod module;
mod settings;
mod wasi;

pub use engine::Wasmer;
