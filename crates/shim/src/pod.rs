use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use shimmer_cgroup::Cgroup;
use shimmer_container::wire::{Create, Exec, Report, Request};
use shimmer_container::{Connection, EndedBy, KILLED, Launcher};
use tokio::sync::mpsc;
use tokio::sync::watch;
use tracing::{Instrument, Span, debug, error, info, info_span};

use crate::container::Container;
use crate::error::{Error, Kind, Result};
use crate::events::Events;
use crate::leash::{Leash, Line};
use crate::lifecycle::Stage;
use crate::process::Process;
use crate::programs::{Asking, Programs};
use crate::stdio::Names;
use crate::terminal::Terminal;

/// All containers that this shim serves.
#[derive(Debug)]
pub(crate) struct Pod {
    pub(crate) namespace: String,
    pub(crate) events: Events,
    programs: Arc<Programs>,
    /// Makes containers that have no engine.
    native: Launcher,
    containers: Mutex<HashMap<String, Arc<Container>>>,
    /// Set when the shim may end.
    pub(crate) done: watch::Sender<bool>,
}

/// How long the last words on a terminal are waited for after its process has ended, should somebody else still have it
/// open.
const LAST_WORDS: Duration = Duration::from_secs(2);

impl Pod {
    pub(crate) fn new(
        namespace: &str,
        events: Events,
        programs: Arc<Programs>,
        native: Launcher,
    ) -> Arc<Self> {
        Arc::new(Self {
            namespace: namespace.to_owned(),
            events,
            programs,
            native,
            containers: Mutex::default(),
            done: watch::Sender::new(false),
        })
    }

    /// # Errors
    ///
    /// [`Kind::NotFound`] where there is no such container.
    pub(crate) fn container(&self, id: &str) -> Result<Arc<Container>> {
        let containers = self.containers.lock().unwrap_or_else(PoisonError::into_inner);
        let found = containers.get(id).cloned();
        found.ok_or_else(|| Error::new(Kind::NotFound, format!("there is no container {id} here")))
    }

    /// # Errors
    ///
    /// [`Kind::AlreadyExists`] where the id is taken.
    pub(crate) fn add(&self, container: &Arc<Container>) -> Result<()> {
        let mut containers = self.containers.lock().unwrap_or_else(PoisonError::into_inner);
        if containers.contains_key(&container.id) {
            let message = format!("there is a container {} already", container.id);
            return Err(Error::new(Kind::AlreadyExists, message));
        }
        containers.insert(container.id.clone(), Arc::clone(container));
        Ok(())
    }

    pub(crate) fn forget(&self, id: &str) {
        self.containers.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.containers.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Makes a container's first process, which then waits for its start.
    pub(crate) async fn create(self: &Arc<Self>, container: &Arc<Container>, systemd: bool) -> Result<()> {
        let process = &container.init;
        let names = Names { id: &container.id, namespace: &self.namespace };
        let (given, io) = process.paths.open(container.user, &names).await?;
        *process.io.lock().unwrap_or_else(PoisonError::into_inner) = Some(io);
        let request = Request::Create(Create {
            id: container.id.clone(),
            bundle: container.bundle.clone(),
            state: state(&container.bundle),
            systemd,
            terminal: process.paths.terminal,
            streams: given.streams(),
        });
        let launcher = if container.is_native { &self.native } else { &self.programs.launcher };
        let connection = connect(launcher)?;
        connection.send(&request, &given.descriptors())?;
        drop(given);
        self.hold(container, process, connection)?;
        process.leash()?.first().await?;
        process.advance(None, Stage::Created)
    }

    /// Makes an exec's process and lets it run.
    pub(crate) async fn exec(
        self: &Arc<Self>,
        container: &Arc<Container>,
        process: &Arc<Process>,
    ) -> Result<()> {
        let names = Names { id: &container.id, namespace: &self.namespace };
        let (given, io) = process.paths.open(container.user, &names).await?;
        *process.io.lock().unwrap_or_else(PoisonError::into_inner) = Some(io);
        let file = exec_file(&container.bundle, &process.exec);
        fs::write(&file, container.definition(&process.exec))?;
        let request = Request::Exec(Exec {
            id: container.id.clone(),
            state: state(&container.bundle),
            process: file.clone(),
            terminal: process.paths.terminal,
            streams: given.streams(),
            record: file.with_extension("exit.json"),
        });
        let launcher = if container.is_native { &self.native } else { &self.programs.launcher };
        let connection = connect(launcher)?;
        connection.send(&request, &given.descriptors())?;
        drop(given);
        self.hold(container, process, connection)?;
        process.leash()?.first().await.map(drop)
    }

    /// Takes up the connection with a process's monitor, and follows what it tells.
    fn hold(
        self: &Arc<Self>,
        container: &Arc<Container>,
        process: &Arc<Process>,
        connection: Connection,
    ) -> Result<()> {
        let (leash, line, told) = Leash::new(connection)?;
        process.leash.set(leash).map_err(|_| Error::new(Kind::State, "the process is made already"))?;
        let follower = Follower {
            pod: Arc::clone(self),
            container: Arc::clone(container),
            process: Arc::clone(process),
            line,
            told,
            request: Span::current(),
            load: Span::none(),
        };
        // Not below the request's, which would last as long as this.
        let exec = (!process.exec.is_empty()).then_some(process.exec.as_str());
        let span = info_span!(parent: None, "process", container = container.id, exec);
        tokio::spawn(follower.follow().instrument(span));
        Ok(())
    }

    /// Tells of processes that are killed for want of memory, as it happens.
    fn watch_memory(self: &Arc<Self>, container: &Arc<Container>, cgroup: &Cgroup) {
        let mut watch = match cgroup.out_of_memory() {
            Ok(watch) => watch,
            // A node without a memory controller: nothing is killed for its limit.
            Err(error) => return debug!("memory is not watched: {error}"),
        };
        let (pod, container) = (Arc::clone(self), Arc::downgrade(container));
        tokio::spawn(async move {
            while let Ok(Some(_)) = watch.next().await {
                let Some(container) = container.upgrade() else { return };
                if container.has_untold_kills() {
                    pod.events.out_of_memory(&container.id);
                }
            }
        });
    }
}

/// libcontainer's folder in a bundle.
pub(crate) fn state(bundle: &Path) -> PathBuf {
    bundle.join("state")
}

/// Where the definition of an exec is. Its id is a stranger's, and no file's name.
pub(crate) fn exec_file(bundle: &Path, exec: &str) -> PathBuf {
    let name: String = exec.bytes().map(|byte| format!("{byte:02x}")).collect();
    // The longest name that a file may have is 255 bytes; containerd allows an id of 76.
    bundle.join(format!("exec-{}.json", name.get(..200).unwrap_or(&name)))
}

fn connect(launcher: &Launcher) -> Result<Connection> {
    launcher.connect().map_err(|error| {
        let program = launcher.program().display();
        let message = match error.kind() {
            io::ErrorKind::NotFound => format!(
                "the engine's program {program} is missing or cannot be executed; install it beside the shim: {error}"
            ),
            _ => format!("the engine's program {program} does not serve: {error}"),
        };
        Error::new(Kind::Unavailable, message)
    })
}

/// Follows what a monitor tells, until it ends.
struct Follower {
    pod: Arc<Pod>,
    container: Arc<Container>,
    process: Arc<Process>,
    line: Arc<Line>,
    told: mpsc::UnboundedSender<Report>,
    /// Of the call that made the process, until that is answered.
    request: Span,
    /// From the program's being at hand to its being loaded.
    load: Span,
}

impl Follower {
    async fn follow(mut self) {
        loop {
            match self.line.receive().await {
                Ok(Some((report, descriptors))) => {
                    if let Err(error) = self.take(report, descriptors).await {
                        error!("a monitor's report is lost: {error}");
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    error!("the connection with a monitor is lost: {error}");
                    break;
                }
            }
        }
        // It ends when its container is deleted, or an exec has ended, and it has said so then.
        if self.process.end().is_none() && self.process.pid() != 0 {
            error!("the monitor has ended before its process, which is killed");
            if let Ok(cgroup) = self.container.cgroup()
                && self.process.exec.is_empty()
            {
                let _what_cannot_be_killed_is_told_by_delete = cgroup.kill().await;
            }
            self.end(EndedBy::now(KILLED)).await;
        }
    }

    async fn take(&mut self, report: Report, descriptors: Vec<OwnedFd>) -> Result<()> {
        match report {
            Report::Found { .. } | Report::Missing { .. } => {
                let asking = Asking { container: &self.container.id, layers: &self.container.layers };
                let program = descriptors.into_iter().next();
                let answered = self.pod.programs.answer(&self.line, asking, report, program);
                let entry = answered.instrument(self.request.clone()).await?;
                self.load = info_span!(parent: &self.request, "load");
                entry.into_iter().for_each(|entry| self.container.keep(entry));
            }
            Report::Created { pid } => {
                self.made(pid, descriptors).await?;
                match Cgroup::of(pid) {
                    Ok(cgroup) => {
                        self.pod.watch_memory(&self.container, &cgroup);
                        self.container.set_cgroup(cgroup);
                    }
                    Err(error) => info!("the container cannot be measured: {error}"),
                }
                self.answer(Report::Created { pid });
            }
            Report::Started { pid } => {
                if !self.process.exec.is_empty() {
                    self.made(pid, descriptors).await?;
                }
                self.process.advance(None, Stage::Running)?;
                self.pod.events.started(&self.container.id, &self.process.exec, pid);
                self.answer(Report::Started { pid });
            }
            Report::Ended(end) => self.end(end).await,
            answer => self.answer(answer),
        }
        Ok(())
    }

    async fn made(&self, pid: u32, descriptors: Vec<OwnedFd>) -> Result<()> {
        let mut descriptors = descriptors.into_iter();
        let pidfd = descriptors.next().ok_or_else(|| Error::new(Kind::Internal, "there is no pidfd"))?;
        if let Some(master) = descriptors.next() {
            let terminal = Terminal::new(master, &self.process.paths).await?;
            if let Some(io) = self.process.io.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
                io.terminal = Some(terminal);
            }
        }
        self.process.set_made(pid, pidfd);
        Ok(())
    }

    async fn end(&self, end: EndedBy) {
        let output = {
            let mut io = self.process.io.lock().unwrap_or_else(PoisonError::into_inner);
            io.as_mut().and_then(|io| io.terminal.as_mut()).and_then(Terminal::take_output)
        };
        if let Some(output) = output {
            let _whether_all_was_copied = tokio::time::timeout(LAST_WORDS, output).await;
        }
        if self.container.has_untold_kills() {
            self.pod.events.out_of_memory(&self.container.id);
        }
        self.process.finish(end);
        info!(status = end.status, "ended");
        self.pod.events.ended(&self.container.id, &self.process.exec, self.process.pid(), end);
        *self.process.io.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Nobody may wait any more: containerd may have given up a call.
    fn answer(&mut self, report: Report) {
        (self.request, self.load) = (Span::none(), Span::none());
        let _ = self.told.send(report);
    }
}
