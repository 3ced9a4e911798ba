use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::event::{PollFd, PollFlags};
use rustix::fs::FlockOperation;
use shimmer_cgroup::Cgroup;

use crate::creation::{self, Creation, Made};
use crate::wire::{Command, Create, Exec, Report, Request};
use crate::zygote::Estate;
use crate::{Connection, EndedBy, Failure, FailureKind, causes, compilation};

/// The work of one fork of the zygote: a container, an exec, or a compilation. Returns the process's exit status.
pub(crate) fn serve(connection: Connection, estate: Rc<Estate>) -> i32 {
    causes::keep();
    let connection = Rc::new(connection);
    let (request, mut descriptors) = match connection.receive::<Request>() {
        Ok(Some(request)) => request,
        Ok(None) => return 0,
        Err(error) => {
            let failure = Failure::new(FailureKind::Internal, format!("a request cannot be read: {error}"));
            let _nobody_may_listen = connection.send(&Report::Failed(failure), &[]);
            return 1;
        }
    };
    let outcome = match request {
        Request::Create(create) => self::create(&connection, &estate, create, descriptors),
        Request::Exec(exec) => self::exec(&connection, &estate, exec, descriptors),
        Request::Compile(compile) => {
            compilation::compile(&connection, &estate, &compile, descriptors.pop());
            Ok(())
        }
    };
    i32::from(outcome.is_err())
}

fn create(
    connection: &Rc<Connection>,
    estate: &Rc<Estate>,
    request: Create,
    streams: Vec<OwnedFd>,
) -> io::Result<()> {
    name(estate, &request.id);
    let lock = File::create(request.bundle.join(LOCK))?;
    rustix::fs::flock(&lock, FlockOperation::LockExclusive)?;
    let score = fs::read_to_string(SCORE);
    let (creation, made) = match Creation::new(connection, estate, &request, streams) {
        Ok(made) => made,
        Err(failure) => return connection.send(&Report::Failed(failure), &[]),
    };
    // libcontainer takes the container's score for this process, so that its child inherits it.
    let _where_that_is_allowed = score.and_then(|score| fs::write(SCORE, score));
    // Nothing but the first process is in it yet, which waits for its start.
    let cgroup = match creation.confine(&made) {
        Ok(cgroup) => cgroup,
        Err(failure) => return connection.send(&Report::Failed(undo(creation, &made, failure)), &[]),
    };
    report(connection, Report::Created { pid: made.pid }, &made)?;
    let record = request.bundle.join(RECORD);
    Monitor { connection, made, record, container: Some(creation), cgroup, ended: false }.watch()
}

/// Leaves nothing of a container that must not run, and tells why, and what has stayed nevertheless.
fn undo(creation: Creation, made: &Made, mut failure: Failure) -> Failure {
    let cgroup = Cgroup::of(made.pid);
    creation::kill(&made.pidfd);
    creation::wait(made.pid);
    if let Ok(cgroup) = cgroup {
        // What cannot be killed keeps the cgroup from being removed, which is libcontainer's to tell.
        let _ = wait(cgroup.kill());
        let _ = wait(cgroup.remove());
    }
    if let Err(left) = creation.delete() {
        failure.message = format!("{failure}; and it cannot be removed: {left}");
    }
    failure
}

fn exec(
    connection: &Rc<Connection>,
    estate: &Rc<Estate>,
    request: Exec,
    streams: Vec<OwnedFd>,
) -> io::Result<()> {
    name(estate, &request.id);
    let made = match creation::exec(connection, estate, &request, streams) {
        Ok(made) => made,
        Err(failure) => return connection.send(&Report::Failed(failure), &[]),
    };
    report(connection, Report::Started { pid: made.pid }, &made)?;
    let record = request.record;
    Monitor { connection, made, record, container: None, cgroup: None, ended: false }.watch()
}

/// Where the kernel keeps how soon a process is to be killed when memory runs out.
const SCORE: &str = "/proc/self/oom_score_adj";
/// The file of a bundle in which the end of a container is written down, for whoever cleans up after a crash.
pub const RECORD: &str = "exit.json";
/// The file of a bundle that is locked while the container's monitor lives.
pub const LOCK: &str = "monitor.lock";

fn name(estate: &Estate, id: &str) {
    if let Some(room) = estate.room {
        room.show("shimmer-monitor", &format!("shimmer-monitor {id}"));
    }
}

fn report(connection: &Connection, report: Report, made: &Made) -> io::Result<()> {
    let descriptors: Vec<_> =
        [made.pidfd.as_fd()].into_iter().chain(made.master.iter().map(AsFd::as_fd)).collect();
    connection.send(&report, &descriptors)
}

/// One process of a container, from its creation to its end.
struct Monitor<'a> {
    connection: &'a Connection,
    made: Made,
    /// Where its end is written down.
    record: PathBuf,
    /// None for an exec.
    container: Option<Creation>,
    cgroup: Option<Cgroup>,
    ended: bool,
}

impl Monitor<'_> {
    fn watch(mut self) -> io::Result<()> {
        loop {
            let mut ready =
                [PollFd::new(self.connection, PollFlags::IN), PollFd::new(&self.made.pidfd, PollFlags::IN)];
            let watched = if self.ended { 1 } else { 2 };
            match rustix::event::poll(&mut ready[..watched], None) {
                Err(rustix::io::Errno::INTR) => continue,
                events => events?,
            };
            let (told, ended) = (!ready[0].revents().is_empty(), !ready[1].revents().is_empty());
            // The end first: a command that came later is then answered by it.
            if ended && !self.ended {
                self.note_end()?;
                if self.container.is_none() {
                    return Ok(());
                }
            }
            if told {
                match self.connection.receive::<Command>() {
                    Ok(Some((Command::Delete, _))) => return self.delete(),
                    Ok(Some((command, _))) => self.obey(&command)?,
                    // An answer that an attempt to make the container did not wait for.
                    Err(error) if error.kind() == io::ErrorKind::InvalidData => {}
                    Ok(None) | Err(_) => return self.abandon(),
                }
            }
        }
    }

    fn obey(&mut self, command: &Command) -> io::Result<()> {
        let Some(container) = &mut self.container else { return Ok(()) };
        let done = match command {
            Command::Start => container.start().map(|()| Report::Started { pid: self.made.pid }),
            Command::Update(resources) => container.update(resources).map(|()| Report::Updated),
            Command::Delete => return Ok(()),
        };
        self.connection.send(&done.unwrap_or_else(Report::Failed), &[])
    }

    fn note_end(&mut self) -> io::Result<()> {
        let end = creation::wait(self.made.pid);
        self.ended = true;
        if self.container.as_ref().is_some_and(|container| container.shares_processes) {
            self.kill_the_rest();
        }
        // Written before it is told, so that it is known whatever happens to the shim.
        write(&self.record, end)?;
        match self.connection.send(&Report::Ended(end), &[]) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            sent => sent,
        }
    }

    fn delete(mut self) -> io::Result<()> {
        let deleted = self.clean_up();
        self.connection.send(&deleted.map_or_else(Report::Failed, |()| Report::Deleted), &[])
    }

    /// The shim is gone: nobody can reach the process any more, so it ends.
    fn abandon(mut self) -> io::Result<()> {
        self.clean_up().map_err(io::Error::other)
    }

    fn clean_up(&mut self) -> Result<(), Failure> {
        if !self.ended {
            creation::kill(&self.made.pidfd);
            self.note_end()?;
        }
        let Some(container) = self.container.take() else { return Ok(()) };
        self.kill_the_rest();
        if let Some(cgroup) = &self.cgroup {
            wait(cgroup.remove())?.map_err(|error| Failure::new(FailureKind::Io, error.to_string()))?;
        }
        container.delete()
    }

    fn kill_the_rest(&self) {
        if let Some(cgroup) = &self.cgroup {
            // What cannot be killed keeps the cgroup from being removed, and that is reported.
            let _ = wait(cgroup.kill());
        }
    }
}

/// Waits for what a cgroup does, on an event loop that is made for it: a monitor is asleep for most of its life.
fn wait<T>(future: impl Future<Output = T>) -> io::Result<T> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future))
}

/// Writes the end of a process down, so that a reader finds all of it or nothing.
fn write(record: &Path, end: EndedBy) -> io::Result<()> {
    let draft = record.with_extension("draft");
    let written = fs::write(&draft, serde_json::to_vec(&end)?).and_then(|()| fs::rename(&draft, record));
    match written {
        // containerd has removed the bundle already.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        written => written,
    }
}
