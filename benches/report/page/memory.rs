//! What containers hold that wait.

use plotters::style::RGBColor;
use shimmer_benches::results::containers::{Containers, Level, Memory, Program, Role};
use shimmer_benches::results::target::{RUNC, old_names};

use super::Section;
use crate::Result;
use crate::figure::{NOTHING, figure, ratio};
use crate::order;
use crate::palette::{GREY, colour, shade};
use crate::plot::bars::{Bar, Bars, Group};
use crate::table::Table;

const ROLES: [Role; 4] = [Role::Shim, Role::Helper, Role::Guest, Role::Pause];

pub(super) fn section(mut section: Section, containers: &Containers) -> Result<Section> {
    if containers.memory.is_empty() {
        return Ok(section.missing("nobody looked at the memory of waiting containers."));
    }
    section.say(
        "The proportional set size of all processes that are there for the containers, divided by their number, while \
         all of them wait: containerd itself is not counted. What serves all containers of a node counts in full, and \
         is a smaller part of each the more there are. Less is better.",
    );
    for level in [Level::Pod, Level::Task] {
        section.table(&format!("Of runc's, {}:", name(level)), &ratios(containers, level));
        let counts = containers.memory_counts(Program::Rest, level);
        let (alone, many): (Vec<usize>, Vec<usize>) = counts.into_iter().partition(|count| *count == 1);
        // One container bears alone what serves all: beside it, nothing could be seen of the others.
        for (name, counts) in [(format!("memory-{level}"), many), (format!("memory-{level}-alone"), alone)] {
            section.bars(&name, &bars(containers, Program::Rest, level, &counts))?;
        }
    }
    section
        .say("The figure is the median of all looks, and its parts are in the proportion of the last look.");
    section.appendix("Memory in MiB for each container", &figures(containers));
    section.gaps(containers.memory.iter().map(|row| {
        let Memory { target, program, level, containers, .. } = row;
        (format!("{target} {program} ({level}, {containers})"), &row.failure, &row.total)
    }));
    Ok(section)
}

fn name(level: Level) -> &'static str {
    match level {
        Level::Task => "tasks",
        Level::Pod => "pods with one container each",
    }
}

fn ratios(containers: &Containers, level: Level) -> Table {
    let counts = containers.memory_counts(Program::Rest, level);
    let most = counts.last().copied().unwrap_or_default();
    let held =
        |target: &str, count| containers.memory_of(target, Program::Rest, level, count)?.total.middle();
    let heads = counts.iter().map(|count| format!("{count} at once"));
    let old = format!("of the old host's, {most} at once");
    let mut table = Table::new(["shim".to_owned()].into_iter().chain(heads).chain([old]));
    for target in order::targets(containers) {
        if !counts.iter().any(|count| held(target, *count).is_some()) {
            continue;
        }
        let of_runc = |count: &usize| match (held(target, *count), held(RUNC, *count)) {
            (Some(ours), Some(runc)) => format!("{} ({} MiB)", ratio(Some(ours / runc)), figure(ours)),
            (Some(ours), None) => format!("{} MiB", figure(ours)),
            (None, _) => NOTHING.to_owned(),
        };
        let old = old_names(target).iter().find_map(|old| held(old, most));
        let of_old = ratio(held(target, most).zip(old).map(|(ours, old)| ours / old));
        table.row([target.to_owned()].into_iter().chain(counts.iter().map(of_runc)).chain([of_old]));
    }
    table
}

fn bars(containers: &Containers, program: Program, level: Level, counts: &[usize]) -> Bars {
    let mut targets = order::targets(containers);
    let is_asked =
        |row: &Memory, target: &str| row.target == target && row.program == program && row.level == level;
    targets.retain(|target| containers.memory.iter().any(|row| is_asked(row, target)));
    let group = |target: &str| {
        let bar = |count: &usize| match containers.memory_of(target, program, level, *count) {
            Some(row) => Bar {
                name: count.to_string(),
                parts: parts(row),
                whiskers: None,
                label: format!("{} MiB", figure(row.total.median)),
            },
            None => Bar::missing(count.to_string()),
        };
        Group { name: target.to_owned(), bars: counts.iter().map(bar).collect() }
    };
    let number = if counts == [1] { "one alone" } else { "by how many there are" };
    let roles = ROLES.iter().enumerate().filter(|(_, role)| level == Level::Pod || **role != Role::Pause);
    Bars {
        title: format!("Memory for each container: {}, {number}", name(level)),
        axis: "MiB for each container".into(),
        may_be_logarithmic: false,
        mark: None,
        legend: roles.map(|(place, role)| (order::role(*role).to_owned(), shade(GREY, place, 4))).collect(),
        groups: targets.into_iter().map(group).collect(),
    }
}

/// The median by role; in one colour, if nobody knows whose it is.
fn parts(row: &Memory) -> Vec<(f64, RGBColor)> {
    let (all, colour) = (row.total.median, colour(&row.target));
    let role = |role| row.held.as_ref()?.roles.get(role).copied().filter(|share| *share > 0.0);
    let sum: f64 = ROLES.iter().filter_map(role).sum();
    let roles = ROLES.iter().enumerate();
    let parts: Vec<_> =
        roles.filter_map(|(place, one)| Some((role(one)? / sum * all, shade(colour, place, 4)))).collect();
    if parts.is_empty() { vec![(all, colour)] } else { parts }
}

fn figures(containers: &Containers) -> Table {
    let roles = ROLES.iter().map(|role| order::role(*role));
    let heads = ["shim", "program", "image", "level", "containers", "all"];
    let mut table = Table::new(heads.into_iter().chain(roles));
    for target in order::targets(containers) {
        let rows = containers.memory.iter().filter(|row| row.target == target);
        for row in rows.filter(|row| row.failure.is_none() && row.total.middle().is_some()) {
            let Memory { target, program, image, level, containers, .. } = row;
            let words = [target.clone(), program.to_string(), image.to_string(), level.to_string()];
            let words = words.into_iter().chain([containers.to_string()]);
            let role = |role| row.held.as_ref().and_then(|held| held.roles.get(role)).copied();
            let roles = ROLES.iter().map(|one| crate::figure::maybe(role(one)));
            table.row(words.chain([figure(row.total.median)]).chain(roles));
        }
    }
    table
}
