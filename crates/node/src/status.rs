//! How a program is, and how it ended.

use std::time::{Duration, SystemTime};

use containerd_client::types::v1::Status;
use prost_types::Timestamp;

/// What a task or a process in it is doing, as its shim says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum State {
    /// Made, not started.
    Created,
    /// Frozen, or about to be.
    Paused,
    /// Running.
    Running,
    /// Ended.
    Stopped,
    /// The shim did not say.
    Unknown,
}

impl From<Status> for State {
    fn from(status: Status) -> Self {
        match status {
            Status::Created => Self::Created,
            Status::Paused | Status::Pausing => Self::Paused,
            Status::Running => Self::Running,
            Status::Stopped => Self::Stopped,
            Status::Unknown => Self::Unknown,
        }
    }
}

/// How a program ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ExitStatus {
    /// The exit code; 128 + n for a program ended by signal n.
    pub code: u32,
    /// When it ended, by the shim's clock.
    pub exited_at: SystemTime,
}

impl ExitStatus {
    pub(crate) fn new(code: u32, exited_at: Option<Timestamp>) -> Self {
        Self { code, exited_at: time(exited_at) }
    }
}

/// All that is known of a program that has ended and was deleted.
#[derive(Clone, Debug)]
pub struct Output {
    /// The exit code; 128 + n for a program ended by signal n.
    pub code: u32,
    /// What it wrote to stdout, or to its terminal.
    pub stdout: Vec<u8>,
    /// What it wrote to stderr.
    pub stderr: Vec<u8>,
    /// When it ended, by the shim's clock.
    pub exited_at: SystemTime,
    /// How long each step took.
    pub phases: Phases,
}

/// How long the steps of a container's life took, as seen by containerd's client.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Phases {
    /// Making the snapshot and the record.
    pub prepare: Duration,
    /// Making the task: starting the shim and loading the program.
    pub create: Duration,
    /// Starting the program.
    pub start: Duration,
    /// Waiting for its end, after the start.
    pub wait: Duration,
    /// From the request to start it until the first bytes of its stdout were read; none where it wrote nothing, and none
    /// of a second process in a container.
    pub output: Option<Duration>,
    /// Deleting the task.
    pub delete: Duration,
}

impl Phases {
    /// All of it; the first output is a moment within.
    pub fn total(&self) -> Duration {
        let Self { prepare, create, start, wait, output: _, delete } = *self;
        prepare + create + start + wait + delete
    }
}

/// A time on the wire; one that is absent or out of range is the epoch.
pub(crate) fn time(timestamp: Option<Timestamp>) -> SystemTime {
    timestamp.and_then(|timestamp| timestamp.try_into().ok()).unwrap_or(SystemTime::UNIX_EPOCH)
}
