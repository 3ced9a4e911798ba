use shimmer_engine::{Error, ErrorKind, Guest, Result};
use wasmi_wasi::{Dir, WasiCtx, WasiCtxBuilder, ambient_authority, dir};

use crate::files::Directory;

/// What a guest is given, in the words of Wasmi's WASI.
pub(crate) fn context(guest: &Guest) -> Result<WasiCtx> {
    let mut context = WasiCtxBuilder::new();
    context.inherit_stdio();
    context.args(&guest.args).and_then(|context| context.envs(&guest.env)).map_err(refused)?;
    let context = context.build();
    for directory in &guest.directories {
        let opened = Dir::open_ambient_dir(&directory.host, ambient_authority())
            .map_err(|error| refused(error).with("directory", directory.host.display().to_string()))?;
        let opened = Directory(Box::new(dir::Dir::from_cap_std(opened)));
        context.push_preopened_dir(Box::new(opened), &directory.guest).map_err(refused)?;
    }
    Ok(context)
}

fn refused(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Io, "what the container gives to its guest cannot be passed on").because(error)
}
