//! The contract between a WebAssembly engine and the shim that runs it.
//!
//! An [`Engine`] turns portable WebAssembly into a file of native code, loads it, and hands back an [`Instance`]
//! that runs it once. It has four methods, all required, and nothing else to decide: argv, environment, working
//! directory, exit statuses, signals and error texts are the host's, so that every engine behaves the same.
//!
//! The life of a container, as an engine sees it:
//!
//! 1. **resolve**: the host finds the program in the image and parses it into a [`Source`];
//! 2. **admit**: the host compares what the program [needs](Needs) with what the engine [claims](Capabilities) and
//!    refuses what does not fit, before the engine is called, in the same words for every engine;
//! 3. **compile**: [`Engine::compile`] writes native code into a file, unless such a file is at hand;
//! 4. **load**: [`Engine::load`] maps that file, in the process that will run the guest, before `start` is answered;
//! 5. **run**: [`Instance::run`] executes the guest on `start`, and returns how it [ended](Exit).
//!
//! The bullets under `# Behavior` are the specification. Each names a conformance case that holds it, and a test sees to
//! that.
//!
//! # Design rationale
//!
//! The trait is blocking and object-safe: a host has one engine, chosen when its binary was linked, and one guest per
//! process. An engine that is asynchronous inside owns its runtime. Loading and running are two calls because a
//! container that cannot run must fail when it is created, not after it has been reported as started.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod capabilities;
mod error;
mod exit;
#[cfg(feature = "fake")]
pub mod fake;
mod guest;
mod info;
mod needs;
mod preview1;
mod program;
mod stop;

use std::fmt::Debug;
use std::path::Path;

pub use capabilities::Capabilities;
pub use error::{Error, ErrorKind, Result};
pub use exit::Exit;
pub use guest::{Directory, Guest};
pub use info::{Fingerprint, Info};
pub use needs::{Import, Kind, Needs};
pub use program::{Compiled, Program, Source};
pub use stop::{Stop, Stopper};

/// A WebAssembly engine.
///
/// An implementation is cheap to construct: what costs time or memory waits for [`compile`](Self::compile) or
/// [`load`](Self::load), since a host also constructs engines to ask their name.
///
/// No method may install a signal handler, end the process, or read or write the process's environment: these belong
/// to the host. No method may panic on any input; bytes in a [`Source`] are a stranger's.
pub trait Engine: Debug + Send + Sync {
    /// Names the engine and says what it can do.
    ///
    /// Called at any time, on any thread, also when no guest will run.
    ///
    /// # Behavior
    ///
    /// - The answer is the same for the life of the process, and needs no file: `engine/loading-executes-nothing`.
    /// - A capability is claimed only if programs that need it run to the end; [`Capabilities::default`] is always
    ///   a true claim: `extension/simd`, `program/component` and the others that need one.
    fn info(&self) -> Info;

    /// Identifies everything that makes compiled code invalid when it changes: the engine's version, its settings, and
    /// the features of this processor.
    ///
    /// Called when the host looks for compiled code, before [`compile`](Self::compile) and [`load`](Self::load).
    ///
    /// # Behavior
    ///
    /// - It is the same in every process, and two engines with equal fingerprints can load each other's files; a file
    ///   made under another fingerprint is never offered to [`load`](Self::load) as [`Program::Compiled`]:
    ///   `engine/loads-what-another-process-compiled`.
    fn fingerprint(&self) -> Fingerprint;

    /// Compiles a portable program into a file of native code.
    ///
    /// Called at most once for each program and [fingerprint](Self::fingerprint) on a node, before the container that
    /// needs it is created, possibly in another process than the one that will load the file.
    ///
    /// # Behavior
    ///
    /// - `output` is a path at which nothing exists yet, in a folder that the caller owns. On success a complete file
    ///   stands there; after an error, whatever stands there is worthless and the caller removes it:
    ///   `engine/loads-what-another-process-compiled`.
    /// - Nothing but `output` is written, and nothing of the program is executed: `engine/compiling-executes-nothing`.
    /// - Whatever the bytes are, the answer is a file or an error: no panic, no endless loop: `refusal/truncated-module`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] where the program does not validate, [`ErrorKind::Unsupported`] where it uses a proposal
    /// the engine has not got, [`ErrorKind::Io`] where `output` cannot be written.
    fn compile(&self, source: &Source, output: &Path) -> Result<()>;

    /// Prepares a program in the process that will run it.
    ///
    /// Called between a container's `create` and its `start`, after [admission](Info::admit), inside the container's
    /// namespaces, limits and root.
    ///
    /// # Behavior
    ///
    /// - [`Program::Compiled`] is mapped from its file, never read into a buffer, so that all containers of an image
    ///   share its pages: `engine/maps-compiled-code`.
    /// - [`Program::Source`] is compiled in memory: `program/computes`. An engine that can compile does not interpret,
    ///   which the benches show.
    /// - An engine that can resolve imports before it runs does so here. Names, and the types of WASI preview 1, need no
    ///   engine: admission has compared them: `refusal/wrong-import-type`.
    /// - Nothing of the program is executed: `engine/loading-executes-nothing`.
    ///
    /// # Errors
    ///
    /// As [`compile`](Self::compile) for a source; [`ErrorKind::Stale`] for a compiled file that another engine,
    /// version or setting made, or that is damaged.
    fn load(&self, program: Program) -> Result<Box<dyn Instance>>;
}

/// A program that is loaded and has not run yet.
pub trait Instance: Send {
    /// Whether the program ends by itself when [`Guest::stop`] fires, as a server does that finishes its requests.
    ///
    /// Asked once, before [`run`](Self::run). Where it is `false`, the host ends the process on the first signal.
    fn drains(&self) -> bool {
        false
    }

    /// Runs the program to its end on the calling thread.
    ///
    /// Called once, on `start`. File descriptors 0, 1 and 2 of the process are the guest's.
    ///
    /// # Behavior
    ///
    /// - Calls the export [`Guest::function`] of a module, or `wasi:cli/run` or `wasi:http/incoming-handler` of a
    ///   component: `argv/named-function`, `program/component`, `http/answers`.
    /// - The guest sees exactly [`Guest::args`] and [`Guest::env`], and files only through [`Guest::directories`]:
    ///   `argv/as-given`, `env/exactly-as-given`, `files/list`.
    /// - All that the guest wrote has reached its descriptors when this returns: `stdio/nothing-is-lost`.
    /// - A guest that traps is an [`Exit::Trap`], not an error: `trap/unreachable`.
    ///
    /// # Errors
    ///
    /// Only where the guest did not get to run: a directory that cannot be opened, an address that is in use, an
    /// instantiation that the engine refuses.
    fn run(self: Box<Self>, guest: &Guest) -> Result<Exit>;
}
