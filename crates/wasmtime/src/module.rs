use shimmer_engine::{Exit, Guest, Instance, Result};
use wasmtime::{InstancePre, Linker, Module, Store};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi::p1::{self, WasiP1Ctx};

use crate::{exit, wasi};

/// A core module, linked with WASI preview 1.
pub(crate) struct Main {
    linked: InstancePre<WasiP1Ctx>,
}

impl Main {
    pub(crate) fn link(module: &Module) -> Result<Self> {
        let mut linker = Linker::new(module.engine());
        p1::add_to_linker_async(&mut linker, |context| context).map_err(exit::unlinkable)?;
        // Wasmtime refuses statuses from 126 on; a shim passes on what the guest said.
        linker
            .allow_shadowing(true)
            .func_wrap("wasi_snapshot_preview1", "proc_exit", |code: i32| -> wasmtime::Result<()> {
                Err(I32Exit(code).into())
            })
            .map_err(exit::unlinkable)?;
        Ok(Self { linked: linker.instantiate_pre(module).map_err(exit::unlinkable)? })
    }
}

impl Instance for Main {
    fn run(self: Box<Self>, guest: &Guest) -> Result<Exit> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut store = Store::new(self.linked.module().engine(), wasi::context(guest)?.build_p1());
        let call = async {
            let instance = self.linked.instantiate_async(&mut store).await?;
            let function = instance.get_typed_func::<(), ()>(&mut store, &guest.function)?;
            function.call_async(&mut store, ()).await
        };
        let ended = runtime.block_on(call);
        // A read of stdin that never returns must not keep the process.
        runtime.shutdown_background();
        Ok(ended.map_or_else(|error| exit::from_error(&error), |()| Exit::Code(0)))
    }
}
