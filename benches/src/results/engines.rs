//! The engines by themselves.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::summary::Summary;

/// What stands for a native build of the same source, in the place of an engine's name.
pub const NATIVE: &str = "native";

/// All that was measured of engines.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Engines {
    /// How often each was measured, in turns with all others.
    pub rounds: usize,
    /// By name, their versions.
    pub engines: BTreeMap<String, String>,
    /// What becomes of a program before it runs.
    pub programs: Vec<Program>,
    /// How fast it runs.
    pub kernels: Vec<Kernel>,
    /// The distance between the quartiles of native code as a part of its median, the median of all kernels.
    pub noise: Option<f64>,
}

/// A program on an engine, until it runs.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Program {
    /// The engine's name.
    pub engine: String,
    /// The program's name.
    pub program: String,
    /// The size of the WebAssembly.
    pub wasm_bytes: u64,
    /// The size of the compiled file.
    pub compiled_bytes: u64,
    /// Compiling into a file, in milliseconds.
    pub compile: Summary,
    /// The most memory of the process that compiled, in MiB; 0 where there are no figures.
    pub compile_peak: f64,
    /// From WebAssembly to ended, of a guest that has nothing to do and is compiled in the process that runs it, in
    /// milliseconds.
    pub load_source: Summary,
    /// Mapping the compiled file, in milliseconds.
    pub load_compiled: Summary,
    /// From loaded to ended, of a guest that has nothing to do, in milliseconds.
    pub instantiate: Summary,
    /// The most memory of the process that ran it so, in MiB; 0 where there are no figures.
    pub run_peak: f64,
    /// Why there are no figures.
    pub failure: Option<String>,
}

/// A kernel on an engine, or natively.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Kernel {
    /// The kernel's name.
    pub kernel: String,
    /// What kind of work it is.
    pub kind: String,
    /// The engine's name, or [`NATIVE`].
    pub engine: String,
    /// How much of it.
    pub size: u32,
    /// From its first instruction to its last, with what the engine does before and after, in milliseconds.
    pub run: Summary,
    /// The most memory of its process, in MiB; 0 where there are no figures.
    pub peak: f64,
    /// The median over that of native code.
    pub of_native: Option<f64>,
    /// Why there are no figures.
    pub failure: Option<String>,
}
