//! The standard streams of a program: named pipes below the node's folder, which every shim understands.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::PATIENCE;
use crate::capture::Capture;
use crate::error::{Error, ErrorKind, Result};
use crate::feed::Feed;
use crate::handle::Handle;

/// What a program reads.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Input {
    /// Nothing: it has no stdin.
    None,
    /// These bytes, and then the end.
    Whole(Vec<u8>),
    /// What is written while it runs.
    Open,
}

impl Input {
    /// What can be read from the beginning.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        if let Self::Whole(bytes) = self { bytes } else { Vec::new() }
    }
}

/// The streams of one program.
#[derive(Debug)]
pub(crate) struct Stdio {
    folder: PathBuf,
    stdin: Option<Feed>,
    is_open: bool,
    stdout: Capture,
    /// A terminal has one stream for both.
    stderr: Option<Capture>,
}

impl Stdio {
    /// Makes the pipes in `folder`, which must not exist yet, and starts to read.
    pub(crate) fn new(folder: PathBuf, input: Input, terminal: bool) -> Result<Self> {
        let is_open = input == Input::Open;
        let make = || -> io::Result<Self> {
            fs::create_dir_all(&folder)?;
            let stdin = match input {
                Input::None => None,
                Input::Whole(bytes) => Some(Feed::new(folder.join("stdin"), bytes)?),
                Input::Open => Some(Feed::new(folder.join("stdin"), Vec::new())?),
            };
            let stdout = Capture::new(folder.join("stdout"))?;
            let stderr = if terminal { None } else { Some(Capture::new(folder.join("stderr"))?) };
            Ok(Self { folder: folder.clone(), stdin, is_open, stdout, stderr })
        };
        make().map_err(|error| Error::io(format!("make pipes in {}", folder.display()), error))
    }

    /// The paths of stdin, stdout and stderr as containerd is told them; empty for a stream that is not
    /// there.
    pub(crate) fn paths(&self) -> [String; 3] {
        let stdin = self.stdin.as_ref().map(Feed::path);
        let stderr = self.stderr.as_ref().map(Capture::path);
        [stdin, Some(self.stdout.path()), stderr]
            .map(|path| path.map(|path| path.display().to_string()).unwrap_or_default())
    }

    /// Ends the program's input once it has been given all of it, unless more may be written. The shim must
    /// know the program by now.
    pub(crate) fn close_unless_open(&self, handle: &Handle) {
        let Some(feed) = self.stdin.as_ref().filter(|_| !self.is_open) else { return };
        let handle = handle.clone();
        feed.close(move || {
            // Shims that do not know the call, or have ended, hold no pipe: the program sees the end anyway.
            let _needless = handle.close_stdin();
        });
    }

    /// Gives the program of `handle` more to read.
    pub(crate) fn write(&self, bytes: Vec<u8>, handle: &Handle) -> Result<()> {
        self.input(handle)?.write(bytes);
        Ok(())
    }

    /// Closes our end of the pipe after all that was written.
    pub(crate) fn close(&self, handle: &Handle) -> Result<()> {
        let (sender, closed) = std::sync::mpsc::channel();
        self.input(handle)?.close(move || {
            // Who has given up waiting does not want to know.
            let _nobody_waits = sender.send(());
        });
        match closed.recv_timeout(PATIENCE) {
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                let doing = handle.doing("close the input of");
                let message = format!("cannot {doing}: what was written is not read within {PATIENCE:?}");
                Err(Error::new(ErrorKind::Timeout, message))
            }
            // The thread is gone where the input was closed before.
            Ok(()) | Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => Ok(()),
        }
    }

    fn input(&self, handle: &Handle) -> Result<&Feed> {
        self.stdin.as_ref().filter(|_| self.is_open).ok_or_else(|| {
            let doing = handle.doing("write to");
            let message = format!("cannot {doing}: its input was not left open, which `stdin_open` does");
            Error::new(ErrorKind::Spec, message)
        })
    }

    /// Waits until `text` has appeared on stdout or stderr; of a program that `has_ended`, only for what may be on its
    /// way.
    pub(crate) fn wait_for(&self, text: &str, timeout: Duration, has_ended: impl Fn() -> bool) -> Result<()> {
        let begin = Instant::now();
        if self.appears(text, timeout, &has_ended)
            || (has_ended() && self.appears(text, timeout / ON_ITS_WAY, || false))
        {
            return Ok(());
        }
        let stderr = self.stderr.as_ref().map(Capture::so_far).unwrap_or_default();
        let message = format!(
            "{text:?} was not written within {:.1?}{}; stdout: {:?}, stderr: {:?}",
            begin.elapsed(),
            if has_ended() { ", and its program has ended" } else { "" },
            String::from_utf8_lossy(&self.stdout.so_far()),
            String::from_utf8_lossy(&stderr)
        );
        Err(Error::new(ErrorKind::Timeout, message))
    }

    fn appears(&self, text: &str, timeout: Duration, is_vain: impl Fn() -> bool) -> bool {
        let streams = || [Some(&self.stdout), self.stderr.as_ref()].into_iter().flatten();
        let begin = Instant::now();
        let mut looked = begin;
        while !streams().any(|stream| stream.contains(text.as_bytes())) {
            if begin.elapsed() >= timeout {
                return false;
            }
            if looked.elapsed() >= LOOK {
                if is_vain() {
                    return false;
                }
                looked = Instant::now();
            }
            self.stdout.changed(STEP);
        }
        true
    }

    /// Waits until `enough` holds of what was written to both streams, or the program has `ended`.
    pub(crate) fn read_until(
        &self,
        timeout: Duration,
        enough: impl Fn(&[u8], &[u8]) -> bool,
        ended: impl Fn() -> Result<bool>,
    ) -> Result<(Vec<u8>, Vec<u8>)> {
        let deadline = Instant::now() + timeout;
        loop {
            // Asked first: what a program wrote before its end is looked at once more after it.
            let has_ended = ended()?;
            let stdout = self.stdout.so_far();
            let stderr = self.stderr.as_ref().map(Capture::so_far).unwrap_or_default();
            if has_ended || enough(&stdout, &stderr) {
                return Ok((stdout, stderr));
            }
            if Instant::now() >= deadline {
                let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
                let message = format!(
                    "what is awaited was not written within {timeout:?}; stdout: {stdout:?}, stderr: {stderr:?}"
                );
                return Err(Error::new(ErrorKind::Timeout, message));
            }
            self.stdout.changed(STEP);
        }
    }

    /// When the first bytes of stdout were read, if any were.
    pub(crate) fn first_output(&self) -> Option<Instant> {
        self.stdout.first()
    }

    /// All that was written. To be called when the program is deleted: then every writer goes.
    pub(crate) fn finish(&mut self) -> Result<(Vec<u8>, Vec<u8>)> {
        let stdout = self.stdout.finish();
        let stderr = self.stderr.as_mut().map_or(Ok(Vec::new()), Capture::finish);
        Ok((stdout?, stderr?))
    }
}

impl Drop for Stdio {
    fn drop(&mut self) {
        // Its thread is released by the pipe's name, which must still be there.
        self.stdin = None;
        // Goes with the node's folder at the latest.
        let _unreported = fs::remove_dir_all(&self.folder);
    }
}

const STEP: Duration = Duration::from_millis(20);
/// How often a shim is asked whether a silent program runs: seldom, since somebody may measure.
pub(crate) const LOOK: Duration = Duration::from_secs(1);
/// The part of a timeout in which what a program wrote before its end arrives.
const ON_ITS_WAY: u32 = 10;

/// A named pipe for this user alone.
pub(crate) fn make_pipe(path: &Path) -> io::Result<()> {
    Ok(mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?)
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write;

    use super::*;

    fn stdio(input: Input) -> (tempfile::TempDir, Stdio) {
        let folder = tempfile::tempdir().expect("a folder");
        let stdio = Stdio::new(folder.path().join("io"), input, false).expect("pipes");
        (folder, stdio)
    }

    #[test]
    fn loses_nothing_that_was_written_before_the_end() {
        let (_folder, mut stdio) = stdio(Input::None);
        let [stdin, stdout, _] = stdio.paths();
        let text = vec![b'x'; 1 << 20];
        fs::write(stdout, &text).expect("a write");
        assert_eq!(stdin, "", "there is no stdin");
        assert_eq!(stdio.finish().expect("both streams"), (text, Vec::new()));
    }

    #[test]
    fn ends_where_nobody_ever_opened_the_pipes() {
        let (folder, mut stdio) = stdio(Input::Whole(b"unread".into()));
        assert_eq!(stdio.finish().expect("both streams"), (Vec::new(), Vec::new()));
        drop(stdio);
        assert!(!folder.path().join("io").exists(), "the pipes are removed");
    }

    #[test]
    fn says_what_was_written_instead_of_what_was_awaited() {
        let (_folder, stdio) = stdio(Input::None);
        let mut writer = OpenOptions::new().write(true).open(&stdio.paths()[1]).expect("stdout");
        writer.write_all(b"hello").expect("a write");
        stdio.wait_for("hell", PATIENCE, || false).expect("it was written");
        let error = stdio.wait_for("bye", Duration::ZERO, || false).expect_err("it was not written");
        assert!(error.to_string().contains("hello"), "{error}");
    }

    #[test]
    fn notes_when_the_first_output_came() {
        let (_folder, stdio) = stdio(Input::None);
        assert_eq!(stdio.first_output(), None, "nothing was written");
        let mut writer = OpenOptions::new().write(true).open(&stdio.paths()[1]).expect("stdout");
        let mut write = |text: &str| {
            writer.write_all(text.as_bytes()).expect("a write");
            stdio.wait_for(text, PATIENCE, || false).expect("it was written");
            stdio.first_output()
        };
        let first = write("first");
        assert!(first.is_some());
        assert_eq!(write("second"), first);
    }

    #[test]
    fn awaits_nothing_more_of_a_program_that_has_ended() {
        let (_folder, stdio) = stdio(Input::None);
        let day = Duration::from_secs(24 * 60 * 60);
        assert!(!stdio.appears("bye", day, || true), "nobody wrote it");
    }

    #[test]
    fn gives_a_terminal_one_stream() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut stdio = Stdio::new(folder.path().join("io"), Input::None, true).expect("pipes");
        assert_eq!(stdio.paths()[2], "", "there is no stderr");
        assert_eq!(stdio.finish().expect("both streams"), (Vec::new(), Vec::new()));
    }
}
