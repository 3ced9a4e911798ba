//! The standard streams of a program, by the connection that dockerd hands over when it is attached to.

use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bollard::container::LogOutput;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_stream::{Stream, StreamExt};

use super::api::{Answer, Api};
use crate::PATIENCE;
use crate::error::{Error, ErrorKind, Result};

/// What dockerd hands over.
pub(crate) struct Connection {
    pub(crate) output: Pin<Box<dyn Stream<Item = Answer<LogOutput>> + Send>>,
    pub(crate) input: Pin<Box<dyn AsyncWrite + Send>>,
}

/// The streams of one program, read in a thread. Without the thread nothing would be read, and a program that nobody
/// reads from stands still.
#[derive(Debug)]
pub(crate) struct Streams {
    /// None once the input is closed.
    input: Option<UnboundedSender<Vec<u8>>>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    end: Option<Result<(), String>>,
}

impl Streams {
    /// Gives the program `bytes` to read and what is written later, and reads what it writes.
    pub(crate) fn new(api: Arc<Api>, connection: Connection, bytes: Vec<u8>) -> Result<Self> {
        let (input, written) = unbounded_channel();
        let shared = Arc::<Shared>::default();
        let theirs = Arc::clone(&shared);
        let work = move || api.drive(theirs.carry(connection, bytes, written));
        std::thread::Builder::new()
            .name("docker".into())
            .spawn(work)
            .map_err(|error| Error::io("read from dockerd in a thread", error))?;
        Ok(Self { input: Some(input), shared })
    }

    /// Gives the program more to read; false where its input is closed.
    pub(crate) fn write(&self, bytes: Vec<u8>) -> bool {
        self.input.as_ref().is_some_and(|input| input.send(bytes).is_ok())
    }

    /// Ends its input after all that was written.
    pub(crate) fn close(&mut self) {
        self.input = None;
    }

    /// Waits until `text` has appeared on stdout or stderr.
    pub(crate) fn wait_for(&self, text: &str, timeout: Duration) -> Result<()> {
        let has = |stream: &[u8]| stream.windows(text.len().max(1)).any(|part| part == text.as_bytes());
        let state = self
            .wait_while(timeout, |state| state.end.is_none() && !has(&state.stdout) && !has(&state.stderr));
        if has(&state.stdout) || has(&state.stderr) {
            return Ok(());
        }
        let (stdout, stderr) =
            (String::from_utf8_lossy(&state.stdout), String::from_utf8_lossy(&state.stderr));
        let message = format!(
            "{text:?} was not written within {timeout:?}; stdout: {stdout:?}, stderr: {stderr:?}, end: {:?}",
            state.end
        );
        Err(Error::new(ErrorKind::Timeout, message))
    }

    /// All that was written to stdout and stderr. To be called when the program has ended.
    pub(crate) fn finish(&self) -> Result<(Vec<u8>, Vec<u8>)> {
        self.finish_within(PATIENCE)
    }

    /// The same of a program that has yet to end.
    pub(crate) fn finish_within(&self, timeout: Duration) -> Result<(Vec<u8>, Vec<u8>)> {
        let mut state = self.wait_while(timeout, |state| state.end.is_none());
        match &state.end {
            Some(Ok(())) => Ok((std::mem::take(&mut state.stdout), std::mem::take(&mut state.stderr))),
            Some(Err(why)) => {
                Err(Error::new(ErrorKind::Answer, format!("cannot read a program's output: {why}")))
            }
            None => {
                let message = format!("a program's streams have not ended within {timeout:?}");
                Err(Error::new(ErrorKind::Timeout, message))
            }
        }
    }

    fn wait_while(&self, timeout: Duration, waits: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let deadline = Instant::now() + timeout;
        let mut state = self.shared.lock();
        while waits(&state) {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { break };
            let waited = self.shared.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }
}

impl Shared {
    /// Both directions at once: a program may stop reading before it stops writing.
    async fn carry(
        self: Arc<Self>,
        connection: Connection,
        bytes: Vec<u8>,
        written: UnboundedReceiver<Vec<u8>>,
    ) {
        let Connection { mut output, input } = connection;
        let feed = tokio::spawn(feed(input, bytes, written));
        let mut end = Ok(());
        while let Some(piece) = output.next().await {
            match piece {
                Ok(piece) => self.take(&piece),
                Err(refusal) => end = Err(refusal.to_string()),
            }
        }
        feed.abort();
        self.lock().end = Some(end);
        self.changed.notify_all();
    }

    fn take(&self, piece: &LogOutput) {
        let mut state = self.lock();
        let stream = match piece {
            LogOutput::StdErr { .. } => &mut state.stderr,
            // A terminal's stream stands for both.
            LogOutput::StdOut { .. } | LogOutput::Console { .. } | LogOutput::StdIn { .. } => {
                &mut state.stdout
            }
        };
        stream.extend_from_slice(piece.as_ref());
        self.changed.notify_all();
    }

    /// The state is whole after every statement, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A program may end without having read its input: that is its own business.
async fn feed(
    mut input: Pin<Box<dyn AsyncWrite + Send>>,
    bytes: Vec<u8>,
    mut written: UnboundedReceiver<Vec<u8>>,
) {
    let mut next = Some(bytes);
    while let Some(bytes) = next {
        let _unread = input.write_all(&bytes).await;
        let _unread = input.flush().await;
        next = written.recv().await;
    }
    let _gone = input.shutdown().await;
}
