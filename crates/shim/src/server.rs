use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::{IntoRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;

use containerd_shim_protos::shim_async::create_task;
use containerd_shim_protos::ttrpc::asynchronous::Server;
use shimmer_cache::Cache;
use shimmer_container::Launcher;
use shimmer_telemetry::{self as telemetry, Guard, Identity, environment};
use tracing::{Level, info};

use crate::arguments::Arguments;
use crate::environment::Settings;
use crate::error::{Error, Kind, Result};
use crate::events::Events;
use crate::images::Images;
use crate::pod::Pod;
use crate::programs::Programs;
use crate::service::Service;
use crate::{engine_program, own_program};

/// Serves the containers of a pod until the last of them is gone.
///
/// # Errors
///
/// Those of sockets and event loops.
pub(crate) fn serve(
    engine: &'static str,
    arguments: &Arguments,
    group: &str,
    listener: UnixListener,
    socket: &Path,
    bundle: &Path,
) -> Result<()> {
    // SAFETY: SIG_IGN is a valid disposition. What this process starts, nobody waits for: the kernel reaps it.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
    prefer_to_live();
    let settings = Settings::read();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let served = runtime.block_on(async {
        let telemetry = telemetry(engine, arguments, group, bundle)?;
        let events = Events::to(settings.events.clone(), &arguments.namespace);
        let programs = Arc::new(Programs {
            cache: Cache::at(&settings.cache, settings.cache_size),
            launcher: Launcher::new(settings.run.join(engine), engine_program(engine)?),
            images: Images::of(&arguments.address, &arguments.namespace),
        });
        let native = Launcher::new(settings.run.join("native"), own_program()?);
        let pod = Pod::new(&arguments.namespace, events, programs, native);
        let served = until_done(&pod, listener).await;
        // A socket that nobody serves any more would be found by the next pod of this name, and be tried in vain.
        let removed = fs::remove_file(socket);
        telemetry.flush().await;
        served.and_then(|()| Ok(removed?))
    });
    // Whatever is still read or written, by a thread that waits for it, is nobody's any more.
    runtime.shutdown_background();
    served
}

async fn until_done(pod: &Arc<Pod>, listener: UnixListener) -> Result<()> {
    let failed = |error: containerd_shim_protos::ttrpc::Error| Error::new(Kind::Internal, error.to_string());
    let server = Server::new().register_service(create_task(Arc::new(Box::new(Service(Arc::clone(pod))))));
    let mut server = server.set_domain_unix().add_listener(listener.into_raw_fd()).map_err(failed)?;
    server.start().await.map_err(failed)?;
    let mut done = pod.done.subscribe();
    // The sender is the pod's own.
    let _ = done.wait_for(|done| *done).await;
    pod.events.flush().await;
    info!("ends");
    server.shutdown().await.map_err(failed)
}

/// Begins to log and, where it is asked for, to trace.
fn telemetry(engine: &str, arguments: &Arguments, group: &str, bundle: &Path) -> io::Result<Guard> {
    let identity = Identity { engine, namespace: &arguments.namespace, pod: group };
    let level = if arguments.debug { Level::DEBUG } else { Level::INFO };
    let settings = telemetry::Settings { level, traces: environment::traces(environment::process) };
    Ok(telemetry::install(log(bundle)?, &identity, settings))
}

/// The pipe from which containerd copies into its own log.
fn log(bundle: &Path) -> io::Result<OwnedFd> {
    // Opened for reading too, so that lines are kept while containerd is away.
    let log =
        OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(bundle.join("log"));
    // A containerd that wants no log makes no pipe.
    log.or_else(|_| OpenOptions::new().write(true).open("/dev/null")).map(OwnedFd::from)
}

/// Takes the place behind containerd in the order in which processes are killed when memory runs out, as runc's shim
/// does: without it, its containers end.
fn prefer_to_live() {
    const SCORE: &str = "/proc/self/oom_score_adj";
    let of_parent = format!("/proc/{}/oom_score_adj", std::os::unix::process::parent_id());
    let score = fs::read_to_string(of_parent).ok().and_then(|score| score.trim().parse::<i32>().ok());
    if let Some(score) = score.filter(|score| *score < 1000) {
        // A node that forbids it keeps what it has.
        let _ = fs::write(SCORE, (score + 1).to_string());
    }
}
