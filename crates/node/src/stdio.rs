//! The standard streams of a container: named pipes below the node's folder, which every shim understands.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::error::{Error, ErrorKind, Result};

/// The three streams of one task.
#[derive(Debug)]
pub(crate) struct Stdio {
    folder: PathBuf,
    stdin: Option<Feed>,
    stdout: Capture,
    stderr: Capture,
}

impl Stdio {
    /// Makes the pipes in `folder`, which must not exist yet, and starts to read.
    pub(crate) fn new(folder: PathBuf, stdin: Option<Vec<u8>>) -> Result<Self> {
        let make = || -> io::Result<Self> {
            fs::create_dir_all(&folder)?;
            let stdin = stdin.map(|bytes| Feed::new(folder.join("stdin"), bytes)).transpose()?;
            let stdout = Capture::new(folder.join("stdout"))?;
            let stderr = Capture::new(folder.join("stderr"))?;
            Ok(Self { folder: folder.clone(), stdin, stdout, stderr })
        };
        make().map_err(|error| Error::io(format!("make pipes in {}", folder.display()), error))
    }

    /// The paths of stdin, stdout and stderr as containerd is told them; empty for a stream that is not
    /// there.
    pub(crate) fn paths(&self) -> [String; 3] {
        let stdin = self.stdin.as_ref().map(|feed| feed.path.display().to_string());
        let path = |capture: &Capture| capture.path.display().to_string();
        [stdin.unwrap_or_default(), path(&self.stdout), path(&self.stderr)]
    }

    /// Calls `close` once the program has been given all its input and the task exists, which is now.
    pub(crate) fn close_stdin_after(&self, close: impl FnOnce() + Send + 'static) {
        if let Some(feed) = &self.stdin {
            // The thread is there until it has received; and if it is not, there is nothing to close.
            let _gone = feed.close.send(Box::new(close));
        }
    }

    /// Waits until `text` has appeared on stdout or stderr.
    pub(crate) fn wait_for(&self, text: &str, timeout: Duration) -> Result<()> {
        let deadline = Instant::now() + timeout;
        let text = text.as_bytes();
        while !self.stdout.contains(text) && !self.stderr.contains(text) {
            if Instant::now() >= deadline {
                let (stdout, stderr) = (self.stdout.so_far(), self.stderr.so_far());
                let message = format!(
                    "{:?} was not written within {timeout:?}; stdout: {:?}, stderr: {:?}",
                    String::from_utf8_lossy(text),
                    String::from_utf8_lossy(&stdout),
                    String::from_utf8_lossy(&stderr)
                );
                return Err(Error::new(ErrorKind::Timeout, message));
            }
            self.stdout.changed(STEP);
        }
        Ok(())
    }

    /// All that was written. To be called when the task is deleted: then every writer goes.
    pub(crate) fn finish(mut self) -> Result<(Vec<u8>, Vec<u8>)> {
        let stdout = self.stdout.finish();
        let stderr = self.stderr.finish();
        Ok((stdout?, stderr?))
    }
}

impl Drop for Stdio {
    fn drop(&mut self) {
        if let Some(feed) = &self.stdin {
            feed.release();
        }
        // Goes with the node's folder at the latest.
        let _unreported = fs::remove_dir_all(&self.folder);
    }
}

/// How long a shim may hold a stream of a task that is deleted.
const PATIENCE: Duration = Duration::from_secs(10);
const STEP: Duration = Duration::from_millis(20);

/// Reads one pipe to its end in a thread.
#[derive(Debug)]
struct Capture {
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
    end: Option<io::Result<()>>,
}

impl Capture {
    fn new(path: PathBuf) -> io::Result<Self> {
        make_pipe(&path)?;
        let writer = OpenOptions::new().read(true).write(true).open(&path)?;
        let reader = File::open(&path)?;
        let shared = Arc::<Captured>::default();
        let theirs = Arc::clone(&shared);
        std::thread::Builder::new().name("stdio".into()).spawn(move || theirs.read(reader))?;
        Ok(Self { path, writer: Some(writer), shared })
    }

    fn contains(&self, text: &[u8]) -> bool {
        self.shared.lock().bytes.windows(text.len().max(1)).any(|part| part == text)
    }

    fn so_far(&self) -> Vec<u8> {
        self.shared.lock().bytes.clone()
    }

    fn changed(&self, timeout: Duration) {
        let state = self.shared.lock();
        let _spurious = self.shared.changed.wait_timeout(state, timeout);
    }

    fn finish(&mut self) -> Result<Vec<u8>> {
        self.writer = None;
        let state = self.shared.lock();
        let waited = self.shared.changed.wait_timeout_while(state, PATIENCE, |state| state.end.is_none());
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match state.end.take() {
            Some(Ok(())) => Ok(std::mem::take(&mut state.bytes)),
            Some(Err(error)) => Err(Error::io(format!("read {}", self.path.display()), error)),
            None => {
                let message = format!(
                    "{PATIENCE:?} after its task was deleted, a shim still holds {}",
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
            let mut state = self.lock();
            match read {
                Ok(0) => state.end = Some(Ok(())),
                Ok(length) => state.bytes.extend_from_slice(&buffer[..length]),
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

type Close = Box<dyn FnOnce() + Send>;

/// Writes a program's input in a thread.
#[derive(Debug)]
struct Feed {
    path: PathBuf,
    close: Sender<Close>,
    thread: JoinHandle<()>,
}

impl Feed {
    fn new(path: PathBuf, bytes: Vec<u8>) -> io::Result<Self> {
        make_pipe(&path)?;
        let (close, closed) = mpsc::channel::<Close>();
        let theirs = path.clone();
        let feed = move || feed(&theirs, &bytes, &closed);
        let thread = std::thread::Builder::new().name("stdin".into()).spawn(feed)?;
        Ok(Self { path, close, thread })
    }

    /// Lets a thread go on that waits for a reader which will never come.
    fn release(&self) {
        if !self.thread.is_finished() {
            let _unreported = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&self.path);
        }
    }
}

/// Opening waits for the reader. A program may end without having read its input: that is its own business.
fn feed(path: &Path, bytes: &[u8], closed: &Receiver<Close>) {
    let _unread = OpenOptions::new().write(true).open(path).and_then(|mut pipe| pipe.write_all(bytes));
    if let Ok(close) = closed.recv() {
        close();
    }
}

fn make_pipe(path: &Path) -> io::Result<()> {
    Ok(mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stdio(stdin: Option<&[u8]>) -> (tempfile::TempDir, Stdio) {
        let folder = tempfile::tempdir().expect("a folder");
        let stdio = Stdio::new(folder.path().join("io"), stdin.map(Into::into)).expect("pipes");
        (folder, stdio)
    }

    #[test]
    fn loses_nothing_that_was_written_before_the_end() {
        let (_folder, stdio) = stdio(None);
        let [stdin, stdout, _] = stdio.paths();
        let text = vec![b'x'; 1 << 20];
        fs::write(stdout, &text).expect("a write");
        assert_eq!(stdin, "", "there is no stdin");
        assert_eq!(stdio.finish().expect("both streams"), (text, Vec::new()));
    }

    #[test]
    fn ends_where_nobody_ever_opened_the_pipes() {
        let (folder, stdio) = stdio(Some(b"unread"));
        assert_eq!(stdio.finish().expect("both streams"), (Vec::new(), Vec::new()));
        assert!(!folder.path().join("io").exists(), "the pipes are removed");
    }

    #[test]
    fn gives_the_input_and_then_its_end() {
        let (_folder, stdio) = stdio(Some(b"input"));
        let (closed, is_closed) = mpsc::channel();
        stdio.close_stdin_after(move || closed.send(()).expect("somebody waits"));
        let read = fs::read(&stdio.paths()[0]).expect("the input");
        assert_eq!(read, b"input");
        is_closed.recv().expect("the task is told that there is no more");
    }

    #[test]
    fn says_what_was_written_instead_of_what_was_awaited() {
        let (_folder, stdio) = stdio(None);
        let mut writer = OpenOptions::new().write(true).open(&stdio.paths()[1]).expect("stdout");
        writer.write_all(b"hello").expect("a write");
        stdio.wait_for("hell", PATIENCE).expect("it was written");
        let error = stdio.wait_for("bye", Duration::ZERO).expect_err("it was not written");
        assert!(error.to_string().contains("hello"), "{error}");
    }
}
