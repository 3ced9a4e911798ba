//! [Wasmi](https://wasmi-labs.github.io) as a Shimmer engine: core modules with WASI preview 1, interpreted.
//!
//! An example of a whole engine. `docs/adding-an-engine.md` explains it step by step.

mod engine;
mod exit;
mod files;
mod module;
mod settings;
mod wasi;

pub use engine::Wasmi;
