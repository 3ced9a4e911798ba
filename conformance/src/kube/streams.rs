//! What takes a connection in both directions: exec, attach and port-forward.

use std::future::Future;
use std::time::Duration;

use futures_util::future::join4;
use k8s_openapi::api::core::v1::Pod as PodObject;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::api::{AttachParams, AttachedProcess};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::api::Answer;
use super::cluster::Cluster;
use crate::failure::{Failure, Result};

/// How long an answer is waited for until the question is asked again.
const ANEW: Duration = Duration::from_secs(5);

/// What a process did that was attached to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ran {
    /// Its status, where the server has told it.
    pub(crate) code: Option<u32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    /// Why there is no status, or why it is another than 0.
    pub(crate) message: String,
}

/// A program to be run in a container.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exec {
    command: Vec<String>,
    stdin: Option<Vec<u8>>,
    terminal: Option<(u16, u16)>,
}

impl Exec {
    pub(crate) fn new<S: Into<String>>(command: impl IntoIterator<Item = S>) -> Self {
        Self { command: command.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// What it reads until the end of its stdin.
    pub(crate) fn stdin(self, stdin: &[u8]) -> Self {
        Self { stdin: Some(stdin.to_owned()), ..self }
    }

    /// With a terminal of so many columns and lines.
    pub(crate) fn terminal(self, columns: u16, lines: u16) -> Self {
        Self { terminal: Some((columns, lines)), ..self }
    }
}

impl Cluster {
    /// Runs a program in a container to its end.
    pub(crate) fn exec(&self, pod: &str, container: &str, exec: &Exec) -> Answer<Ran> {
        let terminal = exec.terminal.is_some();
        let how = AttachParams::default()
            .container(container)
            .stdin(exec.stdin.is_some())
            .stdout(true)
            .stderr(!terminal)
            .tty(terminal);
        let pods = self.pods();
        self.api.wait(async {
            let mut process = pods.exec(pod, exec.command.iter(), &how).await?;
            if let (Some((width, height)), Some(mut size)) = (exec.terminal, process.terminal_size()) {
                let size = size.try_send(kube::api::TerminalSize { width, height });
                size.map_err(|error| kube::Error::Service(Box::new(error)))?;
            }
            Ok(ended(&mut process, exec.stdin.as_deref()).await)
        })
    }

    /// Attaches to a container's own process, writes to its stdin, and reads until what has come fits or has ended. It is
    /// written again while nothing comes: containerd reads a client's stdin before it has added the client's stdout, and an
    /// answer in between reaches nobody.
    pub(crate) fn attach(
        &self,
        pod: &str,
        container: &str,
        stdin: &[u8],
        fits: impl Fn(&str) -> bool,
    ) -> Result<String> {
        let how = AttachParams::default().container(container).stdin(true).stdout(true).stderr(false);
        let pods = self.pods();
        let attached = async {
            let mut process = pods.attach(pod, &how).await?;
            let mut input = process.stdin().ok_or("there is no stdin")?;
            input.write_all(stdin).await?;
            let mut output = process.stdout().ok_or("there is no stdout")?;
            let mut text = Vec::new();
            let mut piece = [0; 1024];
            while !fits(&String::from_utf8_lossy(&text)) {
                let Ok(read) = timeout(ANEW, output.read(&mut piece)).await else {
                    input.write_all(stdin).await?;
                    continue;
                };
                match read? {
                    0 => break,
                    length => text.extend_from_slice(&piece[..length]),
                }
            }
            input.shutdown().await?;
            Ok::<_, Failure>(String::from_utf8_lossy(&text).into_owned())
        };
        self.patiently(attached)
    }

    /// Forwards a port, sends a request, and gives all that comes back until the peer has ended.
    pub(crate) fn forward(&self, pod: &str, port: u16, request: &[u8]) -> Result<String> {
        let pods = self.pods();
        let forwarded = async {
            let mut forwarder = pods.portforward(pod, &[port]).await?;
            let mut stream = forwarder.take_stream(port).ok_or("the port has no stream")?;
            let refusal = forwarder.take_error(port);
            stream.write_all(request).await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await?;
            drop(stream);
            let refusal = match refusal {
                Some(refusal) if answer.is_empty() => refusal.await,
                _ => None,
            };
            match refusal {
                Some(refusal) => Err(Failure(refusal)),
                None => Ok(String::from_utf8_lossy(&answer).into_owned()),
            }
        };
        self.patiently(forwarded)
    }

    fn pods(&self) -> kube::Api<PodObject> {
        kube::Api::namespaced(self.api.client.clone(), &self.namespace)
    }

    fn patiently<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let patience: Duration = self.patience;
        let ended = self.api.runtime.block_on(async { timeout(patience, work).await });
        ended.map_err(|_| Failure(format!("nothing came of it in {patience:?}")))?
    }
}

/// Feeds a process, reads both its streams and waits for its end.
async fn ended(process: &mut AttachedProcess, stdin: Option<&[u8]>) -> Ran {
    let (input, stdout, stderr) = (process.stdin(), process.stdout(), process.stderr());
    let status = process.take_status();
    let feeding = async {
        if let (Some(mut input), Some(stdin)) = (input, stdin) {
            // A process that reads nothing breaks the pipe, and that is its own affair.
            let _unread = input.write_all(stdin).await;
            let _unread = input.shutdown().await;
        }
    };
    let status = async {
        match status {
            Some(status) => status.await,
            None => None,
        }
    };
    let (status, stdout, stderr, ()) = join4(status, read(stdout), read(stderr), feeding).await;
    let message = status.as_ref().and_then(|status| status.message.clone()).unwrap_or_default();
    Ran { code: status.as_ref().and_then(code), stdout, stderr, message }
}

async fn read(stream: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        // What came before a connection broke is what there is to see.
        let _broken = stream.read_to_end(&mut bytes).await;
    }
    bytes
}

/// The exit status that a status object tells.
fn code(status: &Status) -> Option<u32> {
    if status.status.as_deref() == Some("Success") {
        return Some(0);
    }
    let causes = status.details.as_ref()?.causes.as_ref()?;
    let cause = causes.iter().find(|cause| cause.reason.as_deref() == Some("ExitCode"))?;
    cause.message.as_ref()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(text: &str) -> Status {
        serde_json::from_str(text).expect("a status")
    }

    #[test]
    fn reads_the_exit_code_from_a_status() {
        let failed = r#"{"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"7"}]}}"#;
        assert_eq!(code(&status(failed)), Some(7));
        assert_eq!(code(&status(r#"{"status":"Success"}"#)), Some(0));
        assert_eq!(code(&status(r#"{"status":"Failure","message":"no such container"}"#)), None);
    }
}
