use std::fs::File;
use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;

use rustix::event::{PollFd, PollFlags, Timespec};
use shimmer_engine::Engine;

use crate::launch;
use crate::program::Own;
use crate::title::Title;
use crate::wire::EngineIdentity;
use crate::{Connection, connection, guest, monitor, seal};

/// How long a zygote waits for work that nobody has for it, in seconds: longer than from one pod of a rollout to the next,
/// and short enough that a node that has given up Wasm has its memory back.
const LINGER: i64 = 60;
/// The descriptor on which a zygote finds its listening socket.
pub(crate) const LISTENER: i32 = 3;

/// What a zygote has in memory for its forks.
pub(crate) struct Estate {
    engine: Option<(Box<dyn Engine>, EngineIdentity)>,
    pub(crate) own: Own,
    pub(crate) room: Option<Title>,
    /// Whether nobody can write to the program through `/proc/PID/exe`.
    pub(crate) sealed: bool,
}

impl Estate {
    fn new(engine: Option<Box<dyn Engine>>) -> io::Result<Self> {
        let engine = engine.map(|engine| {
            let info = engine.info();
            let identity = EngineIdentity {
                title: info.to_string(),
                name: info.name.to_owned(),
                fingerprint: engine.fingerprint().as_str().to_owned(),
            };
            (engine, identity)
        });
        let sealed = seal::is_read_only("/proc/self/exe")?;
        Ok(Self { engine, own: Own::program()?, room: Title::find(), sealed })
    }

    pub(crate) fn engine(&self) -> Option<&dyn Engine> {
        self.engine.as_ref().map(|(engine, _)| engine.as_ref())
    }

    pub(crate) fn identity(&self) -> Option<EngineIdentity> {
        self.engine.as_ref().map(|(_, identity)| identity.clone())
    }

    /// How the refusals of this process begin.
    pub(crate) fn title(&self) -> String {
        self.engine.as_ref().map_or_else(|| "the shim".to_owned(), |(_, identity)| identity.title.clone())
    }
}

/// Serves as the zygote of native containers, which have no engine: see [`serve`].
#[must_use]
pub fn serve_native(socket: &Path) -> ExitCode {
    serve(None, socket)
}

/// Forks for each connection to the listening socket that is descriptor 3, until nobody has had work for a while.
///
/// The process has one thread and reads nothing from a connection, so that a fork finds no lock held, no buffer half
/// written, and no word about another container.
pub(crate) fn serve(engine: Option<Box<dyn Engine>>, socket: &Path) -> ExitCode {
    // SAFETY: the launcher hands the listening socket on under this number, and nobody else here knows of it.
    let listener = unsafe { connection::inherited(LISTENER) };
    let served = Estate::new(engine).and_then(|estate| {
        let zygote = Zygote {
            listener,
            ended: ends_of_children()?,
            estate: Rc::new(estate),
            socket: socket.to_owned(),
        };
        zygote.serve()
    });
    // Its log would be the first shim's, whose life it does not share: what went wrong is told by the exit status, and a
    // shim that finds no zygote says so.
    if served.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct Zygote {
    listener: OwnedFd,
    ended: File,
    estate: Rc<Estate>,
    socket: PathBuf,
}

impl Zygote {
    fn serve(self) -> io::Result<()> {
        let mut children = 0_usize;
        loop {
            let waits = if children == 0 { Some(Timespec { tv_sec: LINGER, tv_nsec: 0 }) } else { None };
            let mut ready =
                [PollFd::new(&self.listener, PollFlags::IN), PollFd::new(&self.ended, PollFlags::IN)];
            let events = match rustix::event::poll(&mut ready, waits.as_ref()) {
                Err(rustix::io::Errno::INTR) => continue,
                events => events?,
            };
            let (asked, ended) = (!ready[0].revents().is_empty(), !ready[1].revents().is_empty());
            if ended {
                children -= self.reap()?.min(children);
            }
            if asked {
                let connection = Connection::accept(&self.listener)?;
                children += usize::from(self.fork(connection)?);
            }
            if events == 0 && self.retire()? {
                return Ok(());
            }
        }
    }

    /// Returns in the zygote alone.
    fn fork(&self, connection: Connection) -> io::Result<bool> {
        // SAFETY: this process has one thread, so that its copy finds everything as it is.
        match unsafe { libc::fork() } {
            -1 => {
                // The shim sees its connection end, and says so.
                drop(connection);
                Ok(false)
            }
            0 => {
                let work = AssertUnwindSafe(|| self.become_monitor(connection));
                guest::end(panic::catch_unwind(work).unwrap_or(1))
            }
            _ => Ok(true),
        }
    }

    fn become_monitor(&self, connection: Connection) -> i32 {
        // SAFETY: the set is initialised by sigemptyset; both descriptors are the zygote's, which this copy of it will
        // never serve again.
        unsafe {
            let mut none: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut none);
            libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
            use std::os::fd::AsRawFd;
            libc::close(self.listener.as_raw_fd());
            libc::close(self.ended.as_raw_fd());
        }
        monitor::serve(connection, Rc::clone(&self.estate))
    }

    fn reap(&self) -> io::Result<usize> {
        let mut buffer = [0_u8; std::mem::size_of::<libc::signalfd_siginfo>()];
        let _told_once_for_all = io::Read::read(&mut &self.ended, &mut buffer)?;
        let mut ended = 0;
        // SAFETY: waitpid(2) with no status to write.
        while unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) } > 0 {
            ended += 1;
        }
        Ok(ended)
    }

    /// Takes the socket away, unless somebody has come meanwhile. Under the launchers' lock, so that none of them finds a
    /// socket that nobody will serve.
    fn retire(&self) -> io::Result<bool> {
        let _lock = launch::lock(&self.socket)?;
        let mut ready = [PollFd::new(&self.listener, PollFlags::IN)];
        if rustix::event::poll(&mut ready, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))? > 0 {
            return Ok(false);
        }
        rustix::fs::unlink(&self.socket)?;
        // Who connected before the name was gone waits in the queue.
        let mut ready = [PollFd::from_borrowed_fd(self.listener.as_fd(), PollFlags::IN)];
        Ok(rustix::event::poll(&mut ready, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))? == 0)
    }
}

/// A descriptor that becomes readable when a child has ended.
fn ends_of_children() -> io::Result<File> {
    // SAFETY: the set is initialised by sigemptyset, and lives until both calls return; signalfd(2) makes a descriptor
    // that nobody else owns.
    unsafe {
        libc::signal(libc::SIGCHLD, libc::SIG_DFL);
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGCHLD);
        libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
        let descriptor = libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
        if descriptor < 0 { Err(io::Error::last_os_error()) } else { Ok(File::from_raw_fd(descriptor)) }
    }
}
