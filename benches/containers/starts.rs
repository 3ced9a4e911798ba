//! How long a container takes, and each of its steps: warm, cold, in a pod, and with containerd's root on a disk.

mod case;
mod pod;
mod sample;

use shimmer_benches::progress::Progress;
use shimmer_benches::results::containers::{Form, Heat, Program, Starts};
use shimmer_node::Node;

use crate::arguments::Plan;
use crate::images::Images;
use crate::program::Wasm;
use crate::starts::case::Case;
use crate::target::{Kind, Target, Targets};
use crate::{Result, turn};

/// Starts every container in every round, warm ones first: what cold starts leave to containerd, which then collects
/// garbage, would be counted as theirs.
pub(crate) fn measure(node: &Node, plan: &Plan, targets: &[Target], images: &Images<'_>) -> Vec<Starts> {
    let warm = forms(targets, images, &PROGRAMS)
        .map(|(target, program, form)| Case::warm(target, program, form, plan.rounds));
    let warm = run("warm starts", node, plan, images, warm.collect());
    // A sandbox has to live until it is told to end, and a task of the floor ends at once.
    let in_pod = forms(targets, images, &SMALL).filter(|(target, ..)| target.kind != Kind::Floor);
    let in_pod = in_pod.map(|(target, program, form)| Case::warm(target, program, form, plan.pods).in_pod());
    let in_pod = run("starts by CRI", node, plan, images, in_pod.collect());
    let cold = forms(targets, images, &COLD).map(|(target, program, form)| {
        let rounds = if program == Program::Python { plan.cold_pythons } else { plan.colds };
        Case::warm(target, program, form, rounds).cold()
    });
    let cold = run("cold starts", node, plan, images, cold.collect());
    let cold_pods = forms(targets, images, &SMALL).filter(|(target, ..)| target.kind != Kind::Floor);
    let cold_pods = cold_pods
        .map(|(target, program, form)| Case::warm(target, program, form, plan.cold_pods).in_pod().cold());
    let cold_pods = run("cold starts by CRI", node, plan, images, cold_pods.collect());
    [warm, in_pod, cold, cold_pods].concat()
}

/// Starts hello on a node whose root is on the machine's disk, in the form that is shown of warm starts as well.
pub(crate) fn on_disk(plan: &Plan, targets: &Targets, wasm: &Wasm) -> Result<Vec<Starts>> {
    let folder = targets.linked(&targets.all)?;
    let node = Node::builder().shims(folder.path()).start()?;
    let images = Images::import(&node, &targets.all, wasm, &SMALL)?;
    let mut cases: Vec<_> = forms(&targets.all, &images, &SMALL)
        .map(|(target, program, form)| Case::warm(target, program, form, plan.disks).on_disk())
        .collect();
    // Of a target's forms, the artifact comes last.
    cases.reverse();
    cases.dedup_by_key(|case| case.target.name.clone());
    cases.reverse();
    let starts = run("starts on disk", &node, plan, &images, cases);
    node.stop()?;
    Ok(starts)
}

/// What is started.
pub(crate) const PROGRAMS: [Program; 4] = [Program::Hello, Program::Module, Program::Python, Program::Stamp];
/// Of these there is one, and it takes little time.
const SMALL: [Program; 2] = [Program::Hello, Program::Module];
const COLD: [Program; 3] = [Program::Hello, Program::Module, Program::Python];

fn run(
    part: &'static str,
    node: &Node,
    plan: &Plan,
    images: &Images<'_>,
    mut cases: Vec<Case<'_>>,
) -> Vec<Starts> {
    let rounds = cases.iter().map(|case| case.rounds).max().unwrap_or_default();
    let warm_ups = if cases.iter().any(|case| case.heat == Heat::Warm) { plan.warm_ups } else { 0 };
    let mut progress = Progress::new(part, warm_ups + rounds);
    for _ in 0..warm_ups {
        progress.step("warming up");
        cases.iter_mut().for_each(|case| case.start(node, images));
    }
    cases.iter_mut().for_each(Case::forget);
    for round in 0..rounds {
        progress.step("a round");
        for place in turn::order(cases.len(), round) {
            if round < cases[place].rounds {
                cases[place].start(node, images);
            }
        }
    }
    cases.into_iter().map(Case::summary).collect()
}

/// The programs that there are for each target, in each of their forms.
fn forms<'a>(
    targets: &'a [Target],
    images: &Images<'_>,
    programs: &[Program],
) -> impl Iterator<Item = (&'a Target, Program, Form)> {
    targets.iter().flat_map(move |target| {
        programs.iter().flat_map(move |&program| {
            images.forms(target, program).into_iter().map(move |form| (target, program, form))
        })
    })
}
