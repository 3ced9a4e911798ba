use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::termios::Winsize;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::task::JoinHandle;

use crate::error::Result;
use crate::stdio::Paths;

/// The master of a process's terminal, and the copying between it and containerd's pipes.
#[derive(Debug)]
pub(crate) struct Terminal {
    master: Arc<AsyncFd<OwnedFd>>,
    input: Option<JoinHandle<()>>,
    output: Option<JoinHandle<()>>,
}

/// How much is copied at once, in bytes.
const BUFFER: usize = 4096;

impl Terminal {
    /// Begins to copy.
    ///
    /// # Errors
    ///
    /// Those of open(2) and fcntl(2).
    pub(crate) async fn new(master: OwnedFd, paths: &Paths) -> Result<Self> {
        rustix::fs::fcntl_setfl(&master, rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NONBLOCK)
            .map_err(io::Error::from)?;
        // SAFETY: an `OwnedFd` is one descriptor until it is dropped, which `AsyncFd` does after deregistering it.
        let master = unsafe { AsyncFd::register(master) };
        let master = Arc::new(master.map_err(io::Error::from)?);
        let mut terminal = Self { master: Arc::clone(&master), input: None, output: None };
        if !paths.stdin.is_empty() {
            let reader = pipe::OpenOptions::new().open_receiver(&paths.stdin)?;
            terminal.input = Some(tokio::spawn(copy_input(reader, Arc::clone(&master))));
        }
        if !paths.stdout.is_empty() {
            let path = paths.stdout.clone();
            // It is opened for reading too, as every stream is: see `Io`.
            let kept = OpenOptions::new().read(true).write(true).open(&path)?;
            let writer = pipe::OpenOptions::new().open_sender(&path)?;
            terminal.output = Some(tokio::spawn(async move {
                copy_output(master, writer).await;
                drop(kept);
            }));
        }
        Ok(terminal)
    }

    /// Gives the terminal another size.
    ///
    /// # Errors
    ///
    /// Those of ioctl(2).
    pub(crate) fn resize(&self, rows: u32, columns: u32) -> io::Result<()> {
        let cells = |count: u32| u16::try_from(count).unwrap_or(u16::MAX);
        let size = Winsize { ws_row: cells(rows), ws_col: cells(columns), ws_xpixel: 0, ws_ypixel: 0 };
        Ok(rustix::termios::tcsetwinsize(self.master.get_ref(), size)?)
    }

    /// The task that copies what the process writes; it ends when nobody has the terminal open any more.
    pub(crate) fn take_output(&mut self) -> Option<JoinHandle<()>> {
        self.output.take()
    }

    pub(crate) fn close_input(&mut self) {
        if let Some(input) = self.input.take() {
            input.abort();
        }
    }
}

async fn copy_input(mut reader: pipe::Receiver, master: Arc<AsyncFd<OwnedFd>>) {
    let mut buffer = vec![0; BUFFER];
    while let Ok(length @ 1..) = reader.read(&mut buffer).await {
        let mut rest = &buffer[..length];
        while !rest.is_empty() {
            let written = master.async_io(Interest::WRITABLE, |master| Ok(rustix::io::write(master, rest)?));
            match written.await {
                Ok(written) => rest = &rest[written..],
                Err(_the_terminal_is_gone) => return,
            }
        }
    }
}

async fn copy_output(master: Arc<AsyncFd<OwnedFd>>, mut writer: pipe::Sender) {
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = master.async_io(Interest::READABLE, |master| Ok(rustix::io::read(master, &mut *buffer)?));
        match read.await {
            Ok(length @ 1..) => {
                if writer.write_all(&buffer[..length]).await.is_err() {
                    return;
                }
            }
            // EIO is how a terminal's master says that the last process has closed the other side.
            Ok(_) | Err(_) => return,
        }
    }
}
