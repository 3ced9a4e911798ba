//! [Wasmtime](https://wasmtime.dev) as a Shimmer engine: core modules, components of WASI preview 2, and
//! `wasi:http` servers.

mod component;
mod engine;
mod exit;
mod http;
mod module;
mod settings;
mod wasi;

pub use engine::Wasmtime;
