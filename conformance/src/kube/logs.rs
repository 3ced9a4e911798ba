use std::time::Duration;

use futures_util::io::AsyncReadExt;
use http::Method;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::api::{Answer, NOT_FOUND, Refused, request};
use super::cluster::Cluster;
use super::kind::Kind;
use crate::failure::{Failure, Result};

/// Which of a container's streams is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stream {
    /// Both, in the order in which they were written.
    Merged,
    Stdout,
    Stderr,
}

/// What is read of a container's log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Log<'a> {
    pub(crate) pod: &'a str,
    pub(crate) container: &'a str,
    pub(crate) stream: Stream,
    /// That of the container's last run before this one.
    pub(crate) previous: bool,
}

impl Cluster {
    /// What a container has written.
    pub(crate) fn log(&self, log: Log<'_>) -> Answer<Vec<u8>> {
        self.api.bytes(&self.log_path(log, ""))
    }

    /// Follows a log until what has come fits, or the log ends; fails with what has come where it does neither.
    pub(crate) fn follow(
        &self,
        log: Log<'_>,
        patience: Duration,
        fits: impl Fn(&str) -> bool,
    ) -> Result<String> {
        let request = request(Method::GET, &self.log_path(log, "&follow=true"), "", &Value::Null)?;
        let deadline = Instant::now() + patience;
        let mut text = Vec::new();
        let following = async {
            let mut body = std::pin::pin!(self.api.client.request_stream(request).await?);
            let mut piece = [0; 4096];
            loop {
                let length = body.read(&mut piece).await?;
                text.extend_from_slice(&piece[..length]);
                if length == 0 || fits(&String::from_utf8_lossy(&text)) {
                    return Ok::<_, Failure>(());
                }
            }
        };
        let ended = self.api.runtime.block_on(async { timeout_at(deadline, following).await });
        let text = String::from_utf8_lossy(&text).into_owned();
        match ended {
            Ok(read) => read.map(|()| text),
            Err(_) => Err(Failure(format!("the log ends with {:?} (after {patience:?})", tail(&text)))),
        }
    }

    /// Whether the server tells the streams of a log apart: one that does not know the question ignores it, and then
    /// finds no such pod.
    pub(super) fn asks_for_streams(api: &super::api::Api, namespace: &str) -> bool {
        let pods = Kind::Pod.collection(namespace);
        let answer = api.bytes(&format!("{pods}/none/log?container=none&stream=Neither"));
        matches!(answer, Err(Refused { code, .. }) if code != NOT_FOUND && code != 0)
    }

    fn log_path(&self, log: Log<'_>, more: &str) -> String {
        let Log { pod, container, stream, previous } = log;
        let stream = match stream {
            Stream::Stdout if self.splits_logs => "&stream=Stdout",
            Stream::Stderr if self.splits_logs => "&stream=Stderr",
            _ => "",
        };
        let pods = self.collection(Kind::Pod);
        format!("{pods}/{pod}/log?container={container}&previous={previous}{stream}{more}")
    }
}

/// As much of a log's end as a person wants to read.
fn tail(log: &str) -> &str {
    const SHOWN: usize = 500;
    let from = log.char_indices().rev().map(|(at, _)| at).take(SHOWN).last().unwrap_or_default();
    &log[from..]
}
