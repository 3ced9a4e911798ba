use std::cell::RefCell;
use std::collections::HashMap;
use std::os::fd::RawFd;
use std::rc::Rc;

use libcontainer::workload::{Executor, ExecutorError, ExecutorSetEnvsError, ExecutorValidationError};
use oci_spec::runtime::{LinuxSeccomp, Spec};
use rustix::event::Timespec;
use shimmer_engine::Engine;
use shimmer_oci::Process;

use crate::guest::Loaded;
use crate::native::Native;
use crate::program::{self, Entry};
use crate::title::Title;
use crate::wire::Report;
use crate::zygote::Estate;
use crate::{Connection, Failure, FailureKind, capabilities, descriptors, guest};

/// What runs in a container, in libcontainer's terms: found and loaded by `validate`, inside the container and before its
/// start; run by `exec`.
#[derive(Clone)]
pub(crate) struct Workload {
    connection: Rc<Connection>,
    estate: Rc<Estate>,
    id: String,
    /// The filter of the container that an exec joins: libcontainer forgets it.
    filter: Option<LinuxSeccomp>,
    /// How often the container has been tried before: see `insist`.
    attempt: u32,
    /// Set in the process that is the container's.
    ready: Rc<RefCell<Option<Ready>>>,
}

enum Ready {
    Guest { loaded: Loaded, inherited: Vec<RawFd> },
    Native(Native),
}

impl Workload {
    pub(crate) fn new(
        connection: Rc<Connection>,
        estate: Rc<Estate>,
        id: &str,
        filter: Option<LinuxSeccomp>,
    ) -> Self {
        Self { connection, estate, id: id.to_owned(), filter, attempt: 0, ready: Rc::default() }
    }

    /// The same, for a further attempt.
    pub(crate) fn late(self, attempt: u32) -> Self {
        Self { attempt, ..self }
    }

    /// Lets libcontainer's other process speak first, which was too late in an earlier attempt: nothing tells this one that
    /// it has, so each attempt waits longer, up to a quarter of a
    /// second.
    fn give_way(&self) {
        if self.attempt > 0 {
            let wait = Timespec { tv_sec: 0, tv_nsec: 4_000_000 << (2 * self.attempt.min(3)) };
            // A signal ends it earlier, which costs an attempt at worst.
            let _ = rustix::event::poll(&mut [], Some(&wait));
        }
    }

    fn prepare(&self, spec: &Spec) -> Result<Ready, Failure> {
        let inherited = descriptors::open();
        // The guest ends with its monitor, whatever ends that.
        // SAFETY: PR_SET_PDEATHSIG takes integers only.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        let title = self.estate.title();
        let refused = |error: shimmer_engine::Error| Failure::refusal(&title, &error);
        let process = Process::of(spec).map_err(|error| refused(error.into()))?;
        let listed = spec.process().as_ref().and_then(|process| process.capabilities().as_ref());
        capabilities::limit(listed)?;
        let entrypoint = process.entrypoint().map_err(|error| refused(error.into()))?;
        let found = program::find(&process, self.estate.own);
        if let Ok(Entry::Native(path)) = &found {
            let definition = spec.process().as_ref().expect("`Process::of` has found one");
            let env = process.environment().map_err(|error| refused(error.into()))?;
            return Native::new(path, definition, env).map(Ready::Native).map_err(refused);
        }
        let Some(engine) = self.estate.engine() else {
            return Err(refused(found.err().unwrap_or_else(not_native).with("file", entrypoint.name())));
        };
        let found = found.map(|entry| match entry {
            Entry::Guest(file, name) => (file, name),
            Entry::Native(_) => unreachable!("it was returned above"),
        });
        self.title(entrypoint.name());
        let loaded = self.load(engine, &process, found)?;
        Ok(Ready::Guest { loaded, inherited })
    }

    fn load(
        &self,
        engine: &dyn Engine,
        process: &Process<'_>,
        found: shimmer_engine::Result<(std::fs::File, String)>,
    ) -> Result<Loaded, Failure> {
        let entrypoint = process.entrypoint().map_err(shimmer_engine::Error::from);
        let entrypoint = entrypoint.map_err(|error| Failure::refusal(&self.estate.title(), &error))?;
        let name = found.as_ref().map_or_else(|_| entrypoint.name().to_owned(), |(_, name)| name.clone());
        let identity = self.estate.identity().expect("there is an engine");
        let compiled = program::ask(&self.connection, found, entrypoint.name(), identity)?;
        Loaded::new(engine, process, compiled)
            .map_err(|error| Failure::refusal(&self.estate.title(), &error.with("file", name)))
    }

    /// Lets the container's other processes see this one in `/proc`, as they see one that was executed: libcontainer hides
    /// it while it has something of the host's.
    fn show(&self) {
        if self.estate.sealed {
            // SAFETY: PR_SET_DUMPABLE takes integers only.
            unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0) };
        }
    }

    /// Installs the container's filter for an exec. Its process has lost the right to do so without giving up that of
    /// gaining privileges by execution, which is the smaller loss.
    fn confine(&self) -> Result<(), Failure> {
        let Some(filter) = &self.filter else { return Ok(()) };
        // SAFETY: PR_SET_NO_NEW_PRIVS takes integers only.
        if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } != 0 {
            return Err(std::io::Error::last_os_error().into());
        }
        let installed = libcontainer::seccomp::initialize_seccomp(filter);
        installed.map(drop).map_err(|error| {
            Failure::new(
                FailureKind::Internal,
                format!("the container's seccomp filter cannot be installed: {error}"),
            )
        })
    }

    fn title(&self, program: &str) {
        if let Some(title) = self.estate.room {
            Title::show(
                title,
                program.rsplit('/').next().unwrap_or(program),
                &format!("{program} ({})", self.id),
            );
        }
    }
}

impl Executor for Workload {
    fn validate(&self, spec: &Spec) -> Result<(), ExecutorValidationError> {
        self.give_way();
        match self.prepare(spec).and_then(|ready| self.confine().map(|()| ready)) {
            Ok(ready) => {
                *self.ready.borrow_mut() = Some(ready);
                Ok(())
            }
            Err(failure) => {
                // The kind of a failure does not survive libcontainer's own channel.
                let message = failure.message.clone();
                let told = self.connection.send(&Report::Failed(failure), &[]);
                let untold = told.err().map_or_else(String::new, |error| format!(" (untold: {error})"));
                Err(ExecutorValidationError::ArgValidationError(message + &untold))
            }
        }
    }

    fn exec(&self, _spec: &Spec) -> Result<(), ExecutorError> {
        match self.ready.borrow_mut().take() {
            Some(Ready::Guest { loaded, inherited }) => {
                // SAFETY: they are the monitor's and libcontainer's, whose work in this process ends here.
                unsafe { descriptors::close(&inherited) };
                self.show();
                guest::end(loaded.run())
            }
            Some(Ready::Native(native)) => match native.execute() {
                Ok(never) => match never {},
                Err(error) => Err(ExecutorError::Other(format!("the program cannot be executed: {error}"))),
            },
            None => Err(ExecutorError::Other("the container was started before it was created".to_owned())),
        }
    }

    /// A guest gets its environment from its engine, and a native program on execution: this process has none.
    fn setup_envs(&self, _envs: HashMap<String, String>) -> Result<(), ExecutorSetEnvsError> {
        Ok(())
    }
}

fn not_native() -> shimmer_engine::Error {
    shimmer_engine::Error::new(
        shimmer_engine::ErrorKind::Unsupported,
        "a container that runs a native program runs no WebAssembly program beside it",
    )
    .advise("name a native program, or make the WebAssembly program a container of its own")
}
