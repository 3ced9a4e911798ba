use std::error::Error as StdError;
use std::sync::Arc;

use shimmer_engine::{Error, ErrorKind, Guest, Result};
use tokio::runtime::Handle;
use wasmer::Engine;
use wasmer_wasix::runtime::task_manager::tokio::TokioTaskManager;
use wasmer_wasix::virtual_fs::{FileSystem, host_fs};
use wasmer_wasix::{PluggableRuntime, WasiEnvBuilder};

use crate::files::Files;

/// What a guest is given, in Wasmer's words.
pub(crate) fn context(guest: &Guest, engine: Engine, handle: &Handle) -> Result<WasiEnvBuilder> {
    let mut runtime = PluggableRuntime::new(Arc::new(TokioTaskManager::new(handle.clone())));
    runtime.set_engine(engine);
    let root = host_fs::FileSystem::new(handle.clone(), "/").map_err(refused)?;

    let name = guest.args.first().map_or("", String::as_str);
    let mut context = WasiEnvBuilder::new(name);
    context.set_runtime(Arc::new(runtime));
    context.set_fs(Arc::new(Files(root)) as Arc<dyn FileSystem + Send + Sync>);
    context.add_args(guest.args.iter().skip(1));
    context.add_envs(guest.env.iter().map(|(name, value)| (name, value)));
    context.set_current_dir(&guest.cwd);
    for directory in &guest.directories {
        context
            .add_map_dir(&directory.guest, &directory.host)
            .map_err(|error| refused(error).with("directory", directory.host.display().to_string()))?;
    }
    Ok(context)
}

pub(crate) fn refused(error: impl StdError + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Io, "what the container gives to its guest cannot be opened").because(error)
}
