use wasmer::Engine;
use wasmer::sys::{Cranelift, CraneliftOptLevel, EngineBuilder, Target};

/// The version of the `wasmer` crate; a test holds it to Cargo.lock.
pub(crate) const VERSION: &str = "7.3.0";

/// All settings, for [`compile`](shimmer_engine::Engine::compile) and [`load`](shimmer_engine::Engine::load) alike.
pub(crate) fn engine() -> Engine {
    let mut compiler = Cranelift::new();
    compiler.opt_level(CraneliftOptLevel::Speed);
    EngineBuilder::new(compiler).set_target(Some(target())).engine().into()
}

/// This machine, with all that its processor can do.
pub(crate) fn target() -> Target {
    Target::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_one_that_is_linked() {
        let lock = include_str!("../../../Cargo.lock");
        let entry = format!("name = \"wasmer\"\nversion = \"{VERSION}\"\n");
        assert!(lock.contains(&entry), "Cargo.lock holds another version of wasmer than {VERSION}");
    }
}
