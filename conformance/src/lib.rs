//! What every engine and every shim must do alike, as [cases](Case) that can be run.
//!
//! A case knows neither engine nor host. Two drivers run it: [`engine`] in a child process without containerd, [`task`]
//! as a container of a private containerd. An engine that does not claim what a case needs must refuse its program in
//! the defined words, and that is tested instead: no case is skipped.

mod case;
mod cases;
mod engine;
mod guests;
mod images;
mod scenario;
mod scenarios;
mod task;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};
use shimmer_engine::{Engine, Info};

pub use case::{Case, Level};
pub use cases::all;
pub use scenario::Scenario;
pub use scenarios::all as scenarios;
pub use task::Shim;

/// Holds an engine to the cases, without containerd: the `main` of a test without harness.
///
/// Each case runs in a child process of the test, so a crash is a failed case.
pub fn engine<E: Engine + Default + 'static>() -> ExitCode {
    if let Some(child) = engine::child(&E::default()) {
        return child;
    }
    run(Arguments::from_args(), engine::trials(&E::default().info()))
}

/// Holds a shim to the cases under a private containerd: the `main` of a test without harness.
///
/// `shim` is the binary, and `info` that of the engine in it. Whatever the node leaves behind fails the test.
pub fn task(shim: &str, info: &Info) -> ExitCode {
    let (trials, shim) = task::trials(shim, info);
    let mut arguments = Arguments::from_args();
    // Two first starts at once fail on a host that stands on containerd-shim-wasm: all its shims share one lease.
    arguments.test_threads.get_or_insert(1);
    let code = run(arguments, trials);
    let stopped = Arc::into_inner(shim).map_or(Ok(()), task::LazyShim::stop);
    if let Err(left) = stopped {
        println!("the node left something behind: {left}");
        return ExitCode::FAILURE;
    }
    code
}

fn run(arguments: Arguments, trials: Vec<Trial>) -> ExitCode {
    assert!(!trials.is_empty(), "a suite without a case proves nothing");
    libtest_mimic::run(&arguments, trials).exit_code()
}
