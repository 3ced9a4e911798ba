//! Calls to an API server: patient where it does not answer, and with a sentence for what it will not do.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::time::Duration;

use kube::Client;
use tokio::time::{Instant, sleep, timeout};

use crate::cluster::say;
use crate::error::{Error, ErrorKind};

/// Whom to ask.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    /// For how long a call is tried again.
    pub(crate) patience: Duration,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) struct Denied {
    /// HTTP's code; 0 where nothing was answered.
    code: u16,
    sentence: String,
}

/// What a call gives.
pub(crate) type Answer<T> = std::result::Result<T, Denied>;

impl Server {
    /// Asks until there is an answer; `doing` completes "cannot …". A call may be made twice although the first one was
    /// heard, so a caller must recognise its own work.
    pub(crate) async fn ask<T, F>(&self, doing: &str, mut call: impl FnMut() -> F) -> Answer<T>
    where
        F: Future<Output = kube::Result<T>>,
    {
        let deadline = Instant::now() + self.patience;
        let mut pause = SHORTEST;
        loop {
            let why = match timeout(PER_CALL, call()).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(kube::Error::Api(status))) if !may_pass(status.code) => {
                    return Err(Denied::new(status.code, doing, &status.message));
                }
                Ok(Err(kube::Error::Api(status))) => status.message.clone(),
                Ok(Err(error)) => chain(&error),
                Err(_elapsed) => format!("no answer in {PER_CALL:?}"),
            };
            if Instant::now() + pause > deadline {
                let why = format!("{why}, also after {:?}: is the API server reachable?", self.patience);
                return Err(Denied::new(0, doing, &why));
            }
            if pause == SHORTEST {
                say(format!("cannot {doing} yet, trying again: {why}"));
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST);
        }
    }
}

impl Denied {
    fn new(code: u16, doing: &str, why: &str) -> Self {
        let advice = if code == FORBIDDEN { "; its service account needs that right" } else { "" };
        Self { code, sentence: format!("cannot {doing}: {why}{advice}") }
    }

    /// What was asked about is not there.
    pub(crate) fn is_absent(&self) -> bool {
        self.code == NOT_FOUND
    }

    /// No patience helps: a right is missing.
    pub(crate) fn is_forbidden(&self) -> bool {
        self.code == FORBIDDEN
    }

    /// Somebody else was faster: it is there already, or has changed since it was read.
    pub(crate) fn is_conflict(&self) -> bool {
        self.code == CONFLICT
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.sentence)
    }
}

impl From<Denied> for Error {
    fn from(denied: Denied) -> Self {
        Self::new(ErrorKind::Failed, denied.sentence)
    }
}

/// An answer, or nothing where what was asked about is not there.
pub(crate) fn unless_absent<T>(answer: Answer<T>) -> Answer<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(denied) if denied.is_absent() => Ok(None),
        Err(denied) => Err(denied),
    }
}

/// A watch that was begun; nothing where it cannot be begun now, for example since what was read is too old for it.
pub(crate) fn begun<T>(watch: Answer<T>) -> Answer<Option<T>> {
    match watch {
        Ok(events) => Ok(Some(events)),
        Err(denied) if denied.is_forbidden() => Err(denied),
        Err(_) => Ok(None),
    }
}

/// An error and what caused it.
pub(crate) fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let said = next.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = next.source();
    }
    text
}

/// Whether the same call may be answered later: the server is busy, or not all there.
fn may_pass(code: u16) -> bool {
    code == TOO_MANY || code >= 500
}

const FORBIDDEN: u16 = 403;
const NOT_FOUND: u16 = 404;
const CONFLICT: u16 = 409;
const TOO_MANY: u16 = 429;

/// More than any single call takes. A watch is begun within it, and goes on for longer.
const PER_CALL: Duration = Duration::from_secs(30);
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn failing(code: u16) -> kube::Error {
        kube::Error::Api(kube::core::Status::failure("it says why", "Reason").with_code(code).boxed())
    }

    /// A server that is asked nothing: the calls are made up.
    fn asked(patience: Duration, codes: &[u16]) -> (Answer<()>, usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let calls = Cell::new(0);
        let answer = runtime.block_on(async {
            let config = kube::Config::new("http://localhost".parse().unwrap());
            let client = Client::try_from(config).unwrap();
            let server = Server { client, namespace: "default".into(), patience };
            server
                .ask("do it", || {
                    let at = calls.replace(calls.get() + 1);
                    let code = codes.get(at).copied();
                    async move { code.map_or(Ok(()), |code| Err(failing(code))) }
                })
                .await
        });
        (answer, calls.get())
    }

    #[test]
    fn a_server_that_is_busy_is_asked_again() {
        let (answer, calls) = asked(PER_CALL, &[503, 429]);
        assert!(answer.is_ok(), "{answer:?}");
        assert_eq!(calls, 3);
    }

    #[test]
    fn an_answer_is_an_answer() {
        let (answer, calls) = asked(PER_CALL, &[403]);
        let sentence = answer.expect_err("it was denied").to_string();
        assert_eq!(sentence, "cannot do it: it says why; its service account needs that right");
        assert_eq!(calls, 1);
        assert!(begun(asked(PER_CALL, &[403]).0).expect_err("it was denied").is_forbidden());
        assert!(begun(asked(PER_CALL, &[410]).0).expect("it may be begun anew").is_none());
        assert!(asked(PER_CALL, &[409]).0.expect_err("it was denied").is_conflict());
        assert!(unless_absent(asked(PER_CALL, &[404]).0).expect("that is no error").is_none());
    }

    #[test]
    fn patience_has_an_end() {
        let (answer, calls) = asked(Duration::ZERO, &[500]);
        let sentence = answer.expect_err("it is over").to_string();
        assert!(sentence.starts_with("cannot do it: ") && sentence.contains("reachable"), "{sentence}");
        assert_eq!(calls, 1);
    }
}
