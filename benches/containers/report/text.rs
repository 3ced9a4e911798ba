//! Tables for whoever sits before the screen.

use std::fmt::Write;

use crate::memory::{Level, Memory};
use crate::report::{Report, goal};
use crate::role::Role;
use crate::starts::Starts;
use crate::summary::Summary;

/// All tables, those that were measured.
pub(crate) fn render(report: &Report) -> String {
    let mut text = String::new();
    machine(report, &mut text);
    if !report.starts.is_empty() {
        starts(report, &mut text);
    }
    if !report.throughput.is_empty() {
        throughput(report, &mut text);
    }
    if !report.memory.is_empty() {
        memory(report, &mut text);
    }
    goals(report, &mut text);
    text
}

/// Writing into a string does not fail.
macro_rules! line {
    ($text:expr, $($words:tt)*) => { let _ = writeln!($text, $($words)*); };
}

fn machine(report: &Report, text: &mut String) {
    let machine = &report.machine;
    line!(
        text,
        "\n{}, {} cores, kernel {}, cgroup {}, containerd {}, revision {}",
        machine.processor,
        machine.cores,
        machine.kernel,
        machine.cgroup,
        machine.containerd,
        machine.revision
    );
    for (name, identity) in &machine.shims {
        line!(text, "  {name:14} {identity}");
    }
}

fn starts(report: &Report, text: &mut String) {
    let plan = &report.plan;
    line!(
        text,
        "\nstarts in ms: medians of {} after {} warm-ups, in turns; quartiles of the whole",
        plan.rounds,
        plan.warm_ups
    );
    line!(
        text,
        "  {:8}{:10}{:15}{:>8}{:>8}{:>8}  {:>24}{:>12}{:>9}{:>14}",
        "program",
        "image",
        "shim",
        "create",
        "exit",
        "delete",
        "create to exit",
        "above floor",
        "of old",
        "above, of old"
    );
    for row in &report.starts {
        line!(text, "  {:8}{:10}{:15}{}", row.program, row.image, row.target, start(report, row));
    }
    if let Some(noise) = report.noise {
        line!(text, "  noise: the quartiles of the floor are {:.0} % of its median apart", noise * 100.0);
    }
    if report.is_noisy() {
        line!(
            text,
            "  THE MACHINE IS NOISY: something else runs on it, and these figures are not to be trusted"
        );
    }
}

fn start(report: &Report, row: &Starts) -> String {
    if let Some(failure) = &row.failure {
        return format!("  no figures: {failure}");
    }
    let old = report.old_start(&row.target, row.program, row.image);
    let of_old = old.map(|old| row.to_exit.median / old.to_exit.median);
    let above = report.above_floor(row);
    let of_old_above = above.zip(old.and_then(|old| report.above_floor(old))).map(|(ours, old)| ours / old);
    format!(
        "{:>8.1}{:>8.1}{:>8.1}  {:>24}{:>12}{:>9}{:>14}",
        row.create.median,
        row.exit.median,
        row.delete.median,
        quartiles(&row.to_exit),
        figure(above, 1),
        figure(of_old, 2),
        figure(of_old_above, 2)
    )
}

fn throughput(report: &Report, text: &mut String) {
    let plan = &report.plan;
    line!(
        text,
        "\nthroughput: {} hello containers, {} at a time, medians of {} bursts",
        plan.burst,
        plan.at_once,
        plan.bursts
    );
    line!(text, "  {:15}{:10}{:>24}{:>9}", "shim", "image", "containers a second", "of old");
    for row in &report.throughput {
        if let Some(failure) = &row.failure {
            line!(text, "  {:15}{:10}  no figures: {failure}", row.target, row.image);
            continue;
        }
        let of_old = report.old_throughput(&row.target).map(|old| row.per_second.median / old);
        let figures = quartiles(&row.per_second);
        line!(text, "  {:15}{:10}{figures:>24}{:>9}", row.target, row.image, figure(of_old, 2));
    }
}

fn memory(report: &Report, text: &mut String) {
    line!(text, "\nmemory of one of several waiting containers in MiB: proportional set size, medians");
    line!(
        text,
        "  {:8}{:10}{:6}{:>7}  {:15}{:>8}{:>8}{:>8}{:>8}{:>8}",
        "program",
        "image",
        "level",
        "number",
        "shim",
        "total",
        "shim",
        "helper",
        "guest",
        "pause"
    );
    for row in &report.memory {
        let level = if row.level == Level::Task { "task" } else { "pod" };
        line!(
            text,
            "  {:8}{:10}{level:6}{:>7}  {:15}{}",
            row.program,
            row.image,
            row.containers,
            row.target,
            held(row)
        );
    }
}

fn held(row: &Memory) -> String {
    let Some(held) = row.held.as_ref().filter(|_| row.failure.is_none()) else {
        return format!("  no figures: {}", row.failure.as_deref().unwrap_or_default());
    };
    let of = |role| figure(held.roles.get(&role).copied(), 2);
    let [shim, helper, guest, pause] = [Role::Shim, Role::Helper, Role::Guest, Role::Pause].map(of);
    format!("{:>8.2}{shim:>8}{helper:>8}{guest:>8}{pause:>8}", row.total.median)
}

fn goals(report: &Report, text: &mut String) {
    for (place, shim) in goal::shims(report).iter().enumerate() {
        line!(text, "\ngoals of {shim}");
        for goal in goal::all(report) {
            let (figure, mark) = match &goal.reached[place] {
                Some(reached) => (reached.figure.as_str(), if reached.is_met { "reached" } else { "MISSED" }),
                None => ("-", ""),
            };
            line!(text, "  {:64}{:14}{figure:>28}  {mark}", goal.what, goal.target);
        }
    }
}

fn quartiles(summary: &Summary) -> String {
    format!("{:.1} ({:.1} to {:.1})", summary.median, summary.p25, summary.p75)
}

fn figure(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
}
