//! A process's streams: the named pipes and files by which containerd, or whoever asked it, reads and writes them.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use shimmer_container::wire::Streams;
use tokio::net::unix::pipe;
use tokio::task::JoinHandle;

use crate::bundle::User;
use crate::error::{Error, Kind, Result};
use crate::terminal::Terminal;

/// Where containerd says that the streams are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Paths {
    pub(crate) stdin: String,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) terminal: bool,
}

/// What of a process's streams stays in the shim.
#[derive(Debug)]
pub(crate) struct Io {
    /// Keeps the pipes' reading ends open, so that a process neither dies of nor notices a containerd that is away.
    _kept: Vec<File>,
    /// Copies stdin; dropping it ends the process's input.
    stdin: Option<JoinHandle<()>>,
    pub(crate) terminal: Option<Terminal>,
    logger: Option<crate::logger::Logger>,
}

/// What the process gets.
#[derive(Debug, Default)]
pub(crate) struct Given {
    stdin: Option<OwnedFd>,
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
}

impl Given {
    pub(crate) fn streams(&self) -> Streams {
        let Self { stdin, stdout, stderr } = self;
        Streams { stdin: stdin.is_some(), stdout: stdout.is_some(), stderr: stderr.is_some() }
    }

    pub(crate) fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        [&self.stdin, &self.stdout, &self.stderr].into_iter().flatten().map(AsFd::as_fd).collect()
    }
}

impl Paths {
    /// Opens what the process gets. Of a terminal nothing yet: it is made with the process.
    ///
    /// # Errors
    ///
    /// Those of open(2), and [`Kind::Invalid`] for an address of no known sort.
    pub(crate) async fn open(&self, user: User, container: &Names<'_>) -> Result<(Given, Io)> {
        let mut io = Io { _kept: Vec::new(), stdin: None, terminal: None, logger: None };
        let mut given = Given::default();
        if self.terminal {
            return Ok((given, io));
        }
        if !self.stdin.is_empty() {
            let (reader, writer) = io::pipe()?;
            io.stdin = Some(copy_input(&self.stdin, writer)?);
            given.stdin = Some(reader.into());
        }
        if let Some(program) = self.stdout.strip_prefix("binary://") {
            let (logger, [stdout, stderr]) = crate::logger::Logger::start(program, container).await?;
            io.logger = Some(logger);
            (given.stdout, given.stderr) = (Some(stdout), Some(stderr));
        } else {
            given.stdout = output(&self.stdout, &mut io._kept).await?;
            given.stderr = output(&self.stderr, &mut io._kept).await?;
        }
        for stream in given.descriptors() {
            // As under runc: a program may open /dev/stderr anew, whoever it runs as. A stream that cannot be given
            // away, like a file on a read-only system, still works as it is open.
            let _ = rustix::fs::fchown(
                stream,
                Some(rustix::fs::Uid::from_raw(user.uid)),
                Some(rustix::fs::Gid::from_raw(user.gid)),
            );
        }
        Ok((given, io))
    }
}

/// What a logging program is told about a container.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names<'a> {
    pub(crate) id: &'a str,
    pub(crate) namespace: &'a str,
}

impl Io {
    /// Ends the process's input.
    pub(crate) fn close_input(&mut self) {
        if let Some(copy) = self.stdin.take() {
            copy.abort();
        }
        if let Some(terminal) = &mut self.terminal {
            terminal.close_input();
        }
    }
}

impl Drop for Io {
    fn drop(&mut self) {
        self.close_input();
    }
}

async fn output(address: &str, kept: &mut Vec<File>) -> Result<Option<OwnedFd>> {
    if address.is_empty() {
        return Ok(None);
    }
    let path = match address.split_once("://") {
        Some(("file", path)) => {
            let file = OpenOptions::new().create(true).append(true).open(path);
            return file.map(|file| Some(file.into())).map_err(|error| Error::from(error).during(path));
        }
        Some(("fifo", path)) => path,
        Some((scheme, _)) => {
            return Err(Error::new(
                Kind::Invalid,
                format!("streams of the kind {scheme}:// are not known here"),
            ));
        }
        None => address,
    };
    let about = |error: io::Error| Error::from(error).during(path);
    let writer = writer(path).await.map_err(about)?;
    let reader = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(about)?;
    kept.push(reader);
    Ok(Some(writer.into()))
}

/// Opens a named pipe for writing, once its reader is there: what is written to one without would be lost.
async fn writer(path: &str) -> io::Result<File> {
    let open = |path: &str, flags| OpenOptions::new().write(true).custom_flags(flags).open(path);
    match open(path, libc::O_NONBLOCK) {
        Ok(file) => {
            let flags = rustix::fs::fcntl_getfl(&file)? - rustix::fs::OFlags::NONBLOCK;
            rustix::fs::fcntl_setfl(&file, flags)?;
            Ok(file)
        }
        Err(error) if error.raw_os_error() == Some(libc::ENXIO) => {
            let path = path.to_owned();
            let opened = tokio::task::spawn_blocking(move || open(&path, 0)).await;
            opened.map_err(io::Error::other)?
        }
        Err(error) => Err(error),
    }
}

/// Copies a named pipe into an anonymous one, until its last writer has gone: the process then sees its end, which a pipe
/// that it had open itself might never have.
fn copy_input(path: &str, writer: io::PipeWriter) -> Result<JoinHandle<()>> {
    let about = |error: io::Error| Error::from(error).during(path);
    let path = path.strip_prefix("fifo://").unwrap_or(path);
    let mut reader = pipe::OpenOptions::new().open_receiver(path).map_err(about)?;
    let writer = OwnedFd::from(writer);
    rustix::fs::fcntl_setfl(&writer, rustix::fs::OFlags::NONBLOCK).map_err(|error| about(error.into()))?;
    let mut writer = pipe::Sender::from_owned_fd(writer).map_err(about)?;
    Ok(tokio::spawn(async move {
        // An error on either side is the end of the input, like its end.
        let _ = tokio::io::copy(&mut reader, &mut writer).await;
    }))
}
