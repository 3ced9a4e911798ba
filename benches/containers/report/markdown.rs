//! The tables of docs/benchmarks.md.

use std::fmt::Write;

use crate::program::{Form, Program};
use crate::report::{Report, goal};

/// The goals and what was reached, then the medians that they are made of.
pub(crate) fn render(report: &Report) -> String {
    let mut text = String::new();
    goals(report, &mut text);
    text.push('\n');
    medians(report, &mut text);
    machine(report, &mut text);
    text
}

fn goals(report: &Report, text: &mut String) {
    let shims = goal::shims(report);
    text.push_str(&row(["what", "to reach"].into_iter().chain(shims.iter().map(String::as_str))));
    text.push_str(&row(vec!["---"; shims.len() + 2]));
    for goal in goal::all(report) {
        let cells = goal.reached.iter().map(|reached| match reached {
            Some(reached) if reached.is_met => format!("**{}**", reached.figure),
            Some(reached) => reached.figure.clone(),
            None => "–".to_owned(),
        });
        let words = [goal.what.clone(), goal.target.to_owned()];
        text.push_str(&row(words.into_iter().chain(cells)));
    }
}

fn medians(report: &Report, text: &mut String) {
    let heads = [
        "shim",
        "hello, rootfs, ms",
        "hello, artifact, ms",
        "Python, ms",
        "hellos a second",
        "small container, MiB",
        "Python container, MiB",
    ];
    text.push_str(&row(heads));
    text.push_str(&row(["---"; 7]));
    for shim in report.machine.shims.keys() {
        let start = |program, image| report.start(shim, program, image).map(|starts| starts.to_exit.median);
        // A native program stands under rootfs, which its image is.
        let rootfs = start(Program::Hello, Form::Rootfs).or_else(|| start(Program::Hello, Form::Native));
        let cells = [
            rootfs,
            start(Program::Hello, Form::Artifact),
            start(Program::Python, Form::Artifact),
            report.throughput_of(shim),
            report.memory_of(shim, Program::Rest),
            report.memory_of(shim, Program::Python),
        ];
        let cells = cells.map(|value| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.1}")));
        text.push_str(&row([shim.clone()].into_iter().chain(cells)));
    }
}

fn machine(report: &Report, text: &mut String) {
    let machine = &report.machine;
    let noise = report.noise.map(|noise| format!("; noise {:.0} %", noise * 100.0)).unwrap_or_default();
    let _ = writeln!(
        text,
        "\n{}, {} cores, kernel {}, cgroup {}, containerd {}, revision {}; {} rounds{noise}",
        machine.processor,
        machine.cores,
        machine.kernel,
        machine.cgroup,
        machine.containerd,
        machine.revision,
        report.plan.rounds
    );
}

fn row<C: AsRef<str>>(cells: impl IntoIterator<Item = C>) -> String {
    let mut row = "|".to_owned();
    for cell in cells {
        let _ = write!(row, " {} |", cell.as_ref());
    }
    row + "\n"
}
