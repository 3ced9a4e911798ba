use wasmi::{CompilationMode, Config, Engine};

/// The version of the `wasmi` crate, which does not tell its own; a test holds it to Cargo.lock.
pub(crate) const VERSION: &str = "2.0.0";

/// Bytes for the locals and operands of all calls together, and calls within one another. Wasmi's own defaults end
/// programs that run on every other engine.
const STACK: usize = 16 << 20;
const CALLS: usize = 1 << 16;

/// All settings, for [`compile`](shimmer_engine::Engine::compile) and [`load`](shimmer_engine::Engine::load) alike.
/// Only the time at which a function is translated depends on the caller, and no result depends on that.
pub(crate) fn engine(mode: CompilationMode) -> Engine {
    Engine::new(config().compilation_mode(mode))
}

/// The settings for the fingerprint.
pub(crate) fn text() -> String {
    format!("{:?}", config())
}

fn config() -> Config {
    let mut config = Config::default();
    config.set_max_stack_height(STACK).set_max_recursion_depth(CALLS).ignore_custom_sections(true);
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_one_that_is_linked() {
        let lock = include_str!("../../../Cargo.lock");
        let entry = format!("name = \"wasmi\"\nversion = \"{VERSION}\"\n");
        assert!(lock.contains(&entry), "Cargo.lock holds another version of wasmi than {VERSION}");
    }

    #[test]
    fn the_settings_hold_no_address_of_this_process() {
        assert!(!text().contains("0x"), "a fingerprint of {} differs from process to process", text());
    }
}
