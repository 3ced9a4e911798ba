use shimmer_engine::{Error, ErrorKind, Kind, Result};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

/// The version of the `wasmtime` crate, which does not tell its own; a test holds it to Cargo.lock.
pub(crate) const VERSION: &str = "48.0.8";

/// How many requests one server answers at the same time at most; more wait.
pub(crate) const CONCURRENT_REQUESTS: u32 = 256;

/// All settings, for [`compile`](shimmer_engine::Engine::compile) and [`load`](shimmer_engine::Engine::load) alike:
/// they must agree, or every compiled file is stale. Only the allocator depends on the workload, and code does not
/// depend on it.
pub(crate) fn engine(workload: Kind) -> Result<Engine> {
    let mut config = Config::new();
    config.cranelift_opt_level(OptLevel::Speed);
    // Function names and offsets for the backtrace of a trap; DWARF would only be looked at by a debugger.
    config.wasm_backtrace_max_frames(std::num::NonZeroUsize::new(64));
    if workload == Kind::HttpHandler {
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool()));
    }
    Engine::new(&config)
        .map_err(|error| Error::new(ErrorKind::Engine, "Wasmtime refuses its settings").because(error))
}

/// A server makes an instance for each request, so instances are pooled. A component may consist of several modules.
fn pool() -> PoolingAllocationConfig {
    const MODULES: u32 = 8;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(CONCURRENT_REQUESTS)
        .total_core_instances(CONCURRENT_REQUESTS * MODULES)
        .total_memories(CONCURRENT_REQUESTS * 2)
        .total_tables(CONCURRENT_REQUESTS * MODULES)
        .total_stacks(CONCURRENT_REQUESTS)
        .max_memory_size(4 << 30)
        .table_elements(100_000);
    pool
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_one_that_is_linked() {
        let lock = include_str!("../../../Cargo.lock");
        let entry = format!("name = \"wasmtime\"\nversion = \"{VERSION}\"\n");
        assert!(lock.contains(&entry), "Cargo.lock holds another version of wasmtime than {VERSION}");
    }

    #[test]
    fn code_does_not_depend_on_the_workload() {
        let command = engine(Kind::Command).expect("an engine");
        let server = engine(Kind::HttpHandler).expect("an engine");
        let module = command.precompile_module(b"\0asm\x01\0\0\0").expect("the smallest module");
        // SAFETY: the line above made the bytes.
        unsafe { wasmtime::Module::deserialize(&server, module) }.expect("the server's engine takes it");
    }
}
