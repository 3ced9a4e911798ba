//! Waiting for what tells nobody when it has come about.

use std::thread;
use std::time::{Duration, Instant};

use crate::failure::{Failure, Result};

/// How long is waited for what follows at once, and what a host may not do at all.
pub(crate) const NOTICE: Duration = Duration::from_secs(4);
const PAUSE: Duration = Duration::from_millis(10);

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
