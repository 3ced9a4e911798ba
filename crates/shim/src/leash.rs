use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use serde::Serialize;
use shimmer_container::Connection;
use shimmer_container::wire::{Command, Report};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{Mutex, mpsc};

use crate::error::{Error, Kind, Result};

/// The shim's end of its connection with a monitor: while it lives, so may the monitor's process.
#[derive(Debug)]
pub(crate) struct Leash {
    line: Arc<Line>,
    /// What the monitor answers to commands, one at a time.
    answers: Mutex<mpsc::UnboundedReceiver<Report>>,
}

/// A connection, for the shim's event loop.
#[derive(Debug)]
pub(crate) struct Line(AsyncFd<Connection>);

impl Line {
    /// Waits for the next report; none where the monitor is gone.
    pub(crate) async fn receive(&self) -> io::Result<Option<(Report, Vec<OwnedFd>)>> {
        self.0.async_io(Interest::READABLE, Connection::try_receive).await
    }

    /// Sends what fits into the socket's buffer, as all messages do.
    pub(crate) fn send(&self, message: &impl Serialize, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.0.get_ref().send(message, descriptors)
    }
}

impl Leash {
    /// Takes up a connection. What is sent into the second value is an answer to a command; whoever reads the line does.
    ///
    /// # Errors
    ///
    /// Those of epoll_ctl(2).
    pub(crate) fn new(
        connection: Connection,
    ) -> io::Result<(Self, Arc<Line>, mpsc::UnboundedSender<Report>)> {
        // SAFETY: a `Connection` owns one descriptor until it is dropped, which `AsyncFd` does after deregistering it.
        let line = unsafe { AsyncFd::register_with_interest(connection, Interest::READABLE) };
        let line = Arc::new(Line(line?));
        let (told, answers) = mpsc::unbounded_channel();
        Ok((Self { line: Arc::clone(&line), answers: Mutex::new(answers) }, line, told))
    }

    /// Waits for the answer to the request with which the connection began.
    pub(crate) async fn first(&self) -> Result<Report> {
        answer(self.answers.lock().await.recv().await)
    }

    /// Gives a command and waits for its answer.
    pub(crate) async fn ask(&self, command: &Command) -> Result<Report> {
        let mut answers = self.answers.lock().await;
        self.line.send(command, &[]).map_err(|error| lost(&error.to_string()))?;
        answer(answers.recv().await)
    }
}

fn answer(report: Option<Report>) -> Result<Report> {
    match report {
        Some(Report::Failed(failure)) => Err(failure.into()),
        Some(report) => Ok(report),
        None => Err(lost("its monitor has ended")),
    }
}

fn lost(cause: &str) -> Error {
    Error::new(Kind::Internal, format!("nobody answers for the process: {cause}; please report it"))
}
