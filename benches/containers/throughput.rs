//! Many containers, several at a time.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use serde::Serialize;
use shimmer_node::Node;

use crate::arguments::Plan;
use crate::program::{Form, Images, Program};
use crate::summary::Summary;
use crate::target::{Kind, Target};
use crate::{Result, progress, turn};

/// How many containers a target runs from their creation to their deletion.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Throughput {
    pub(crate) target: String,
    pub(crate) image: Form,
    pub(crate) per_second: Summary,
    /// Why there are no figures.
    pub(crate) failure: Option<String>,
}

/// Lets every target run its burst in every round, of hello from an artifact, which is warm.
pub(crate) fn measure(node: &Node, plan: &Plan, targets: &[Target], images: &Images) -> Vec<Throughput> {
    let mut samples = vec![Vec::new(); targets.len()];
    let mut failures = vec![None; targets.len()];
    for (target, failure) in targets.iter().zip(&mut failures) {
        progress(&format!("warming up: {} hello, {} at a time", target.name, plan.at_once));
        *failure = burst(node, plan.at_once, plan, target, images).err().map(|error| error.to_string());
    }
    for round in 0..plan.bursts {
        for place in turn::order(targets.len(), round) {
            progress(&format!("throughput: round {} of {}: {}", round + 1, plan.bursts, targets[place].name));
            if failures[place].is_none() {
                match burst(node, plan.burst, plan, &targets[place], images) {
                    Ok(per_second) => samples[place].push(per_second),
                    Err(error) => failures[place] = Some(error.to_string()),
                }
            }
        }
    }
    progress("");
    let rows = targets.iter().zip(samples).zip(failures);
    let row = |((target, samples), failure): ((&Target, _), _)| Throughput {
        target: target.name.clone(),
        image: form(target),
        per_second: Summary::of(samples),
        failure,
    };
    rows.map(row).collect()
}

fn form(target: &Target) -> Form {
    if target.kind == Kind::Native { Form::Native } else { Form::Artifact }
}

/// Runs `count` containers; gives how many that are in a second.
fn burst(node: &Node, count: usize, plan: &Plan, target: &Target, images: &Images) -> Result<f64> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || -> Result {
        while next.fetch_add(1, Ordering::Relaxed) < count {
            let (id, _) = turn::run(node, images, target, Program::Hello, form(target))?;
            done.lock().unwrap_or_else(PoisonError::into_inner).push(id);
        }
        Ok(())
    };
    let begin = Instant::now();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..plan.at_once).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })?;
    let taken = begin.elapsed();
    turn::settle(node, &done.into_inner().unwrap_or_else(PoisonError::into_inner))?;
    Ok(count as f64 / taken.as_secs_f64())
}
