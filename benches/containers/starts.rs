//! How long a warm container takes, and each of its steps.

use std::time::Duration;

use serde::Serialize;
use shimmer_node::{Node, Phases};

use crate::arguments::Plan;
use crate::program::{Form, Images, Program};
use crate::summary::Summary;
use crate::target::Target;
use crate::{progress, turn};

/// What was measured of one program in one image on one target; times in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Starts {
    pub(crate) target: String,
    pub(crate) program: Program,
    pub(crate) image: Form,
    /// From the request to create the task until the program has ended.
    pub(crate) to_exit: Summary,
    pub(crate) create: Summary,
    /// From the request to start it until its end was told.
    pub(crate) exit: Summary,
    pub(crate) delete: Summary,
    /// Why there are no figures.
    pub(crate) failure: Option<String>,
}

/// Starts every container in every round.
pub(crate) fn measure(node: &Node, plan: &Plan, targets: &[Target], images: &Images) -> Vec<Starts> {
    let mut cases = cases(targets, images);
    for case in &mut cases {
        progress(&format!("warming up: {} {} ({})", case.target.name, case.program, case.form));
        for _ in 0..plan.warm_ups {
            case.start(node, images);
        }
        case.phases.clear();
    }
    for round in 0..plan.rounds {
        progress(&format!("starts: round {} of {}", round + 1, plan.rounds));
        for place in turn::order(cases.len(), round) {
            cases[place].start(node, images);
        }
    }
    progress("");
    cases.into_iter().map(Case::summary).collect()
}

struct Case<'a> {
    target: &'a Target,
    program: Program,
    form: Form,
    phases: Vec<Phases>,
    failure: Option<String>,
}

fn cases<'a>(targets: &'a [Target], images: &Images) -> Vec<Case<'a>> {
    let mut cases = Vec::new();
    for target in targets {
        for program in [Program::Hello, Program::Python] {
            let forms = images.forms(target, program).into_iter();
            cases.extend(forms.map(|form| Case { target, program, form, phases: Vec::new(), failure: None }));
        }
    }
    cases
}

impl Case<'_> {
    /// Once more, unless it has failed before: a shim may have to refuse a program.
    fn start(&mut self, node: &Node, images: &Images) {
        if self.failure.is_some() {
            return;
        }
        let ended = turn::run(node, images, self.target, self.program, self.form);
        match ended.and_then(|(id, output)| turn::settle(node, &[id]).map(|()| output.phases)) {
            Ok(phases) => self.phases.push(phases),
            Err(error) => self.failure = Some(error.to_string()),
        }
    }

    fn summary(self) -> Starts {
        let of = |part: fn(&Phases) -> Duration| {
            Summary::of(self.phases.iter().map(|phases| part(phases).as_secs_f64() * 1000.0).collect())
        };
        Starts {
            target: self.target.name.clone(),
            program: self.program,
            image: self.form,
            to_exit: of(|phases| phases.create + phases.start + phases.wait),
            create: of(|phases| phases.create),
            exit: of(|phases| phases.start + phases.wait),
            delete: of(|phases| phases.delete),
            failure: self.failure,
        }
    }
}
