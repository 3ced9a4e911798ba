//! Which engine suits which work: each measure as a ratio to the best.

use shimmer_benches::results::Results;
use shimmer_benches::results::containers::{Containers, Level, Program};
use shimmer_benches::results::engines::Engines;
use shimmer_benches::results::query::Setting;
use shimmer_benches::summary::Quartiles;

use super::{Section, speed, trade};
use crate::figure::{NOTHING, figure, ratio};
use crate::order;
use crate::table::Table;

pub(super) fn section(results: &Results) -> Section {
    let mut section = Section::new("At a glance");
    let engines = order::candidates(results);
    let of_containers =
        results.containers.iter().flat_map(|containers| containers_rows(containers, &engines));
    let of_engines = results.engines.iter().flat_map(|found| engines_rows(found, &engines));
    let mut table = Table::new(["work", "measure"].into_iter().chain(engines.iter().copied()));
    for row in of_containers.chain(of_engines) {
        table.row(row.cells());
    }
    if table.is_empty() {
        return section.missing("none of the files has results of engines or of containers.");
    }
    section.table(
        "Ratios to the best of each row; in brackets what was measured. Bold is the best, and what has quartiles that \
         overlap with its own, so that another run may put it first; a single look has none.",
        &table,
    );
    section
}

/// One measure of all engines.
struct Row {
    work: String,
    measure: String,
    more_is_better: bool,
    values: Vec<Option<Quartiles>>,
}

impl Row {
    fn cells(&self) -> Vec<String> {
        let good = || self.values.iter().flatten().filter(|value| value[1].is_finite() && value[1] > 0.0);
        let order = |one: &&Quartiles, other: &&Quartiles| one[1].total_cmp(&other[1]);
        let best = if self.more_is_better { good().max_by(order) } else { good().min_by(order) };
        let cell = |value: &Option<Quartiles>| match (value, best) {
            (Some([low, value, high]), Some([least, best, most])) => {
                let part = ratio(Some(value / best));
                let part = if low <= most && least <= high { format!("**{part}**") } else { part };
                format!("{part} ({})", figure(*value))
            }
            _ => NOTHING.to_owned(),
        };
        let words = [self.work.clone(), self.measure.clone()];
        words.into_iter().chain(self.values.iter().map(cell)).collect()
    }
}

fn containers_rows(containers: &Containers, engines: &[&str]) -> Vec<Row> {
    let start = |work: &str, program, setting| Row {
        work: work.into(),
        measure: format!("start of {program}, ms"),
        more_is_better: false,
        values: engines
            .iter()
            .map(|engine| containers.start_of(engine, program, setting)?.to_exit.quartiles())
            .collect(),
    };
    let small = containers.small();
    let mut rows = vec![
        start("short tasks, again and again", small, Setting::WARM),
        start("a program that is new to the node", small, Setting::COLD),
        start("short pods under Kubernetes", small, Setting::POD),
        start("a large component, again and again", Program::Python, Setting::WARM),
    ];
    for level in [Level::Pod, Level::Task] {
        let Some(count) = containers.memory_counts(Program::Rest, level).last().copied() else { continue };
        let held =
            |engine: &&str| containers.memory_of(engine, Program::Rest, level, count)?.total.quartiles();
        rows.push(Row {
            work: format!("many {level}s that wait"),
            measure: format!("MiB for each of {count}"),
            more_is_better: false,
            values: engines.iter().map(held).collect(),
        });
    }
    rows.extend(containers.parallelism().last().map(|at_once| {
        Row {
            work: "bursts of short tasks".into(),
            measure: format!("a second, {at_once} at a time"),
            more_is_better: true,
            values: engines
                .iter()
                .map(|engine| containers.throughput_of(engine, *at_once)?.per_second.quartiles())
                .collect(),
        }
    }));
    let clients = containers.http.iter().map(|row| row.clients).max().filter(|clients| *clients > 0);
    rows.extend(clients.map(|clients| {
        Row {
            work: "HTTP servers".into(),
            measure: format!("answers a second, {clients} clients"),
            more_is_better: true,
            values: engines
                .iter()
                .map(|engine| {
                    let mut rows = containers.http.iter();
                    let row = rows.find(|row| row.target == **engine && row.clients == clients)?;
                    row.per_second.quartiles().filter(|_| row.failure.is_none())
                })
                .collect(),
        }
    }));
    rows.retain(|row| row.values.iter().any(Option::is_some));
    rows
}

fn engines_rows(found: &Engines, engines: &[&str]) -> Vec<Row> {
    let speeds = speed::kinds(found).into_iter().map(|kind| Row {
        work: format!("long runs: {kind}"),
        measure: "times native".into(),
        more_is_better: false,
        values: engines.iter().map(|engine| speed::quartiles(found, engine, kind)).collect(),
    });
    let mut rows: Vec<Row> = speeds.collect();
    if let Some(program) = trade::largest(found) {
        let compile = |engine: &&str| trade::program(found, engine, program)?.compile.quartiles();
        let compiled = |engine: &&str| {
            let row = trade::program(found, engine, program)?;
            (row.compiled_bytes > 0).then(|| [crate::figure::mebibytes(row.compiled_bytes); 3])
        };
        for (measure, values) in [
            ("compiling it, ms", engines.iter().map(compile).collect()),
            ("its compiled file, MiB", engines.iter().map(compiled).collect::<Vec<_>>()),
        ] {
            let work = format!("programs that often change ({program})");
            rows.push(Row { work, measure: measure.into(), more_is_better: false, values });
        }
    }
    rows.retain(|row| row.values.iter().any(Option::is_some));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_is_bold_with_what_has_overlapping_quartiles_and_the_others_are_measured_by_it() {
        let row = |more_is_better| Row {
            work: "w".into(),
            measure: "m".into(),
            more_is_better,
            values: vec![Some([19.0, 20.0, 22.0]), None, Some([26.0, 30.0, 31.0]), Some([21.0, 29.0, 30.0])],
        };
        assert_eq!(row(false).cells()[2..], ["**1.00** (20.0)", NOTHING, "1.50 (30.0)", "**1.45** (29.0)"]);
        assert_eq!(row(true).cells()[2..], ["0.67 (20.0)", NOTHING, "**1.00** (30.0)", "**0.97** (29.0)"]);
    }
}
