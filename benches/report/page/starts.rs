//! How long a container takes that has run before.

use shimmer_benches::results::containers::{Containers, Program, Starts};
use shimmer_benches::results::query::Setting;
use shimmer_benches::results::target::{FLOOR, RUNC, old_names};

use super::Section;
use crate::Result;
use crate::figure::{figure, maybe, ratio};
use crate::order;
use crate::palette::{GREY, colour, light};
use crate::plot::bars::{Bar, Bars, Group};
use crate::table::Table;

/// How much of its colour the part has that no shim can save.
const FLOORED: f64 = 0.62;

pub(super) fn section(mut section: Section, containers: &Containers) -> Result<Section> {
    if containers.starts.is_empty() {
        return Ok(section.missing("no container was started one at a time."));
    }
    section.say(
        "From the request to create a container until its program has ended. The program has run before, a client of \
         containerd's task service asks for it, and containerd's root is in memory. The image is an artifact where the \
         shim takes one; runc's program is native. Less is better.",
    );
    section.table("Medians, and how they compare:", &ratios(containers));
    section.say(
        "runc's program is one of busybox that does the same: `echo` as hello. It has none that is the same as Python \
         or as a module of the user's. The floor looks into no image: what is above it is above its hello, of Python \
         as well.",
    );
    section.bars("start-warm", &small(containers))?;
    section.say("Whiskers reach from the 5th to the 95th percentile. The floor is a shim that does nothing.");
    section.bars("start-python", &python(containers))?;
    section.gaps(containers.starts.iter().map(|row| (name(row), &row.failure, &row.to_exit)));
    Ok(section)
}

fn name(row: &Starts) -> String {
    let Starts { target, program, image, level, .. } = row;
    format!("{target} {program} ({image}, {level}, {}, {})", order::heat(row.heat), order::store(row.store))
}

fn ratios(containers: &Containers) -> Table {
    let mut table = Table::new([
        "shim",
        "program",
        "image",
        "of runc's",
        "of the old host's",
        "above the floor, of the old host's",
        "ms",
        "above the floor, ms",
    ]);
    for program in [containers.small(), Program::Python] {
        for target in order::targets(containers) {
            let Some(row) = containers.start_of(target, program, Setting::WARM) else { continue };
            let same = |target: &str| containers.start(target, program, row.image, Setting::WARM);
            let runc = containers.start_of(RUNC, program, Setting::WARM).filter(|_| target != RUNC);
            let old = old_names(target).iter().find_map(|old| same(old));
            let of = |other: Option<&Starts>| Some(row.to_exit.middle()? / other?.to_exit.middle()?);
            let above = containers.above_floor(row).filter(|_| target != FLOOR);
            let old_above = old.and_then(|old| containers.above_floor(old));
            table.row([
                target.to_owned(),
                program.to_string(),
                row.image.to_string(),
                ratio(of(runc)),
                ratio(of(old)),
                ratio(above.zip(old_above).map(|(ours, old)| ours / old)),
                maybe(row.to_exit.middle()),
                maybe(above),
            ]);
        }
    }
    table
}

fn small(containers: &Containers) -> Bars {
    let program = containers.small();
    let bar = |target| {
        let Some(row) = containers.start_of(target, program, Setting::WARM) else {
            return Bar::missing(target);
        };
        let (all, colour) = (row.to_exit.median, colour(target));
        let floor = containers.floor_of(row).filter(|floor| *floor < all && target != FLOOR);
        let parts = match floor {
            Some(floor) => vec![(floor, light(colour, FLOORED)), (all - floor, colour)],
            None if target == FLOOR => vec![(all, light(colour, FLOORED))],
            None => vec![(all, colour)],
        };
        Bar { parts, ..whole(target, row) }
    };
    let bars = order::targets(containers).into_iter().map(bar).collect();
    Bars {
        title: format!("Warm start of {program}, from the request to its end"),
        axis: "milliseconds, median".into(),
        may_be_logarithmic: false,
        mark: None,
        legend: vec![
            ("what the floor takes, too".into(), light(GREY, FLOORED)),
            ("above the floor".into(), GREY),
        ],
        groups: vec![Group { name: String::new(), bars }],
    }
}

/// Of those targets that were asked for it.
fn python(containers: &Containers) -> Bars {
    let program = Program::Python;
    let mut targets = order::targets(containers);
    targets
        .retain(|target| containers.starts.iter().any(|row| row.target == *target && row.program == program));
    let bar = |target| match containers.start_of(target, program, Setting::WARM) {
        Some(row) => whole(target, row),
        None => Bar::missing(target),
    };
    Bars {
        title: format!("Warm start of {program}, from the request to its end"),
        axis: "milliseconds, median".into(),
        may_be_logarithmic: false,
        mark: None,
        legend: Vec::new(),
        groups: vec![Group { name: String::new(), bars: targets.into_iter().map(bar).collect() }],
    }
}

/// A bar in one colour.
pub(super) fn whole(name: &str, row: &Starts) -> Bar {
    Bar {
        name: name.to_owned(),
        parts: vec![(row.to_exit.median, colour(&row.target))],
        whiskers: Some([row.to_exit.p5, row.to_exit.p95]),
        label: format!("{} ms", figure(row.to_exit.median)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::NOTHING;
    use crate::fixture;

    #[test]
    fn the_table_has_ratios_before_milliseconds_and_none_of_a_target_to_itself() {
        let containers = fixture::results().containers.expect("the fixture has them");
        let text = ratios(&containers).to_string();
        let rows = text.lines().map(|line| line.trim_matches('|').split('|').map(str::trim).collect());
        let rows: Vec<Vec<&str>> = rows.collect();
        let row = |target: &str, program: &str| {
            let row = rows.iter().find(|row| row[..2] == [target, program]);
            row.map(|row| row[2..].join(" ")).expect("it was started")
        };
        // 25 of 56 ms and of 38 ms; above the floor of 5 ms, 20 of 33.
        assert_eq!(row("wasmtime", "hello"), "artifact 0.45 0.66 0.61 25.0 20.0");
        assert_eq!(row("runc", "hello"), format!("native {NOTHING} {NOTHING} {NOTHING} 56.0 {NOTHING}"));
        assert_eq!(row("floor", "hello"), format!("artifact 0.09 {NOTHING} {NOTHING} 5.00 {NOTHING}"));
        assert_eq!(row("wasmtime", "python"), format!("artifact {NOTHING} {NOTHING} {NOTHING} 35.0 30.0"));
        assert!(!rows.iter().any(|row| row[..2] == ["wasmer", "python"]), "it was refused: {text}");
    }
}
