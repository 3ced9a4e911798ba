//! Waiting for what tells nobody when it has come about.

use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::{Failure, Result};

const PAUSE: Duration = Duration::from_millis(10);
/// Where nobody says otherwise; generous, since nothing is measured by it.
const USUAL: Duration = Duration::from_secs(60);

/// How slow this machine is, which is the same for all cases.
static GIVEN: OnceLock<Duration> = OnceLock::new();

/// Makes all cases of this process as patient as the machine is slow; the first one to say so is heard.
pub(crate) fn set(patience: Duration) {
    let _said_before = GIVEN.set(patience);
}

/// How long anything may take before its case has failed.
pub(crate) fn patience() -> Duration {
    GIVEN.get().copied().unwrap_or(USUAL)
}

/// How long is waited for what follows soon, and what a host may not do at all.
pub(crate) fn notice() -> Duration {
    patience() / 2
}

/// Repeats `attempt` until it says that nothing is missing any more; fails with what it said last.
#[expect(
    clippy::disallowed_methods,
    reason = "neither the kernel nor CRI tells when a count, a process or a status changes"
)]
pub(crate) fn until(patience: Duration, mut missing: impl FnMut() -> Result<Option<String>>) -> Result {
    let begin = Instant::now();
    while let Some(missing) = missing()? {
        if begin.elapsed() > patience {
            return Err(Failure(format!("{missing} (after {patience:?})")));
        }
        thread::sleep(PAUSE);
    }
    Ok(())
}
