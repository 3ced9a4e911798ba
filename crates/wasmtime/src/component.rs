use shimmer_engine::{Exit, Guest, Instance, Result};
use wasmtime::Store;
use wasmtime::component::{Component, InstancePre, Linker};
use wasmtime_wasi::p2::bindings::CommandPre;

use crate::exit;
use crate::wasi::State;

/// A component that exports `wasi:cli/run`.
pub(crate) struct Command {
    linked: CommandPre<State>,
}

impl Command {
    pub(crate) fn link(component: &Component) -> Result<Self> {
        Ok(Self { linked: CommandPre::new(link(component)?).map_err(exit::unlinkable)? })
    }
}

impl Instance for Command {
    fn run(self: Box<Self>, guest: &Guest) -> Result<Exit> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut store = Store::new(self.linked.engine(), State::new(guest)?);
        let ended = runtime.block_on(async {
            let command = self.linked.instantiate_async(&mut store).await?;
            command.wasi_cli_run().call_run(&mut store).await
        });
        runtime.shutdown_background();
        Ok(match ended {
            Ok(Ok(())) => Exit::Code(0),
            Ok(Err(())) => Exit::Code(1),
            Err(error) => exit::from_error(&error),
        })
    }
}

/// Links a component with all of WASI preview 2, outbound HTTP and sockets included.
pub(crate) fn link(component: &Component) -> Result<InstancePre<State>> {
    let mut linker = Linker::new(component.engine());
    wasmtime_wasi::p2::add_to_linker_async(&mut linker).map_err(exit::unlinkable)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker).map_err(exit::unlinkable)?;
    linker.instantiate_pre(component).map_err(exit::unlinkable)
}
