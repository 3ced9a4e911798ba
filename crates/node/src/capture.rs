//! An output stream of a program, read to its end.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::PATIENCE;
use crate::error::{Error, ErrorKind, Result};
use crate::stdio::make_pipe;

/// Reads one pipe to its end in a thread.
#[derive(Debug)]
pub(crate) struct Capture {
    path: PathBuf,
    /// Our own writer: without it the reader would see the end before the container has begun.
    writer: Option<File>,
    shared: Arc<Captured>,
}

#[derive(Debug, Default)]
struct Captured {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    /// When the first of them were read.
    first: Option<Instant>,
    end: Option<io::Result<()>>,
}

impl Capture {
    /// Makes the pipe at `path` and starts to read.
    pub(crate) fn new(path: PathBuf) -> io::Result<Self> {
        make_pipe(&path)?;
        let writer = OpenOptions::new().read(true).write(true).open(&path)?;
        let reader = File::open(&path)?;
        let shared = Arc::<Captured>::default();
        let theirs = Arc::clone(&shared);
        std::thread::Builder::new().name("stdio".into()).spawn(move || theirs.read(reader))?;
        Ok(Self { path, writer: Some(writer), shared })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether `text` was written.
    pub(crate) fn contains(&self, text: &[u8]) -> bool {
        self.shared.lock().bytes.windows(text.len().max(1)).any(|part| part == text)
    }

    /// What was written up to now.
    pub(crate) fn so_far(&self) -> Vec<u8> {
        self.shared.lock().bytes.clone()
    }

    /// When the first bytes were read, if any were.
    pub(crate) fn first(&self) -> Option<Instant> {
        self.shared.lock().first
    }

    /// Waits until more was written, or `timeout` has passed.
    pub(crate) fn changed(&self, timeout: Duration) {
        let state = self.shared.lock();
        let _spurious = self.shared.changed.wait_timeout(state, timeout);
    }

    /// All that was written. To be called when every writer but ours goes.
    pub(crate) fn finish(&mut self) -> Result<Vec<u8>> {
        self.writer = None;
        let state = self.shared.lock();
        let waited = self.shared.changed.wait_timeout_while(state, PATIENCE, |state| state.end.is_none());
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match state.end.take() {
            Some(Ok(())) => Ok(std::mem::take(&mut state.bytes)),
            Some(Err(error)) => Err(Error::io(format!("read {}", self.path.display()), error)),
            None => {
                let message = format!(
                    "{PATIENCE:?} after its program was deleted, a shim still holds {}",
                    self.path.display()
                );
                Err(Error::new(ErrorKind::Timeout, message))
            }
        }
    }
}

impl Captured {
    fn read(&self, mut reader: File) {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = reader.read(&mut buffer);
            let now = Instant::now();
            let mut state = self.lock();
            match read {
                Ok(0) => state.end = Some(Ok(())),
                Ok(length) => {
                    state.first.get_or_insert(now);
                    state.bytes.extend_from_slice(&buffer[..length]);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => state.end = Some(Err(error)),
            }
            self.changed.notify_all();
            if state.end.is_some() {
                return;
            }
        }
    }

    /// The state is whole after every statement, so a panic elsewhere does not spoil it.
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
