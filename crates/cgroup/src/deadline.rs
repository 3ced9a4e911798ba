//! The bound of every wait.

use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use crate::error::{Error, ErrorKind, Result};

/// How long to wait before asking again where the kernel tells no event.
const PAUSE: Duration = Duration::from_millis(2);

/// When waiting ends, and what it was for.
#[derive(Debug)]
pub(crate) struct Deadline {
    end: Instant,
    /// What did not happen in time, as the sentence of the error.
    complaint: String,
}

impl Deadline {
    pub(crate) fn new(patience: Duration, complaint: impl Into<String>) -> Self {
        Self { end: Instant::now() + patience, complaint: complaint.into() }
    }

    /// What `event` brings, if it comes in time.
    pub(crate) async fn bound<T>(&self, event: impl Future<Output = Result<T>>) -> Result<T> {
        timeout_at(self.end, event).await.unwrap_or_else(|_| Err(self.error()))
    }

    /// A moment, if it ends in time.
    pub(crate) async fn pause(&self) -> Result<()> {
        let now = Instant::now();
        if now >= self.end {
            return Err(self.error());
        }
        sleep_until(self.end.min(now + PAUSE)).await;
        Ok(())
    }

    fn error(&self) -> Error {
        Error::new(ErrorKind::Timeout, self.complaint.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ends_what_takes_too_long_with_its_complaint() {
        let deadline = Deadline::new(Duration::ZERO, "nothing came");
        let bound = deadline.bound(std::future::pending::<Result<()>>()).await.expect_err("an end");
        let pause = deadline.pause().await.expect_err("an end");
        for error in [bound, pause] {
            assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Timeout, "nothing came"));
        }
    }
}
