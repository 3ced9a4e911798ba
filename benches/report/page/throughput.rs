//! How many short containers a node runs in a second.

use shimmer_benches::results::containers::Containers;
use shimmer_benches::results::target::{RUNC, old_names};

use super::Section;
use crate::Result;
use crate::figure::{NOTHING, figure, ratio};
use crate::order;
use crate::palette::colour;
use crate::plot::lines::{Line, Lines};
use crate::table::Table;

pub(super) fn section(mut section: Section, containers: &Containers) -> Result<Section> {
    if containers.throughput.is_empty() {
        return Ok(section.missing("no bursts of containers were run."));
    }
    let mut bursts: Vec<usize> = containers.throughput.iter().map(|row| row.burst).collect();
    bursts.sort_unstable();
    bursts.dedup();
    let bursts: Vec<String> = bursts.iter().map(ToString::to_string).collect();
    section.say(format_args!(
        "Hello containers from their records to their removal, in bursts of {}, several at a time. More is better.",
        bursts.join(" or ")
    ));
    section.table("Of runc's; in brackets containers a second:", &table(containers));
    let rate = |target: &str, at_once| containers.throughput_of(target, at_once)?.per_second.middle();
    let counts = containers.parallelism();
    let line = |target: &str| Line {
        name: target.to_owned(),
        colour: colour(target),
        values: counts.iter().map(|at_once| rate(target, *at_once)).collect(),
    };
    let lines: Vec<Line> = order::targets(containers).into_iter().map(line).collect();
    if lines.iter().flat_map(|line| &line.values).any(Option::is_some) {
        let lines = Lines {
            title: "Throughput of hello containers".into(),
            axes: ["how many at a time".into(), "containers a second, median".into()],
            counts,
            lines,
        };
        section.picture("throughput", &lines.title, lines.svg()?);
    }
    section.gaps(
        containers
            .throughput
            .iter()
            .map(|row| (format!("{}, {} at a time", row.target, row.at_once), &row.failure, &row.per_second)),
    );
    Ok(section)
}

fn table(containers: &Containers) -> Table {
    let rate = |target: &str, at_once| containers.throughput_of(target, at_once)?.per_second.middle();
    let counts = containers.parallelism();
    let most = counts.last().copied().unwrap_or_default();
    let heads = counts.iter().map(|at_once| format!("{at_once} at a time"));
    let old = format!("of the old host's, {most} at a time");
    let mut table = Table::new(["shim".to_owned()].into_iter().chain(heads).chain([old]));
    for target in order::targets(containers) {
        if counts.iter().all(|at_once| rate(target, *at_once).is_none()) {
            continue;
        }
        let of_runc = |at_once: &usize| match (rate(target, *at_once), rate(RUNC, *at_once)) {
            (Some(ours), Some(runc)) => format!("{} ({})", ratio(Some(ours / runc)), figure(ours)),
            (Some(ours), None) => format!("({})", figure(ours)),
            (None, _) => NOTHING.to_owned(),
        };
        let old = old_names(target).iter().find_map(|old| rate(old, most));
        let of_old = ratio(rate(target, most).zip(old).map(|(ours, old)| ours / old));
        table.row([target.to_owned()].into_iter().chain(counts.iter().map(of_runc)).chain([of_old]));
    }
    table
}
