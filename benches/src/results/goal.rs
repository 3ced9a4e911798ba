//! What the host is to reach, and what it has reached.

use super::containers::{Containers, Form, Level, Program};
use super::query::Setting;
use super::target::{RUNC, old_names};
use crate::summary::Quartiles;

/// One row of the goals.
#[derive(Clone, Debug)]
pub struct Goal {
    /// The measure.
    pub what: String,
    /// What is to be reached, in words.
    pub target: &'static str,
    /// For each shim that has the goal, in their order.
    pub reached: Vec<Option<Reached>>,
}

/// A figure, and whether it is good enough.
#[derive(Clone, Debug)]
pub struct Reached {
    /// The figure, with what it is made of.
    pub figure: String,
    /// Whether it is good enough.
    pub verdict: Verdict,
}

/// Whether a goal is met.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It is.
    Met,
    /// It is not.
    Missed,
    /// What is to be reached lies between the quartiles: another run may say something else.
    Noise,
}

impl Verdict {
    fn of(values: Quartiles, is_met: impl Fn(f64) -> bool) -> Self {
        match values.map(is_met) {
            [true, _, true] => Self::Met,
            [false, _, false] => Self::Missed,
            _ => Self::Noise,
        }
    }
}

impl Containers {
    /// All goals, for all of [`Containers::ours`].
    #[must_use]
    pub fn goals(&self) -> Vec<Goal> {
        let shims = self.ours();
        let [pythons, hellos] = [(Program::Python, 10), (Program::Rest, 20)]
            .map(|(program, count)| near(&self.memory_counts(program, Level::Task), count).unwrap_or(count));
        let at_once = near(&self.parallelism(), 4).unwrap_or(4);
        let rows: [(String, &str, Figure<'_>); 8] = [
            ("hello, warm, create to exit: of the old host's time".into(), "at most 0.6", &|shim| {
                self.against_old(shim)
            }),
            ("the same: of runc's time with a native hello".into(), "below 1", &|shim| {
                self.against_runc(shim)
            }),
            ("the same, above the floor: of the old host's".into(), "at most 0.25", &|shim| {
                self.against_old_above_floor(shim)
            }),
            // Within what the machine's noise makes of equal times.
            ("rootfs image: of the artifact's time".into(), "1.0", &|shim| {
                self.against_hello(shim, Program::Hello, Form::Rootfs, 1.05)
            }),
            ("Python component, warm: of hello's time".into(), "at most 1.2", &|shim| {
                self.against_hello(shim, Program::Python, Form::Artifact, 1.2)
            }),
            (format!("memory of that Python container, {pythons} at once, MiB"), "at most 12", &|shim| {
                self.held(shim, Program::Python, pythons, 12.0)
            }),
            (format!("memory of a small container, {hellos} at once, MiB"), "at most 3", &|shim| {
                self.held(shim, Program::Rest, hellos, 3.0)
            }),
            (
                format!("hello containers, {at_once} at a time: of the old host's throughput"),
                "at least 1.8",
                &|shim| self.against_old_throughput(shim, at_once),
            ),
        ];
        let goal = |(what, target, figure): (_, _, Figure<'_>)| Goal {
            what,
            target,
            reached: shims.iter().map(|shim| figure(shim)).collect(),
        };
        rows.into_iter().map(goal).collect()
    }

    fn against_old(&self, shim: &str) -> Option<Reached> {
        let ours = self.hello(shim, Form::Artifact)?;
        let old = old_names(shim).iter().find_map(|old| self.hello(old, Form::Artifact))?;
        Some(ratio(ours, old, "ms", |ratio| ratio <= 0.6))
    }

    fn against_runc(&self, shim: &str) -> Option<Reached> {
        let (ours, runc) = (self.hello(shim, Form::Artifact)?, self.hello(RUNC, Form::Native)?);
        Some(ratio(ours, runc, "ms", |ratio| ratio < 1.0))
    }

    fn against_old_above_floor(&self, shim: &str) -> Option<Reached> {
        let above = |shim: &str| {
            let starts = self.start(shim, Program::Hello, Form::Artifact, Setting::WARM)?;
            let floor = self.floor_of(starts)?;
            Some(starts.to_exit.quartiles()?.map(|time| time - floor))
        };
        let old = old_names(shim).iter().find_map(|old| above(old))?;
        Some(ratio(above(shim)?, old, "ms", |ratio| ratio <= 0.25))
    }

    fn against_hello(&self, shim: &str, program: Program, image: Form, most: f64) -> Option<Reached> {
        let ours = self.start(shim, program, image, Setting::WARM)?.to_exit.quartiles()?;
        Some(ratio(ours, self.hello(shim, Form::Artifact)?, "ms", |ratio| ratio <= most))
    }

    fn against_old_throughput(&self, shim: &str, at_once: usize) -> Option<Reached> {
        let rate = |shim: &str| self.throughput_of(shim, at_once)?.per_second.quartiles();
        let old = old_names(shim).iter().find_map(|old| rate(old))?;
        Some(ratio(rate(shim)?, old, "a second", |ratio| ratio >= 1.8))
    }

    fn held(&self, shim: &str, program: Program, count: usize, most: f64) -> Option<Reached> {
        let held = |shim: &str| self.memory_of(shim, program, Level::Task, count)?.total.quartiles();
        let ours = held(shim)?;
        let old = old_names(shim).iter().find_map(|old| held(old));
        let old = old.map(|[_, old, _]| format!(" (old {old:.1})")).unwrap_or_default();
        Some(Reached {
            figure: format!("{:.1}{old}", ours[1]),
            verdict: Verdict::of(ours, |held| held <= most),
        })
    }

    fn hello(&self, target: &str, image: Form) -> Option<Quartiles> {
        self.start(target, Program::Hello, image, Setting::WARM)?.to_exit.quartiles()
    }
}

type Figure<'a> = &'a dyn Fn(&str) -> Option<Reached>;

/// A ratio of two figures, which are shown as well: from the one that is best for the part to the one that is worst.
fn ratio(part: Quartiles, whole: Quartiles, unit: &str, is_met: impl Fn(f64) -> bool) -> Reached {
    let ratios = [part[0] / whole[2], part[1] / whole[1], part[2] / whole[0].max(f64::MIN_POSITIVE)];
    let figure = format!("{:.2} ({:.1} to {:.1} {unit})", ratios[1], part[1], whole[1]);
    Reached { figure, verdict: Verdict::of(ratios, is_met) }
}

/// The count that the goal is about, or the highest there is.
fn near(counts: &[usize], wanted: usize) -> Option<usize> {
    counts.iter().find(|count| **count == wanted).or_else(|| counts.last()).copied()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::results::containers::{Memory, Starts};
    use crate::results::query::tests::started;
    use crate::summary::Summary;

    fn hello(target: &str, image: Form, time: f64) -> Starts {
        started(target, Program::Hello, image, Setting::WARM, time)
    }

    fn containers() -> Containers {
        let names = ["floor", "runc", "runwasi", "wasmer", "wasmtime"];
        let memory = Memory {
            target: "wasmtime".into(),
            program: Program::Rest,
            image: Form::Artifact,
            level: Level::Task,
            containers: 50,
            total: Summary::of(vec![2.5]),
            held: None,
            failure: None,
        };
        Containers {
            shims: names.iter().map(|name| ((*name).to_owned(), String::new())).collect::<BTreeMap<_, _>>(),
            starts: vec![
                hello("wasmtime", Form::Artifact, 25.0),
                hello("runwasi", Form::Artifact, 50.0),
                hello("floor", Form::Artifact, 5.0),
                hello("runc", Form::Native, 20.0),
                Starts { failure: Some("it broke".into()), ..hello("wasmer", Form::Artifact, 1.0) },
            ],
            memory: vec![memory],
            ..Containers::default()
        }
    }

    #[test]
    fn a_goal_is_met_or_missed_by_its_figure() {
        let goals = containers().goals();
        let of_wasmtime: Vec<_> = goals.iter().map(|goal| goal.reached[1].clone()).collect();
        let figure =
            |row: usize| of_wasmtime[row].as_ref().map(|reached| (&*reached.figure, reached.verdict));
        assert_eq!(figure(0), Some(("0.50 (25.0 to 50.0 ms)", Verdict::Met)));
        assert_eq!(figure(1), Some(("1.25 (25.0 to 20.0 ms)", Verdict::Missed)));
        assert_eq!(figure(2), Some(("0.44 (20.0 to 45.0 ms)", Verdict::Missed)), "0.25 is to be reached");
        assert_eq!(figure(6), Some(("2.5", Verdict::Met)));
        assert!(goals[6].what.contains("50 at once"), "{}", goals[6].what);
    }

    #[test]
    fn what_was_not_measured_is_neither_met_nor_missed() {
        let goals = containers().goals();
        assert!(goals.iter().all(|goal| goal.reached[0].is_none()), "wasmer broke: {goals:?}");
        assert!(goals[4].reached[1].is_none() && goals[7].reached[1].is_none(), "{goals:?}");
    }

    #[test]
    fn what_lies_between_the_quartiles_is_neither_met_nor_missed() {
        let of = |ours: Quartiles| ratio(ours, [9.0, 10.0, 11.0], "ms", |ratio| ratio < 1.0).verdict;
        assert_eq!(of([5.0, 6.0, 7.0]), Verdict::Met);
        assert_eq!(of([8.0, 9.5, 10.0]), Verdict::Noise, "its median is below, and its slow quarter is not");
        assert_eq!(
            of([10.0, 10.5, 12.0]),
            Verdict::Noise,
            "its median is above, and its fast quarter is not"
        );
        assert_eq!(of([12.0, 13.0, 14.0]), Verdict::Missed);
    }
}
