use shimmer_engine::{Error, ErrorKind, Guest, Result};
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

/// What a guest is given, in Wasmtime's words.
pub(crate) fn context(guest: &Guest) -> Result<WasiCtxBuilder> {
    let mut context = WasiCtxBuilder::new();
    context.args(&guest.args).envs(&guest.env).initial_cwd(&guest.cwd).inherit_stdio();
    context.inherit_network().allow_tcp(true).allow_udp(true).allow_ip_name_lookup(true);
    // A guest has its process to itself: a call that blocks needs no thread of its own.
    context.allow_blocking_current_thread(true);
    for directory in &guest.directories {
        context.preopened_dir(&directory.host, &directory.guest, FsPerms::ReadWrite).map_err(|error| {
            Error::new(ErrorKind::Io, "a directory of the container cannot be opened")
                .with("directory", directory.host.display().to_string())
                .because(error)
        })?;
    }
    Ok(context)
}

/// The state of one component instance.
pub(crate) struct State {
    http: WasiHttpCtx,
    table: ResourceTable,
    wasi: WasiCtx,
}

impl State {
    pub(crate) fn new(guest: &Guest) -> Result<Self> {
        let wasi = context(guest)?.build();
        Ok(Self { http: WasiHttpCtx::new(), table: ResourceTable::new(), wasi })
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: Default::default() }
    }
}
