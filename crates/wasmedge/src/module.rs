use std::collections::HashMap;

use shimmer_engine::{Exit, Guest, Instance, Result};
use wasmedge_sdk::config::Config;
use wasmedge_sdk::vm::SyncInst;
use wasmedge_sdk::{Module, Store, Vm};

use crate::{exit, wasi};

/// A core module, to be linked with WASI preview 1.
pub(crate) struct Main {
    config: Config,
    module: Module,
}

impl Main {
    pub(crate) fn link(config: Config, module: Module) -> Result<Self> {
        Ok(Self { config, module })
    }
}

impl Instance for Main {
    fn run(self: Box<Self>, guest: &Guest) -> Result<Exit> {
        let mut wasi = wasi::context(guest)?;
        let ended = {
            let imports: HashMap<String, &mut dyn SyncInst> =
                HashMap::from([(wasi.name().to_owned(), wasi.as_mut() as &mut dyn SyncInst)]);
            let store = Store::new(Some(&self.config), imports).map_err(exit::unlinkable)?;
            let mut vm = Vm::new(store);
            vm.register_module(None, self.module).map_err(exit::unlinkable)?;
            vm.run_func(None, &guest.function, [])
        };
        // The SDK takes a call of proc_exit for a success.
        Ok(ended.map_or_else(
            |error| exit::trap(&error.to_string(), &guest.function),
            |_| Exit::with_code(wasi.exit_code()),
        ))
    }
}
