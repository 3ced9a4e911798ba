use shimmer_engine::{Error, Exit, Guest, Result};
use wasmi::{Extern, Func, Instance, Module, Store};
use wasmi_wasi::{WasiCtx, WasiCtxBuilder};

use crate::{exit, wasi};

/// A core module, linked with WASI preview 1.
pub(crate) struct Main {
    store: Store<WasiCtx>,
    module: Module,
    imports: Vec<Extern>,
}

impl Main {
    pub(crate) fn link(module: Module) -> Result<Self> {
        // What the guest is given is known when it runs; its imports are resolved now.
        let mut store = Store::new(module.engine(), WasiCtxBuilder::new().build());
        let mut imports = Vec::new();
        wasmi_wasi::add_to_externals(&mut store, &module, &mut imports, |context| context)
            .map_err(exit::unlinkable)?;
        for (import, item) in module.imports().zip(&mut imports) {
            if import.name() == "proc_exit" {
                // The library refuses statuses from 126 on; a shim passes on what the guest said.
                *item = Func::wrap(&mut store, proc_exit).into();
            }
            if import.ty().func() != item.ty(&store).func() {
                return Err(mistyped(import.name()));
            }
        }
        Ok(Self { store, module, imports })
    }

    fn call(&mut self, function: &str) -> Result<(), wasmi::Error> {
        let instance = Instance::new(&mut self.store, &self.module, &self.imports)?;
        instance.get_typed_func::<(), ()>(&self.store, function)?.call(&mut self.store, ())
    }
}

impl shimmer_engine::Instance for Main {
    fn run(mut self: Box<Self>, guest: &Guest) -> Result<Exit> {
        *self.store.data_mut() = wasi::context(guest)?;
        let ended = self.call(&guest.function);
        Ok(ended.map_or_else(|error| exit::from_error(&error, &guest.function), |()| Exit::Code(0)))
    }
}

fn proc_exit(status: i32) -> Result<(), wasmi::Error> {
    Err(wasmi::Error::i32_exit(status))
}

fn mistyped(import: &str) -> Error {
    exit::unlinkable(format!("it imports {import} with other parameters or results than WASI's"))
}
