use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use shimmer_container::EndedBy;
use tokio::sync::watch;

use crate::error::{Error, Kind, Result};
use crate::leash::Leash;
use crate::lifecycle::{Stage, Wish};
use crate::stdio::{Io, Paths};

/// A container's first process, or an exec in it.
#[derive(Debug)]
pub(crate) struct Process {
    /// The exec's id; empty for the first process.
    pub(crate) exec: String,
    pub(crate) paths: Paths,
    stage: Mutex<Stage>,
    made: OnceLock<(u32, OwnedFd)>,
    end: watch::Sender<Option<EndedBy>>,
    pub(crate) leash: OnceLock<Leash>,
    pub(crate) io: Mutex<Option<Io>>,
    /// Held by who deletes it: a caller that gave up asks again, while what it asked for is still under way.
    pub(crate) deletion: tokio::sync::Mutex<()>,
}

impl Process {
    pub(crate) fn new(exec: &str, paths: Paths) -> Arc<Self> {
        Arc::new(Self {
            exec: exec.to_owned(),
            paths,
            stage: Mutex::new(Stage::Known),
            made: OnceLock::new(),
            end: watch::Sender::new(None),
            leash: OnceLock::new(),
            io: Mutex::default(),
            deletion: tokio::sync::Mutex::default(),
        })
    }

    pub(crate) fn stage(&self) -> Stage {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether `wish` may be fulfilled now.
    pub(crate) fn permits(&self, wish: Wish) -> Result<()> {
        self.stage().permits(wish)
    }

    /// Goes on to `next`, unless the process has ended: that is for ever. With a wish, only if that is permitted, in one
    /// step: of two who want the same, one gets it.
    pub(crate) fn advance(&self, wish: Option<Wish>, next: Stage) -> Result<()> {
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(wish) = wish {
            stage.permits(wish)?;
        }
        if *stage != Stage::Stopped {
            *stage = next;
        }
        Ok(())
    }

    pub(crate) fn set_made(&self, pid: u32, pidfd: OwnedFd) {
        // It is told once; a second time would be the monitor's mistake, and change nothing.
        let _ = self.made.set((pid, pidfd));
    }

    /// Its number; 0 before it is made.
    pub(crate) fn pid(&self) -> u32 {
        self.made.get().map_or(0, |(pid, _)| *pid)
    }

    /// Notes the end, once.
    pub(crate) fn finish(&self, end: EndedBy) {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner) = Stage::Stopped;
        self.end.send_if_modified(|known| {
            let first = known.is_none();
            known.get_or_insert(end);
            first
        });
    }

    pub(crate) fn end(&self) -> Option<EndedBy> {
        *self.end.borrow()
    }

    /// Waits for the end, or tells it at once.
    pub(crate) async fn ended(&self) -> EndedBy {
        let mut end = self.end.subscribe();
        let known = end.wait_for(Option::is_some).await.map(|end| *end);
        known.ok().flatten().expect("the sender is this process's own, and it waits until there is an end")
    }

    /// Sends a signal to this process alone, whoever has its number now.
    pub(crate) fn signal(&self, signal: u32) -> Result<()> {
        self.permits(Wish::Kill)?;
        let (_, pidfd) =
            self.made.get().ok_or_else(|| Error::new(Kind::NotFound, "there is no process yet"))?;
        let signal = i32::try_from(signal).map_err(|_| unknown(signal))?;
        let (no_information, no_flags) = (std::ptr::null::<libc::siginfo_t>(), 0);
        // SAFETY: pidfd_send_signal(2) takes integers and no further information.
        let sent = unsafe {
            libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, no_information, no_flags)
        };
        if sent == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        Err(match error.raw_os_error() {
            Some(libc::ESRCH) => Error::new(Kind::NotFound, "the process has ended already"),
            Some(libc::EINVAL) => unknown(signal.unsigned_abs()),
            _ => error.into(),
        })
    }

    pub(crate) fn leash(&self) -> Result<&Leash> {
        self.leash.get().ok_or_else(|| Error::new(Kind::State, "the process is not made yet"))
    }
}

fn unknown(signal: u32) -> Error {
    Error::new(Kind::Invalid, format!("there is no signal {signal}"))
}
