//! Many containers, several at a time.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use shimmer_benches::progress::Progress;
use shimmer_benches::results::containers::{Form, Program, Throughput};
use shimmer_benches::summary::Summary;
use shimmer_node::Node;

use crate::arguments::Plan;
use crate::images::Images;
use crate::target::{Kind, Target};
use crate::{Result, chance, turn};

/// Lets every target run its burst in every round, of hello from an artifact, which is warm.
pub(crate) fn measure(node: &Node, plan: &Plan, targets: &[Target], images: &Images<'_>) -> Vec<Throughput> {
    let at_once = |target| plan.at_once.iter().map(move |&at_once| (target, at_once));
    let mut cases: Vec<_> =
        targets.iter().flat_map(at_once).map(|(target, at_once)| Case::new(target, at_once)).collect();
    let mut progress = Progress::new("throughput", (1 + plan.bursts) * cases.len());
    for case in &mut cases {
        progress.step(&format!("warming up {}", case.target.name));
        case.burst(node, case.at_once, images);
        case.samples.clear();
    }
    for round in 0..plan.bursts {
        for place in turn::order(cases.len(), round) {
            progress.step(&format!("{}, {} at a time", cases[place].target.name, cases[place].at_once));
            cases[place].burst(node, plan.burst, images);
        }
    }
    let row = |case: Case<'_>| Throughput {
        target: case.target.name.clone(),
        image: case.form(),
        at_once: case.at_once,
        burst: plan.burst,
        per_second: Summary::of(case.samples),
        failure: case.failure,
    };
    cases.into_iter().map(row).collect()
}

/// So many at a time on one target.
struct Case<'a> {
    target: &'a Target,
    at_once: usize,
    samples: Vec<f64>,
    failure: Option<String>,
}

impl<'a> Case<'a> {
    fn new(target: &'a Target, at_once: usize) -> Self {
        Self { target, at_once, samples: Vec::new(), failure: None }
    }

    fn form(&self) -> Form {
        if self.target.kind == Kind::Native { Form::Native } else { Form::Artifact }
    }

    /// Once more, unless it has failed before.
    fn burst(&mut self, node: &Node, count: usize, images: &Images<'_>) {
        if self.failure.is_some() {
            return;
        }
        match chance::measured(self.target, || self.per_second(node, count, images)) {
            Ok(per_second) => self.samples.push(per_second),
            Err(error) => self.failure = Some(error.to_string()),
        }
    }

    /// Runs `count` containers; gives how many that are in a second.
    fn per_second(&self, node: &Node, count: usize, images: &Images<'_>) -> Result<f64> {
        let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let work = || -> Result {
            while next.fetch_add(1, Ordering::Relaxed) < count {
                let ended = turn::run(node, images, self.target, Program::Hello, self.form())?;
                done.lock().unwrap_or_else(PoisonError::into_inner).push(ended.id);
            }
            Ok(())
        };
        let begin = Instant::now();
        thread::scope(|scope| {
            let workers: Vec<_> = (0..self.at_once).map(|_| scope.spawn(work)).collect();
            workers
                .into_iter()
                .try_for_each(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })?;
        let taken = begin.elapsed();
        turn::settle(node, &done.into_inner().unwrap_or_else(PoisonError::into_inner))?;
        Ok(count as f64 / taken.as_secs_f64())
    }
}
