//! The suite as a test without a harness of its own: what `cargo test` runs for each engine and each shim.

mod cluster;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use libtest_mimic::{Arguments, Failed, Trial};
use shimmer_engine::Engine;

use crate::case::Case;
use crate::claims::Claims;
use crate::engine::EngineHost;
use crate::error::Result;
use crate::expectations::Expectations;
use crate::failure::Failure;
use crate::ground::Ground;
use crate::host;
use crate::level::Level;
use crate::patience::patience;
use crate::player::{Subject, play};
use crate::profile::Profile;
use crate::report::{Outcome, Report, Verdict};
use crate::shim::{self, Shim};
use crate::{account, official};

pub use self::cluster::cluster;

/// How many cases are played at the same time on a shim that compiles, and on one that does not.
const AT_ONCE: usize = 2;
const NATIVE_AT_ONCE: usize = 4;

/// Tests in the format of the official suite, so that what plays them is tried wherever shims are.
const OWN_TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testsuite");

/// Holds an engine to the cases that need no container: the `main` of a test without harness.
///
/// Each guest runs in a child process of the test, so a crash is a failed case. `expect` are the lists of claims and
/// known failures, seen from the folder of the package; a whole run leaves its report in `reports`.
pub fn engine<E: Engine + Default>(expect: &[&str], reports: &str) -> ExitCode {
    if let Some(child) = host::child(&E::default()) {
        return child;
    }
    let host = std::env::current_exe().map_err(Failure::from).and_then(|program| EngineHost::find(&program));
    let (host, ledger) = match (host, Ledger::read(expect)) {
        (Ok(host), Ok(ledger)) => (Arc::new(host), Arc::new(ledger)),
        (Err(Failure(why)), _) => return broken(&why),
        (_, Err(error)) => return broken(&error.to_string()),
    };
    let agree = {
        let (host, ledger) = (host.clone(), ledger.clone());
        Trial::test("expectations/state-engine-and-claims", move || Ok(agree(&host, &ledger.expectations)?))
    };
    let cases = crate::all().into_iter().filter(|case| Subject::Engine(&host).is_for(case));
    let trials = cases.map(|case| {
        let (host, ledger) = (host.clone(), ledger.clone());
        Trial::test(case.id.to_string(), move || ledger.play(&case, Subject::Engine(&host)))
    });
    let trials = trials.chain([agree]).collect();
    let arguments = Arguments::from_args();
    let code = run(&arguments, trials);
    let report = account::opened(Some(&host), None, None, &ledger.expectations, Ground::Host);
    conclude(code, &arguments, report, &ledger, &Path::new(reports).join("engines"))
}

/// Holds a shim to the cases of the usual levels, and to Docker's own, under a private containerd: the `main` of a test without harness.
///
/// Whatever the node leaves behind fails the test. The parameters are as [`engine`]'s.
pub fn shim(binary: &str, expect: &[&str], reports: &str) -> ExitCode {
    let wanted = |case: &Case, level| Level::USUAL.contains(&level) || case.profile == Profile::Docker;
    held(binary, expect, wanted, Some(&Path::new(reports).join("shims")))
}

/// Holds a shim to the cases of these profiles at these levels, for tests that have to be short; the whole is for
/// `shimmer-conformance run`. A part leaves no report. Otherwise it is as [`shim`].
pub fn part_of_shim(binary: &str, expect: &[&str], profiles: &[Profile], levels: &[Level]) -> ExitCode {
    let wanted = |case: &Case, level| profiles.contains(&case.profile) && levels.contains(&level);
    held(binary, expect, wanted, None)
}

fn held(
    binary: &str,
    expect: &[&str],
    wanted: impl Fn(&Case, Level) -> bool,
    reports: Option<&Path>,
) -> ExitCode {
    let ledger = match Ledger::read(expect) {
        Ok(ledger) => Arc::new(ledger),
        Err(error) => return broken(&error.to_string()),
    };
    let shim = Arc::new(LazyShim { binary: binary.into(), ledger: ledger.clone(), shim: OnceLock::new() });
    let mut arguments = Arguments::from_args();
    let native = shim::is_native(&shim.binary);
    arguments.test_threads.get_or_insert(if native { NATIVE_AT_ONCE } else { AT_ONCE });
    let own = match official::cases(Path::new(OWN_TESTS)) {
        Ok(own) => own,
        Err(error) => return broken(&error.to_string()),
    };
    let (alone, together): (Vec<Case>, Vec<Case>) =
        crate::all().into_iter().chain(own).partition(|case| case.alone);
    let trials = |cases: &[Case]| -> Vec<Trial> {
        let all = Level::OF_SHIMS.into_iter().flat_map(|level| cases.iter().map(move |case| (case, level)));
        let all = all.filter(|(case, level)| case.is_for(*level, native) && wanted(case, *level));
        all.map(|(case, level)| shim.trial(case.clone(), level)).collect()
    };
    let (together, alone) = (trials(&together), trials(&alone));
    if together.is_empty() && alone.is_empty() {
        return broken("a suite without a case proves nothing");
    }
    let first = run(&arguments, together);
    let second = run(&Arguments { test_threads: Some(1), ..arguments.clone() }, alone);
    let code = if first == ExitCode::SUCCESS { second } else { first };
    // Every trial has ended, and nobody else holds the shim.
    let Some(Ok(shim)) = Arc::into_inner(shim).and_then(|shim| shim.shim.into_inner()) else { return code };
    let report = account::opened(None, Some(&shim), None, &ledger.expectations, Ground::Host);
    let remains = account::remains(&shim.name.clone(), Level::Task, shim.stop(), &ledger.expectations);
    if let Err(why) = verdict(&remains) {
        return broken(&format!("the node left something behind: {why}"));
    }
    ledger.enter(remains);
    reports.map_or(code, |reports| conclude(code, &arguments, report, &ledger, reports))
}

/// What is known before a run, and what came of it so far.
#[derive(Debug)]
struct Ledger {
    expectations: Expectations,
    outcomes: Mutex<Vec<Outcome>>,
    begin: Instant,
}

impl Ledger {
    fn read(lists: &[&str]) -> Result<Self> {
        let mut expectations = Expectations::default();
        for list in lists {
            expectations = expectations.merge(Expectations::read(Path::new(list))?)?;
        }
        let cases = crate::all();
        expectations.check_ids(&cases.iter().map(|case| &*case.id).collect::<Vec<_>>())?;
        Ok(Self { expectations, outcomes: Mutex::default(), begin: Instant::now() })
    }

    fn play(&self, case: &Case, subject: Subject<'_>) -> std::result::Result<(), Failed> {
        let outcome = account::outcome(case, subject, play(case, subject), &self.expectations);
        let verdict = verdict(&outcome);
        self.enter(outcome);
        Ok(verdict?)
    }

    fn enter(&self, outcome: Outcome) {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
    }
}

/// A shim whose containerd is started by the first trial that needs it, so that listing trials starts nothing.
#[derive(Debug)]
struct LazyShim {
    binary: PathBuf,
    ledger: Arc<Ledger>,
    shim: OnceLock<std::result::Result<Shim, String>>,
}

impl LazyShim {
    fn trial(self: &Arc<Self>, case: Case, level: Level) -> Trial {
        let shim = self.clone();
        Trial::test(format!("{level}/{}", case.id), move || {
            shim.ledger.play(&case, Subject::Shim(shim.started()?, level))
        })
    }

    fn started(&self) -> std::result::Result<&Shim, Failed> {
        let claims = || Claims::parse(self.ledger.expectations.claims());
        let start =
            || claims().and_then(|claims| Shim::start(&self.binary, claims, patience(), Ground::Host));
        let shim = self.shim.get_or_init(|| start().map_err(|Failure(why)| why));
        shim.as_ref().map_err(|why| format!("the private containerd did not start: {why}").into())
    }
}

/// A known failure is a trial that passes, and one that is mended fails.
fn verdict(outcome: &Outcome) -> std::result::Result<(), String> {
    match &outcome.verdict {
        Verdict::Passed | Verdict::Known { .. } => Ok(()),
        Verdict::Mended { reason, .. } => {
            Err(format!("it passes now: remove it from the known failures, where it stands for: {reason}"))
        }
        Verdict::Failed => Err(outcome.message.clone().unwrap_or_default()),
    }
}

/// The list of an engine is what shims are held to, and what the README's table is made of.
fn agree(host: &EngineHost, expectations: &Expectations) -> std::result::Result<(), String> {
    let listed = (expectations.engine().unwrap_or_default(), Claims::of(expectations.claims()));
    let actual = (&*host.engine(), host.claims());
    if listed == actual {
        return Ok(());
    }
    Err(format!(
        "the list says {} with {:?}, but the engine is {} with {:?}",
        listed.0,
        listed.1.names(),
        actual.0,
        actual.1.names()
    ))
}

fn run(arguments: &Arguments, trials: Vec<Trial>) -> ExitCode {
    libtest_mimic::run(arguments, trials).exit_code()
}

/// Leaves a report of a whole run, for comparing shims; a part of one would only say that the rest is missing.
fn conclude(
    code: ExitCode,
    arguments: &Arguments,
    report: Result<Report>,
    ledger: &Ledger,
    folder: &Path,
) -> ExitCode {
    if arguments.list || arguments.filter.is_some() || !arguments.skip.is_empty() {
        return code;
    }
    let written = report.and_then(|mut report| {
        report.results = ledger.outcomes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        report.seconds = ledger.begin.elapsed().as_secs_f64();
        report.write(folder)
    });
    written.map_or_else(|error| broken(&error.to_string()), |_| code)
}

fn broken(why: &str) -> ExitCode {
    println!("error: {why}");
    ExitCode::FAILURE
}
