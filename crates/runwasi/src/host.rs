use std::marker::PhantomData;
use std::sync::{Mutex, OnceLock};

use containerd_shim_wasm::sandbox::Sandbox as RunwasiSandbox;
use containerd_shim_wasm::sandbox::context::RuntimeContext;
use containerd_shim_wasm::shim::{Compiler as RunwasiCompiler, Shim, Version};
use shimmer_engine::Engine;

use crate::compiler::Compiler;
use crate::guest::Container;

/// Any engine as a shim of `containerd-shim-wasm`.
pub(crate) struct Host<E>(PhantomData<E>);

/// Why this container cannot be created, in the one process that knows: the container's init.
static REFUSAL: OnceLock<String> = OnceLock::new();

impl<E: Engine + Default + 'static> Shim for Host<E> {
    type Sandbox = Sandbox<E>;

    /// The engine's name, until [`Sandbox::can_handle`] has refused a container.
    ///
    /// The library answers such a `create` with its own words after this name and drops every other, so this is where
    /// the reason goes: `kubectl describe pod` shows it.
    fn name() -> &'static str {
        REFUSAL.get().map_or_else(|| E::default().info().name, String::as_str)
    }

    fn version() -> Version {
        Version { version: env!("CARGO_PKG_VERSION"), revision: "" }
    }

    async fn compiler() -> Option<impl RunwasiCompiler> {
        Some(Compiler::<E>::default())
    }

    fn supported_layers_types() -> &'static [&'static str] {
        shimmer_oci::LAYER_TYPES
    }
}

/// One container, in the process that is its init.
pub(crate) struct Sandbox<E> {
    engine: E,
    /// Loaded by `can_handle`, between create and start; taken by `run_wasi`, on start.
    container: Mutex<Option<Container>>,
}

impl<E: Engine + Default> Default for Sandbox<E> {
    fn default() -> Self {
        Self { engine: E::default(), container: Mutex::new(None) }
    }
}

impl<E: Engine + Default + 'static> RunwasiSandbox for Sandbox<E> {
    async fn can_handle(&self, context: &impl RuntimeContext) -> anyhow::Result<()> {
        let loaded = Container::load(&self.engine, context).map_err(|error| {
            let refusal = format!("{} refuses the container: {error}.", self.engine.info());
            anyhow::anyhow!(REFUSAL.get_or_init(|| refusal).clone())
        })?;
        *self.container.lock().map_err(|_| anyhow::anyhow!("an earlier attempt panicked"))? = Some(loaded);
        Ok(())
    }

    async fn run_wasi(&self, _context: &impl RuntimeContext) -> anyhow::Result<i32> {
        let container =
            self.container.lock().map_err(|_| anyhow::anyhow!("an earlier attempt panicked"))?.take();
        let container =
            container.ok_or_else(|| anyhow::anyhow!("the container was started before it was created"))?;
        Ok(container.run())
    }
}
