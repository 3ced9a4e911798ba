//! [WasmEdge](https://wasmedge.org) as a Shimmer engine: core modules with WASI preview 1 and its socket extension,
//! compiled by LLVM.

mod engine;
mod exit;
mod jit;
mod module;
mod settings;
mod wait;
mod wasi;

pub use engine::WasmEdge;
