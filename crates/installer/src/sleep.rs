//! What the pod does on a node that is ready: nothing, until it is told to go.

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use crate::error::{Error, Result};

/// Waits for SIGTERM or SIGINT.
pub(crate) fn sleep() -> Result<()> {
    sleep_well(|| ())
}

/// As [`sleep`]; tells when signals are waited for.
fn sleep_well(asleep: impl FnOnce()) -> Result<()> {
    let doing = "wait for a signal";
    let runtime = Builder::new_current_thread().enable_io().build();
    let runtime = runtime.map_err(|error| Error::io(doing, error))?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(|error| Error::io(doing, error))?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| Error::io(doing, error))?;
        asleep();
        tokio::select! {
            _ = terminate.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
        }
    })
}

#[cfg(test)]
mod tests {
    use rustix::process::{Signal, getpid, kill_process};

    use super::*;

    #[test]
    fn ends_when_it_is_told_to() {
        for told in [Signal::TERM, Signal::INT] {
            sleep_well(|| kill_process(getpid(), told).expect("a signal to ourselves"))
                .expect("it has slept");
        }
    }
}
