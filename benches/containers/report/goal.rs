//! What the host is to reach, and what it has reached.

use crate::program::{Form, Program};
use crate::report::Report;
use crate::target::{FLOOR, RUNC, is_old};

/// One row of the goals.
pub(crate) struct Goal {
    pub(crate) what: String,
    /// In words.
    pub(crate) target: &'static str,
    /// For each shim that has the goal, in their order.
    pub(crate) reached: Vec<Option<Reached>>,
}

/// A figure, and whether it is good enough.
pub(crate) struct Reached {
    pub(crate) figure: String,
    pub(crate) is_met: bool,
}

/// The shims that have goals: all under test that stand for no old host.
pub(crate) fn shims(report: &Report) -> Vec<String> {
    let names = report.machine.shims.keys();
    names.filter(|name| !is_old(name) && ![RUNC, FLOOR].contains(&name.as_str())).cloned().collect()
}

/// All goals.
pub(crate) fn all(report: &Report) -> Vec<Goal> {
    let shims = shims(report);
    let plan = &report.plan;
    let rows: [(String, &str, Figure); 8] = [
        ("hello, warm, create to exit: of the old host's time".into(), "at most 0.6", against_old),
        ("the same: of runc's time with a native hello".into(), "below 1", against_runc),
        ("the same, above the floor: of the old host's".into(), "at most 0.25", above_floor),
        ("rootfs image: of the artifact's time".into(), "1.0", rootfs),
        ("Python component, warm: of hello's time".into(), "at most 1.2", python),
        (
            format!("memory of that Python container, {} at once, MiB", plan.pythons),
            "at most 12",
            python_memory,
        ),
        (format!("memory of a small container, {} at once, MiB", plan.hellos), "at most 3", small_memory),
        (
            format!(
                "{} hello containers, {} at a time: of the old host's throughput",
                plan.burst, plan.at_once
            ),
            "at least 1.8",
            throughput,
        ),
    ];
    let goal = |(what, target, figure): (_, _, Figure)| Goal {
        what,
        target,
        reached: shims.iter().map(|shim| figure(report, shim)).collect(),
    };
    rows.into_iter().map(goal).collect()
}

type Figure = fn(&Report, &str) -> Option<Reached>;

/// A ratio of two figures, which are shown as well.
fn ratio(part: f64, whole: f64, unit: &str, is_met: impl Fn(f64) -> bool) -> Reached {
    let ratio = part / whole;
    Reached { figure: format!("{ratio:.2} ({part:.1} to {whole:.1} {unit})"), is_met: is_met(ratio) }
}

fn against_old(report: &Report, shim: &str) -> Option<Reached> {
    let ours = report.start(shim, Program::Hello, Form::Artifact)?;
    let old = report.old_start(shim, Program::Hello, Form::Artifact)?;
    Some(ratio(ours.to_exit.median, old.to_exit.median, "ms", |ratio| ratio <= 0.6))
}

fn against_runc(report: &Report, shim: &str) -> Option<Reached> {
    let ours = report.start(shim, Program::Hello, Form::Artifact)?;
    let runc = report.start(RUNC, Program::Hello, Form::Native)?;
    Some(ratio(ours.to_exit.median, runc.to_exit.median, "ms", |ratio| ratio < 1.0))
}

fn above_floor(report: &Report, shim: &str) -> Option<Reached> {
    let ours = report.above_floor(report.start(shim, Program::Hello, Form::Artifact)?)?;
    let old = report.above_floor(report.old_start(shim, Program::Hello, Form::Artifact)?)?;
    Some(ratio(ours, old, "ms", |ratio| ratio <= 0.25))
}

/// Within what the machine's noise makes of equal times.
fn rootfs(report: &Report, shim: &str) -> Option<Reached> {
    let rootfs = report.start(shim, Program::Hello, Form::Rootfs)?;
    let artifact = report.start(shim, Program::Hello, Form::Artifact)?;
    Some(ratio(rootfs.to_exit.median, artifact.to_exit.median, "ms", |ratio| ratio <= 1.05))
}

fn python(report: &Report, shim: &str) -> Option<Reached> {
    let python = report.start(shim, Program::Python, Form::Artifact)?;
    let hello = report.start(shim, Program::Hello, Form::Artifact)?;
    Some(ratio(python.to_exit.median, hello.to_exit.median, "ms", |ratio| ratio <= 1.2))
}

fn python_memory(report: &Report, shim: &str) -> Option<Reached> {
    let ours = report.memory_of(shim, Program::Python)?;
    Some(memory(ours, report.old_memory(shim, Program::Python), 12.0))
}

fn small_memory(report: &Report, shim: &str) -> Option<Reached> {
    let ours = report.memory_of(shim, Program::Rest)?;
    Some(memory(ours, report.old_memory(shim, Program::Rest), 3.0))
}

fn memory(ours: f64, old: Option<f64>, most: f64) -> Reached {
    let old = old.map(|old| format!(" (old {old:.1})")).unwrap_or_default();
    Reached { figure: format!("{ours:.1}{old}"), is_met: ours <= most }
}

fn throughput(report: &Report, shim: &str) -> Option<Reached> {
    let (ours, old) = (report.throughput_of(shim)?, report.old_throughput(shim)?);
    Some(ratio(ours, old, "a second", |ratio| ratio >= 1.8))
}
