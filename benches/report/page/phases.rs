//! What a start is made of, and how far its samples lie apart.

use shimmer_benches::results::containers::{Containers, Level, Program, Starts};
use shimmer_benches::results::query::Setting;

use super::Section;
use crate::Result;
use crate::figure::{figure, maybe};
use crate::order;
use crate::palette::{GREY, colour, shade};
use crate::plot::bars::{Bar, Bars, Group};
use crate::table::Table;

/// The phases of a start, in the order of time. The last but one stands where the guest did not read the clock.
const PHASES: [&str; 6] =
    ["sandbox", "create", "to its first instruction", "until its end is told", "start to end", "delete"];

pub(super) fn section(mut section: Section, containers: &Containers) -> Result<Section> {
    if containers.starts.is_empty() {
        return Ok(section.missing("no container was started one at a time."));
    }
    section.say(
        "Medians of the phases of a warm start: they need not add up to the median of the whole. As a task runs a \
         program that reads the clock at its first instruction; where it does not, there is one phase from the request \
         to start it to its end. Nothing runs under the floor. In a pod, creating is no more than making a record: the \
         task is created when it is started.",
    );
    for (level, setting) in [(Level::Task, Setting::WARM), (Level::Pod, Setting::POD)] {
        section.bars(&format!("phases-{level}"), &bars(containers, level, setting))?;
    }
    section.table("Phases of warm starts, ms:", &medians(containers));
    section.bars("shim-start", &shims(containers))?;
    if containers.shim_starts.is_empty() {
        section.say("How long a shim takes until it serves was not measured in this run.");
    }
    section.gaps(
        containers.shim_starts.iter().map(|row| (format!("{} alone", row.target), &row.failure, &row.took)),
    );
    section.appendix("Percentiles of all starts", &percentiles(containers));
    Ok(section)
}

/// The warm starts of the program that reads the clock, or else of the one that is started in all settings.
fn row<'a>(containers: &'a Containers, target: &str, setting: Setting) -> Option<&'a Starts> {
    let stamp = containers.start_of(target, Program::Stamp, setting);
    stamp.or_else(|| containers.start_of(target, containers.small(), setting))
}

/// Milliseconds of each of [`PHASES`].
fn phases(row: &Starts) -> [Option<f64>; 6] {
    let seen = row.instruction.middle().zip(row.event.middle());
    let unseen = if seen.is_some() { None } else { row.exit.middle() };
    [
        row.sandbox.middle(),
        row.create.middle(),
        seen.map(|(instruction, _)| instruction),
        seen.map(|(_, event)| event),
        unseen,
        row.delete.middle(),
    ]
}

fn bars(containers: &Containers, level: Level, setting: Setting) -> Bars {
    let mut targets = order::targets(containers);
    targets.retain(|target| containers.was_tried(target, containers.small(), setting));
    let rows = targets.into_iter().map(|target| (target, row(containers, target, setting)));
    let rows: Vec<_> = rows.collect();
    let is_used =
        |phase: &usize| rows.iter().any(|(_, row)| row.is_some_and(|row| phases(row)[*phase].is_some()));
    let used: Vec<usize> = (0..PHASES.len()).filter(is_used).collect();
    let shaded = |name: &str, phase: usize| {
        let place = used.iter().position(|used| *used == phase).unwrap_or_default();
        shade(if name.is_empty() { GREY } else { colour(name) }, place, used.len())
    };
    let bar = |(target, row): &(&str, Option<&Starts>)| {
        let Some(row) = row else { return Bar::missing(*target) };
        let measured = phases(row).into_iter().enumerate();
        // A clock that was set meanwhile gives times below zero: they are in the table.
        let drawn = measured.filter_map(|(phase, time)| Some((phase, time.filter(|time| *time > 0.0)?)));
        let parts: Vec<_> = drawn.map(|(phase, time)| (time, shaded(target, phase))).collect();
        let sum: f64 = parts.iter().map(|(time, _)| time).sum();
        Bar { name: (*target).to_owned(), parts, whiskers: None, label: format!("{} ms", figure(sum)) }
    };
    let level = if level == Level::Pod { "in a pod" } else { "as a task" };
    Bars {
        title: format!("Phases of a warm start {level}"),
        axis: "milliseconds, medians".into(),
        may_be_logarithmic: false,
        mark: None,
        legend: used.iter().map(|phase| (PHASES[*phase].to_owned(), shaded("", *phase))).collect(),
        groups: vec![Group { name: String::new(), bars: rows.iter().map(bar).collect() }],
    }
}

/// What a shim takes by itself.
fn shims(containers: &Containers) -> Bars {
    let targets = order::sorted(containers.shim_starts.iter().map(|row| row.target.as_str()));
    let bar = |target: &str| {
        let mut rows =
            containers.shim_starts.iter().filter(|row| row.target == target && row.failure.is_none());
        let Some(took) = rows.find_map(|row| row.took.middle().map(|_| &row.took)) else {
            return Bar::missing(target);
        };
        Bar {
            name: target.to_owned(),
            parts: vec![(took.median, colour(target))],
            whiskers: Some([took.p5, took.p95]),
            label: format!("{} ms", figure(took.median)),
        }
    };
    Bars {
        title: "Until a shim serves, which is a part of each creation".into(),
        axis: "milliseconds, median".into(),
        may_be_logarithmic: false,
        mark: None,
        legend: Vec::new(),
        groups: vec![Group { name: String::new(), bars: targets.into_iter().map(bar).collect() }],
    }
}

fn medians(containers: &Containers) -> Table {
    let mut table = Table::new(
        ["shim", "level", "program"].into_iter().chain(PHASES).chain(["start to its first output"]),
    );
    for target in order::targets(containers) {
        for (level, setting) in [(Level::Task, Setting::WARM), (Level::Pod, Setting::POD)] {
            let Some(row) = row(containers, target, setting) else { continue };
            let words = [target.to_owned(), level.to_string(), row.program.to_string()];
            let figures = phases(row).into_iter().chain([row.output.middle()]).map(maybe);
            table.row(words.into_iter().chain(figures));
        }
    }
    table
}

fn percentiles(containers: &Containers) -> Table {
    let mut table = Table::new([
        "shim", "program", "image", "level", "heat", "store", "samples", "5 %", "25 %", "median", "75 %",
        "95 %",
    ]);
    for target in order::targets(containers) {
        let rows = containers.starts.iter().filter(|row| row.target == target);
        for row in rows.filter(|row| row.failure.is_none() && !row.to_exit.samples.is_empty()) {
            let all = &row.to_exit;
            let words = [
                target.to_owned(),
                row.program.to_string(),
                row.image.to_string(),
                row.level.to_string(),
                order::heat(row.heat).to_owned(),
                order::store(row.store).to_owned(),
                all.samples.len().to_string(),
            ];
            let words = words.into_iter();
            table.row(words.chain([all.p5, all.p25, all.median, all.p75, all.p95].map(figure)));
        }
    }
    table
}
