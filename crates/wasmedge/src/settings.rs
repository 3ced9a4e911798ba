use std::fs;

use shimmer_engine::{Error, ErrorKind, Result};
use wasmedge_sdk::config::{CommonConfigOptions, CompilerConfigOptions, Config, ConfigBuilder};
use wasmedge_sdk::error::WasmEdgeError;
use wasmedge_sdk::utils::CoreVersion;
use wasmedge_sdk::{CompilerOptimizationLevel, CompilerOutputFormat, LogManager, RunMode};

/// The version of the library that is linked.
pub(crate) fn version() -> String {
    CoreVersion::version_string()
}

/// How much LLVM is to do: what `-O2` means to a C compiler.
pub(crate) const OPTIMIZATION: CompilerOptimizationLevel = CompilerOptimizationLevel::O2;

/// All settings, for [`compile`](shimmer_engine::Engine::compile) and [`load`](shimmer_engine::Engine::load) alike.
pub(crate) fn config() -> Result<Config> {
    silence();
    // Only this mode runs what was compiled; every other one interprets it without a word.
    let common = CommonConfigOptions::new().run_mode(RunMode::Aot);
    let compiler = CompilerConfigOptions::new()
        .out_format(CompilerOutputFormat::Native)
        .optimization_level(OPTIMIZATION);
    ConfigBuilder::new(common).with_compiler_config(compiler).build().map_err(refused)
}

/// Keeps the library from logging to stdout, which is the guest's.
pub(crate) fn silence() {
    LogManager::log_off();
}

/// What LLVM compiles for when it is told to use all of this processor.
pub(crate) fn processor() -> String {
    let description = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let mut lines = description.lines().take_while(|line| !line.is_empty());
    lines
        .find(|line| line.starts_with("flags") || line.starts_with("Features"))
        .unwrap_or("unknown")
        .to_owned()
}

pub(crate) fn refused(error: Box<WasmEdgeError>) -> Error {
    Error::new(ErrorKind::Engine, "WasmEdge refuses its settings").because(error)
}
