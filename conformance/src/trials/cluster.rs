//! The suite's cases for a Kubernetes as a test.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use libtest_mimic::{Arguments, Failed, Trial};

use super::{Ledger, broken, conclude, run, verdict};
use crate::case::Case;
use crate::claims::Claims;
use crate::failure::{Failure, Result};
use crate::ground::Ground;
use crate::kube::{Cluster, Private};
use crate::level::Level;
use crate::patience::patience;
use crate::player::Subject;
use crate::profile::Profile;
use crate::report::Outcome;
use crate::{account, shim};

/// How many cases are played at the same time: most of each is waiting.
const AT_ONCE: usize = 4;

/// Holds a shim to the cases of the profile `kubernetes`, in a cluster of its own: the `main` of a test without harness.
///
/// Those that take minutes are for `shimmer-conformance run`, and are listed as ignored. Where this machine cannot build
/// Kubernetes the test says so, and passes. The parameters are as [`engine`](super::engine)'s.
pub fn cluster(binary: &str, expect: &[&str], reports: &str) -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    if !arguments.list {
        match shimmer_node::if_buildable(shimmer_node::Cluster::builder().build(&|_| ())) {
            Ok(Some(())) => {}
            Ok(None) => return ExitCode::SUCCESS,
            Err(error) => return broken(&error.to_string()),
        }
    }
    let ledger = match Ledger::read(expect) {
        Ok(ledger) => Arc::new(ledger),
        Err(error) => return broken(&error.to_string()),
    };
    let native = shim::is_native(Path::new(binary));
    let lazy =
        Arc::new(LazyCluster { binary: binary.into(), ledger: ledger.clone(), started: OnceLock::new() });
    let cases = crate::all().into_iter().filter(|case| case.profile == Profile::Kubernetes);
    let (alone, together): (Vec<Case>, Vec<Case>) =
        cases.filter(|case| case.is_for(Level::Kube, native)).partition(|case| case.alone);
    let trials = |cases: Vec<Case>| cases.into_iter().map(|case| lazy.trial(case)).collect::<Vec<_>>();
    let (together, alone) = (trials(together), trials(alone));
    let first = run(&arguments, together);
    let second = run(&Arguments { test_threads: Some(1), ..arguments.clone() }, alone);
    let code = if first == ExitCode::SUCCESS { second } else { first };
    match lazy.end() {
        Some((report, remains)) => {
            if let Err(why) = verdict(&remains) {
                return broken(&format!("the cluster left something behind: {why}"));
            }
            ledger.enter(remains);
            conclude(code, &arguments, report, &ledger, &Path::new(reports).join("clusters"))
        }
        None => code,
    }
}

/// A cluster that is started by the first trial that needs it, so that listing trials starts nothing.
#[derive(Debug)]
struct LazyCluster {
    binary: PathBuf,
    ledger: Arc<Ledger>,
    started: OnceLock<std::result::Result<(Cluster, Private), String>>,
}

type Ended = (crate::error::Result<crate::report::Report>, Outcome);

impl LazyCluster {
    fn trial(self: &Arc<Self>, case: Case) -> Trial {
        let (name, long, lazy) = (format!("{}/{}", Level::Kube, case.id), case.long, self.clone());
        let trial = Trial::test(name, move || {
            let (cluster, _) = lazy.cluster()?;
            lazy.ledger.play(&case, Subject::Cluster(cluster))
        });
        trial.with_ignored_flag(long)
    }

    fn cluster(&self) -> std::result::Result<&(Cluster, Private), Failed> {
        let start = || -> Result<(Cluster, Private)> {
            let private = Private::start(&self.binary, &|_| ())?;
            let claims = Claims::parse(self.ledger.expectations.claims())?;
            Ok((Cluster::connect(&private.target(), claims, patience(), &|_| ())?, private))
        };
        let started = self.started.get_or_init(|| start().map_err(|Failure(why)| why));
        started.as_ref().map_err(|why| format!("the private cluster did not start: {why}").into())
    }

    /// Ends the cluster, where it was started: the report to be filled, and what it has left.
    fn end(self: Arc<Self>) -> Option<Ended> {
        // Every trial has ended, and nobody else holds it.
        let lazy = Arc::into_inner(self)?;
        let (cluster, private) = lazy.started.into_inner()?.ok()?;
        let expectations = &lazy.ledger.expectations;
        let opened =
            account::opened(None, None, Some(&cluster), expectations, Ground::Host).and_then(|mut report| {
                account::add_private(&mut report, &private)?;
                Ok(report)
            });
        let name = cluster.runtime_class.clone();
        let ended = cluster.close().and_then(|()| private.stop());
        Some((opened, account::remains(&name, Level::Kube, ended, expectations)))
    }
}
