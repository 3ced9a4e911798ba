//! What servers answer.

use shimmer_benches::results::containers::{Containers, Http};

use super::Section;
use crate::Result;
use crate::figure::{figure, maybe, ratio};
use crate::order;
use crate::palette::colour;
use crate::plot::bars::{Bar, Bars, Group};
use crate::table::Table;

pub(super) fn section(mut section: Section, containers: &Containers) -> Result<Section> {
    if containers.http.is_empty() {
        return Ok(section.missing("no server was asked."));
    }
    section.say(
        "Clients ask one server without a pause, each over a connection that it keeps. Latency is in milliseconds: the \
         median, and what one answer in a hundred takes longer than. The floor is a \
         server without a guest, and `wasmtime serve` the engine's own command. runc has no server: that of busybox \
         closes the connection after each answer.",
    );
    section.table(
        "Answers a second, and how they compare with the best of the same clients:",
        &table(containers),
    );
    section.bars("http", &bars(containers))?;
    let rows = containers.http.iter();
    section.gaps(rows.map(|row| (name(row), &row.failure, &row.per_second)));
    Ok(section)
}

fn name(row: &Http) -> String {
    // Nobody asks a server that did not start.
    if row.clients == 0 { row.target.clone() } else { format!("{}, {} clients", row.target, row.clients) }
}

fn clients(containers: &Containers) -> Vec<usize> {
    let asked = containers.http.iter().map(|row| row.clients).filter(|clients| *clients > 0);
    let mut counts: Vec<usize> = asked.collect();
    counts.sort_unstable();
    counts.dedup();
    counts
}

fn rate(row: &Http) -> Option<f64> {
    row.per_second.middle().filter(|_| row.failure.is_none())
}

fn table(containers: &Containers) -> Table {
    let mut table = Table::new(["server", "clients", "of the best", "a second", "latency", "p99"]);
    for clients in clients(containers) {
        let rows: Vec<&Http> = containers.http.iter().filter(|row| row.clients == clients).collect();
        let best = rows.iter().filter_map(|row| rate(row)).fold(0.0, f64::max);
        for target in order::sorted(rows.iter().map(|row| row.target.as_str())) {
            let row = rows.iter().find(|row| row.target == target && rate(row).is_some());
            let Some((row, rate)) = row.and_then(|row| Some((row, rate(row)?))) else { continue };
            table.row([
                target.to_owned(),
                clients.to_string(),
                ratio(Some(rate / best)),
                figure(rate),
                maybe(row.latency.middle()),
                maybe(row.p99.middle()),
            ]);
        }
    }
    table
}

fn bars(containers: &Containers) -> Bars {
    let group = |clients: usize| {
        let rows = || containers.http.iter().filter(move |row| row.clients == clients);
        let bar = |target: &str| {
            let row = rows().find(|row| row.target == target && rate(row).is_some());
            let Some(row) = row else { return Bar::missing(target) };
            Bar {
                name: target.to_owned(),
                parts: vec![(row.per_second.median, colour(target))],
                whiskers: Some([row.per_second.p5, row.per_second.p95]),
                label: figure(row.per_second.median),
            }
        };
        let targets = order::sorted(rows().map(|row| row.target.as_str()));
        let name = if clients == 1 { "1 client".to_owned() } else { format!("{clients} clients") };
        Group { name, bars: targets.into_iter().map(bar).collect() }
    };
    Bars {
        title: "Answers of one HTTP server".into(),
        axis: "answers a second, median".into(),
        may_be_logarithmic: true,
        mark: None,
        legend: Vec::new(),
        groups: clients(containers).into_iter().map(group).collect(),
    }
}
