use shimmer_engine::{Exit, Guest, Instance, Result};
use wasmer::{Engine, Module, Store};

use crate::{exit, wasi};

/// A core module, to be linked with WASI preview 1 and WASIX.
pub(crate) struct Main {
    engine: Engine,
    module: Module,
}

impl Main {
    pub(crate) fn link(engine: Engine, module: Module) -> Result<Self> {
        Ok(Self { engine, module })
    }
}

impl Instance for Main {
    fn run(self: Box<Self>, guest: &Guest) -> Result<Exit> {
        // The guest runs on this thread; one more serves timers and sockets.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let _entered = runtime.enter();
        let mut store = Store::new(self.engine.clone());
        let context = wasi::context(guest, self.engine, runtime.handle())?;
        let (instance, environment) =
            context.instantiate(self.module, &mut store).map_err(exit::unlinkable)?;
        let function = instance.exports.get_function(&guest.function).map_err(exit::unlinkable)?;
        let ended = function.call(&mut store, &[]).map_or_else(exit::from_error, |_| Exit::Code(0));
        environment.on_exit(&mut store, None);
        drop(_entered);
        runtime.shutdown_background();
        Ok(ended)
    }
}
