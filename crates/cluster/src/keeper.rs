//! The process that owns the cluster. It tells `up` what it waits for, a line each, and then waits for the signal to end.

use std::io::{self, Read, Write};
use std::path::Path;

use shimmer_node::Cluster;
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::Up;
use crate::error::Error;
use crate::images;
use crate::state::{Keeping, Node, State};

/// The line after which the cluster is ready.
pub(crate) const READY: &str = "ready";

/// Starts the cluster, and ends it when it is told to.
pub(crate) fn keep(folder: &Path, up: &Up) -> Result<(), Error> {
    // The terminal's signals are for the command that was typed there. In a session of its own already it stays there.
    let _already = rustix::process::setsid();
    let keeping = Keeping::begin(folder)?;
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Error::io("wait for signals"))?;
    // From here on a signal is remembered, and does not end the process.
    let mut ends = runtime.block_on(async { ends() }).map_err(Error::io("wait for signals"))?;
    let cluster = start(up)?;
    keeping.tell(&state(&cluster, up)?)?;
    // Who has typed the command may have given up meanwhile: then nobody answers, and the cluster ends here.
    let told = tell(READY).and_then(|()| answered());
    if told.is_ok() {
        runtime.block_on(any(&mut ends));
    }
    keeping.forget();
    cluster.stop()?;
    told.map_err(Error::io("tell that the cluster is ready"))
}

fn start(up: &Up) -> Result<Cluster, Error> {
    let progress = |what: &str| {
        // It is asked again at the end.
        let _unread = tell(what);
    };
    let cluster = Cluster::builder().nodes(up.nodes).shims(&up.shims).start(&progress)?;
    progress("importing images");
    let images = tempfile::tempdir().map_err(Error::io("make a folder for images"))?;
    let archive = images.path().join("images.tar");
    images::write(&archive)?;
    cluster.import(&archive)?;
    Ok(cluster)
}

fn state(cluster: &Cluster, up: &Up) -> Result<State, Error> {
    let node = |node: &shimmer_node::ClusterNode| Node { name: node.name(), socket: node.node().socket() };
    Ok(State {
        kubernetes: cluster.version().to_owned(),
        kubeconfig: cluster.kubeconfig(),
        kubectl: cluster.kubectl(),
        runtime_classes: shimmer_node::runtime_handlers(&up.shims)?,
        nodes: cluster.nodes().iter().map(node).collect(),
        keeper: rustix::process::getpid().as_raw_nonzero().get(),
    })
}

fn tell(line: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{line}").and_then(|()| output.flush())
}

/// Waits until `up` has read what it was told, which a pipe takes also where nobody reads any more.
fn answered() -> io::Result<()> {
    io::stdin().read_exact(&mut [0])
}

/// The signals by which a process is asked to end.
fn ends() -> io::Result<[Signal; 3]> {
    Ok([signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?])
}

/// Waits for one of them.
async fn any(signals: &mut [Signal; 3]) {
    std::future::poll_fn(|context| {
        let came = signals.iter_mut().any(|signal| signal.poll_recv(context).is_ready());
        if came { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}
