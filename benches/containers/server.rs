//! How long a shim takes until its server listens, which is a part of each `create`.

use std::fs;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use containerd_shim_protos::api::ShutdownRequest;
use containerd_shim_protos::ttrpc::proto::{Request, Response};
use shimmer_benches::progress::Progress;
use shimmer_benches::results::containers::ShimStart;
use shimmer_benches::summary::Summary;
use shimmer_node::{Node, ShimServer};

use crate::arguments::Plan;
use crate::target::Target;
use crate::wire::{self, Answer};
use crate::{Result, chance, turn};

/// Starts every shim in every round, without a container.
pub(crate) fn measure(node: &Node, plan: &Plan, targets: &[Target]) -> Vec<ShimStart> {
    let mut progress = Progress::new("shims", plan.warm_ups + plan.rounds);
    let mut cases: Vec<(Vec<Duration>, Option<String>)> = vec![Default::default(); targets.len()];
    for round in 0..plan.warm_ups + plan.rounds {
        progress.step("a round");
        if round == plan.warm_ups {
            cases.iter_mut().for_each(|(samples, _)| samples.clear());
        }
        for place in turn::order(targets.len(), round) {
            let (samples, failure) = &mut cases[place];
            if failure.is_none() {
                match chance::measured(&targets[place], || start(node, &targets[place])) {
                    Ok(took) => samples.push(took),
                    Err(error) => *failure = Some(error.to_string()),
                }
            }
        }
    }
    let row = |(target, (samples, failure)): (&Target, (Vec<Duration>, _))| {
        let took = Summary::of_times(&samples);
        ShimStart { target: target.name.clone(), took, failure }
    };
    targets.iter().zip(cases).map(row).collect()
}

fn start(node: &Node, target: &Target) -> Result<Duration> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let id = format!("{}-alone-{:05}", target.name, NEXT.fetch_add(1, Ordering::Relaxed));
    let server = node.start_shim(&fs::canonicalize(&target.binary)?, &id)?;
    end(&server, &id)?;
    turn::settle(node, &[id])?;
    // Where containerd is not told of a shim, it does not remove what the shim has left.
    match fs::remove_file(&server.socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(server.took),
    }
}

/// Tells a shim to end, as containerd does.
fn end(server: &ShimServer, id: &str) -> io::Result<()> {
    let mut connection = UnixStream::connect(&server.socket)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    let shutdown = ShutdownRequest { id: id.to_owned(), now: true, ..ShutdownRequest::default() };
    let request = Request {
        service: format!("containerd.task.v{}.Task", server.version),
        method: "Shutdown".to_owned(),
        payload: shutdown.bytes()?,
        ..Request::default()
    };
    wire::call(&mut connection, 1, &request)?;
    // It may end before it has answered.
    let _unanswered = wire::read::<Response>(&mut connection);
    Ok(())
}

const PATIENCE: Duration = Duration::from_secs(10);
