//! Tables for whoever sits before the screen.

use std::fmt::Write;

use shimmer_benches::results::containers::{Heat, Http, Level, Memory, Program, Role, Starts, Store};
use shimmer_benches::results::goal::{Reached, Verdict};
use shimmer_benches::results::target::RUNC;
use shimmer_benches::summary::Summary;

use crate::report::Report;
use crate::report::table::Table;

/// All tables, those that were measured.
pub(crate) fn render(report: Report<'_>) -> String {
    let mut text = String::new();
    machine(report, &mut text);
    shim_starts(report, &mut text);
    starts(report, &mut text);
    stamps(report, &mut text);
    throughput(report, &mut text);
    http(report, &mut text);
    memory(report, &mut text);
    goals(report, &mut text);
    text
}

/// Writing into a string does not fail.
macro_rules! line {
    ($text:expr, $($words:tt)*) => { let _ = writeln!($text, $($words)*); };
}

fn machine(report: Report<'_>, text: &mut String) {
    let machine = report.machine;
    line!(
        text,
        "\n{}, {} cores, kernel {}, cgroup {}, containerd {}, revision {}",
        machine.processor,
        machine.cores,
        machine.kernel,
        machine.cgroup,
        report.found.containerd,
        machine.revision
    );
    for (name, version) in &machine.tools {
        line!(text, "  {name:14} {version}");
    }
    for (name, identity) in &report.found.shims {
        line!(text, "  {name:14} {identity}");
    }
}

fn shim_starts(report: Report<'_>, text: &mut String) {
    if report.found.shim_starts.is_empty() {
        return;
    }
    line!(text, "\nfrom the execution of a shim to its answer, ms, which is a part of create");
    let mut table = Table::new(&["shim"], &["start", "p25 to p75", "p95"]);
    for row in &report.found.shim_starts {
        let figures = whole(&row.took);
        let cells =
            row.failure.as_ref().map_or_else(|| figures.to_vec(), |failure| vec![no_figures(failure)]);
        table.push([row.target.clone()].into_iter().chain(cells).collect());
    }
    text.push_str(&table.render());
}

fn starts(report: Report<'_>, text: &mut String) {
    for (title, has_sandbox, is_in) in KINDS {
        let rows = report.found.starts.iter().filter(|row| is_in(row) && row.program != Program::Stamp);
        let mut rows: Vec<_> = rows.collect();
        rows.sort_by_key(|row| (row.program, row.image));
        if rows.is_empty() {
            continue;
        }
        line!(
            text,
            "\n{title}: ratios of the whole, then ms: medians of rounds in turns, with percentiles of the whole"
        );
        let figures = &FIGURES[..FIGURES.len() - usize::from(!has_sandbox)];
        let mut table = Table::new(&["program", "image", "shim"], figures);
        for row in rows {
            let mut cells = vec![row.program.to_string(), row.image.to_string(), row.target.clone()];
            cells.extend(start(report, row, has_sandbox));
            table.push(cells);
        }
        text.push_str(&table.render());
    }
    if !report.found.starts.is_empty() {
        let noise = report.found.trust();
        line!(text, "  {}", noise.said());
        if let Some(warning) = noise.warning() {
            line!(text, "  WARNING: {warning}");
        }
    }
}

/// Ratios first: milliseconds depend on the machine. The last one is a pod's.
const FIGURES: [&str; 12] = [
    "of runc",
    "of old",
    "above, of old",
    "whole",
    "p25 to p75",
    "p95",
    "above floor",
    "create",
    "output",
    "exit",
    "delete",
    "sandbox",
];

/// What a table of starts is about, whether there are sandboxes, and the rows in it.
type Kind = (&'static str, bool, fn(&Starts) -> bool);

const KINDS: [Kind; 5] = [
    ("warm starts", false, |row| is(row, Level::Task, Heat::Warm, Store::Memory)),
    ("cold starts", false, |row| is(row, Level::Task, Heat::Cold, Store::Memory)),
    ("warm starts by CRI", true, |row| is(row, Level::Pod, Heat::Warm, Store::Memory)),
    ("cold starts by CRI", true, |row| is(row, Level::Pod, Heat::Cold, Store::Memory)),
    ("warm starts, containerd's root on disk", false, |row| row.store == Store::Disk),
];

fn is(row: &Starts, level: Level, heat: Heat, store: Store) -> bool {
    (row.level, row.heat, row.store) == (level, heat, store)
}

fn start(report: Report<'_>, row: &Starts, has_sandbox: bool) -> Vec<String> {
    if let Some(failure) = &row.failure {
        return vec![no_figures(failure)];
    }
    let old = report.old(row);
    let of = |other: Option<&Starts>| figure(other.map(|other| row.to_exit.median / other.to_exit.median), 2);
    let above = report.found.above_floor(row);
    let of_old_above =
        above.zip(old.and_then(|old| report.found.above_floor(old))).map(|(ours, old)| ours / old);
    let ratios = [of(report.runc(row)), of(old), figure(of_old_above, 2)];
    let steps = [&row.create, &row.output, &row.exit, &row.delete].map(median);
    let sandbox = has_sandbox.then(|| median(&row.sandbox));
    let times = whole(&row.to_exit).into_iter().chain([figure(above, 1)]).chain(steps).chain(sandbox);
    ratios.into_iter().chain(times).collect()
}

fn stamps(report: Report<'_>, text: &mut String) {
    let rows = report.found.starts.iter().filter(|row| row.program == Program::Stamp);
    let mut table = Table::new(
        &["image", "shim"],
        &["to the first instruction", "p25 to p75", "p95", "from there to the answer", "p25 to p75", "p95"],
    );
    let mut has_rows = false;
    for row in rows {
        has_rows = true;
        let mut cells = vec![row.image.to_string(), row.target.clone()];
        match &row.failure {
            Some(failure) => cells.push(no_figures(failure)),
            None => cells.extend(whole(&row.instruction).into_iter().chain(whole(&row.event))),
        }
        table.push(cells);
    }
    if has_rows {
        line!(
            text,
            "\nfrom the request to start to the answer of wait, ms, divided by the guest's look at the clock"
        );
        text.push_str(&table.render());
    }
}

fn throughput(report: Report<'_>, text: &mut String) {
    let Some(first) = report.found.throughput.first() else { return };
    let bursts = report.found.throughput.iter().map(|row| row.per_second.samples.len()).max();
    line!(
        text,
        "\nthroughput: {} hello containers, medians of {} bursts",
        first.burst,
        bursts.unwrap_or_default()
    );
    let figures = ["at a time", "of runc", "of old", "a second", "p25 to p75"];
    let mut table = Table::new(&["shim", "image"], &figures);
    let mut rows: Vec<_> = report.found.throughput.iter().collect();
    rows.sort_by_key(|row| row.at_once);
    for row in rows {
        let mut cells = vec![row.target.clone(), row.image.to_string(), row.at_once.to_string()];
        if let Some(failure) = &row.failure {
            cells.push(no_figures(failure));
        } else {
            let of = |other: Option<f64>| figure(other.map(|other| row.per_second.median / other), 2);
            let runc = report.found.throughput_of(RUNC, row.at_once).map(|runc| runc.per_second.median);
            cells.extend([of(runc), of(report.old_throughput(&row.target, row.at_once))]);
            cells.extend([median(&row.per_second), quartiles(&row.per_second)]);
        }
        table.push(cells);
    }
    text.push_str(&table.render());
}

fn http(report: Report<'_>, text: &mut String) {
    if report.found.http.is_empty() {
        return;
    }
    line!(
        text,
        "\nHTTP: answers to clients that each keep a connection and ask without a pause, medians of rounds"
    );
    let mut table = Table::new(
        &["server"],
        &["clients", "answers a second", "p25 to p75", "median, ms", "99th percentile, ms"],
    );
    for row in &report.found.http {
        table.push(answers(row));
    }
    text.push_str(&table.render());
}

fn answers(row: &Http) -> Vec<String> {
    if let Some(failure) = &row.failure {
        return vec![row.target.clone(), no_figures(failure)];
    }
    let latencies = [&row.latency, &row.p99].map(|summary| figure(Some(summary.median), 2));
    let rate = [figure(Some(row.per_second.median), 0), quartiles(&row.per_second)];
    [row.target.clone(), row.clients.to_string()].into_iter().chain(rate).chain(latencies).collect()
}

fn memory(report: Report<'_>, text: &mut String) {
    if report.found.memory.is_empty() {
        return;
    }
    line!(
        text,
        "\nmemory of one of several waiting containers: proportional set size, medians, of runc's and in MiB"
    );
    let words = ["program", "image", "level", "shim"];
    let mut table = Table::new(&words, &["number", "of runc", "total", "shim", "helper", "guest", "pause"]);
    for row in &report.found.memory {
        let words =
            [row.program.to_string(), row.image.to_string(), row.level.to_string(), row.target.clone()];
        table.push(words.into_iter().chain([row.containers.to_string()]).chain(held(report, row)).collect());
    }
    text.push_str(&table.render());
}

fn held(report: Report<'_>, row: &Memory) -> Vec<String> {
    let Some(held) = row.held.as_ref().filter(|_| row.failure.is_none()) else {
        return vec![no_figures(row.failure.as_deref().unwrap_or_default())];
    };
    let of = |role| figure(held.roles.get(&role).copied(), 2);
    let roles = [Role::Shim, Role::Helper, Role::Guest, Role::Pause].map(of);
    let runc = report.found.memory_of(RUNC, row.program, row.level, row.containers);
    let of_runc = runc.map(|runc| row.total.median / runc.total.median);
    [figure(of_runc, 2), figure(Some(row.total.median), 2)].into_iter().chain(roles).collect()
}

fn goals(report: Report<'_>, text: &mut String) {
    let goals = report.found.goals();
    for (place, shim) in report.found.ours().iter().enumerate() {
        line!(text, "\ngoals of {shim}");
        for goal in &goals {
            let (figure, mark) = match &goal.reached[place] {
                Some(Reached { figure, verdict: Verdict::Met }) => (figure.as_str(), "reached"),
                Some(Reached { figure, verdict: Verdict::Missed }) => (figure.as_str(), "MISSED"),
                Some(Reached { figure, verdict: Verdict::Noise }) => (figure.as_str(), "within the noise"),
                None => ("-", ""),
            };
            line!(text, "  {:64}{:14}{figure:>28}  {mark}", goal.what, goal.target);
        }
    }
}

/// One line of it: shims are verbose, and the file of results has all.
fn no_figures(failure: &str) -> String {
    const SHOWN: usize = 160;
    let line = failure.split_whitespace().collect::<Vec<_>>().join(" ");
    let shown: String = line.chars().take(SHOWN).collect();
    format!("no figures: {shown}{}", if shown.len() < line.len() { "…" } else { "" })
}

fn whole(summary: &Summary) -> [String; 3] {
    [median(summary), quartiles(summary), figure(Some(summary.p95), 1)]
}

fn median(summary: &Summary) -> String {
    figure(Some(summary.median), 1)
}

fn quartiles(summary: &Summary) -> String {
    if summary.samples.is_empty() {
        return figure(None, 1);
    }
    format!("{:.1} to {:.1}", summary.p25, summary.p75)
}

/// Where nothing was measured there is no number either.
fn figure(value: Option<f64>, digits: usize) -> String {
    let value = value.filter(|value| !value.is_nan());
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
}
