//! The input stream of a program, written as it reads.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;

use crate::stdio::make_pipe;

/// Writes a program's input in a thread.
#[derive(Debug)]
pub(crate) struct Feed {
    path: PathBuf,
    steps: Sender<Step>,
    thread: JoinHandle<()>,
}

/// What to do next with the pipe.
enum Step {
    Write(Vec<u8>),
    /// Close it, and then call this.
    Close(Box<dyn FnOnce() + Send>),
}

impl Feed {
    /// Makes the pipe at `path`, to be given `bytes` and whatever is written later.
    pub(crate) fn new(path: PathBuf, bytes: Vec<u8>) -> io::Result<Self> {
        make_pipe(&path)?;
        let (steps, todo) = mpsc::channel();
        let theirs = path.clone();
        let feed = move || feed(&theirs, &bytes, &todo);
        let thread = std::thread::Builder::new().name("stdin".into()).spawn(feed)?;
        Ok(Self { path, steps, thread })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the program more to read.
    pub(crate) fn write(&self, bytes: Vec<u8>) {
        // The thread is there until it was told to close the pipe: then there is nothing to write to.
        let _closed = self.steps.send(Step::Write(bytes));
    }

    /// Closes the pipe once the program was given everything, and calls `then`.
    pub(crate) fn close(&self, then: impl FnOnce() + Send + 'static) {
        let _closed_before = self.steps.send(Step::Close(Box::new(then)));
    }
}

impl Drop for Feed {
    /// Lets a thread go on that waits for a reader which will never come.
    fn drop(&mut self) {
        if !self.thread.is_finished() {
            let _unreported = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&self.path);
        }
    }
}

/// Opening waits for the reader. A program may end without having read its input: that is its own business.
fn feed(path: &Path, bytes: &[u8], todo: &Receiver<Step>) {
    let mut pipe = OpenOptions::new().write(true).open(path).ok();
    give(&mut pipe, bytes);
    while let Ok(step) = todo.recv() {
        match step {
            Step::Write(bytes) => give(&mut pipe, &bytes),
            Step::Close(then) => {
                drop(pipe);
                then();
                return;
            }
        }
    }
}

fn give(pipe: &mut Option<File>, bytes: &[u8]) {
    let _unread = pipe.as_mut().map(|pipe| pipe.write_all(bytes));
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn gives_the_input_and_then_its_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let feed = Feed::new(folder.path().join("stdin"), b"input".into()).expect("a pipe");
        let (closed, is_closed) = mpsc::channel();
        feed.close(move || closed.send(()).expect("somebody waits"));
        let read = std::fs::read(feed.path()).expect("the input");
        assert_eq!(read, b"input");
        is_closed.recv().expect("the task is told that there is no more");
    }

    #[test]
    fn gives_what_is_written_later_before_the_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let feed = Feed::new(folder.path().join("stdin"), Vec::new()).expect("a pipe");
        let mut reader = File::open(feed.path()).expect("the pipe");
        feed.write(b"one".into());
        let mut first = [0; 3];
        reader.read_exact(&mut first).expect("what was written");
        feed.write(b"two".into());
        feed.close(|| ());
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest).expect("the rest and the end");
        assert_eq!((&first, rest.as_slice()), (b"one", b"two".as_slice()));
    }
}
