//! The same container in other settings: never seen before, in a pod, with containerd on a disk.

use shimmer_benches::results::containers::{Containers, Program};
use shimmer_benches::results::query::Setting;

use super::{Section, starts};
use crate::Result;
use crate::figure::{NOTHING, figure, maybe, ratio};
use crate::order;
use crate::palette::{GREY, colour, light};
use crate::plot::bars::{Bar, Bars, Group};
use crate::table::Table;

const OTHERS: [(&str, Setting); 4] = [
    ("cold", Setting::COLD),
    ("in a pod", Setting::POD),
    ("cold in a pod", Setting::COLD_POD),
    ("on a disk", Setting::DISK),
];

pub(super) fn section(mut section: Section, containers: &Containers) -> Result<Section> {
    let small = containers.small();
    let any = |setting| {
        let targets = order::targets(containers);
        targets.into_iter().any(|target| containers.start_of(target, small, setting).is_some())
    };
    if !OTHERS.into_iter().any(|(_, setting)| any(setting)) {
        return Ok(section.missing("no container was started cold, in a pod or on a disk."));
    }
    section.say(
        "Cold: the image has just been unpacked, and nobody has seen these bytes before, so that they have to be \
         compiled. In a pod: through CRI, each container in a pod of its own, from the request to make the pod. On a \
         disk: containerd's root is on the machine's disk, whose fsyncs are in every figure.",
    );
    section.table(
        "Of the time of the same program as a warm task; in brackets milliseconds:",
        &table(containers),
    );
    let absent = OTHERS.into_iter().filter(|(_, setting)| !any(*setting)).map(|(name, _)| name);
    let absent: Vec<&str> = absent.collect();
    if !absent.is_empty() {
        section.say(format_args!("Not measured in this run: {}.", absent.join(", ")));
    }
    let cold = |program| format!("Start of {program}, cold and warm");
    section.bars("start-cold", &beside(containers, small, &cold(small), ("cold", Setting::COLD), "warm"))?;
    let python = Program::Python;
    section.bars(
        "start-python-cold",
        &beside(containers, python, &cold(python), ("cold", Setting::COLD), "warm"),
    )?;
    let pod = format!("Warm start of {small}, in a pod and as a task");
    section.bars("start-pod", &beside(containers, small, &pod, ("pod", Setting::POD), "task"))?;
    Ok(section)
}

fn table(containers: &Containers) -> Table {
    let heads = ["shim", "program", "warm task, ms"];
    let mut table = Table::new(heads.into_iter().chain(OTHERS.into_iter().map(|(name, _)| name)));
    for program in [containers.small(), Program::Python] {
        for target in order::targets(containers) {
            let median = |setting| containers.start_of(target, program, setting)?.to_exit.middle();
            let warm = median(Setting::WARM);
            if warm.is_none() && OTHERS.into_iter().all(|(_, setting)| median(setting).is_none()) {
                continue;
            }
            let cells = OTHERS.into_iter().map(|(_, setting)| match median(setting) {
                Some(other) => format!("{} ({})", ratio(warm.map(|warm| other / warm)), figure(other)),
                None => NOTHING.to_owned(),
            });
            table.row([target.to_owned(), program.to_string(), maybe(warm)].into_iter().chain(cells));
        }
    }
    table
}

/// Two bars for each target: in one setting, and as a warm task.
fn beside(
    containers: &Containers,
    program: Program,
    title: &str,
    (name, setting): (&str, Setting),
    warm: &str,
) -> Bars {
    let group = |target: &str| {
        let bar = |name: &str, setting, part| match containers.start_of(target, program, setting) {
            Some(row) => Bar {
                parts: vec![(row.to_exit.median, light(colour(target), part))],
                ..starts::whole(name, row)
            },
            None => Bar::missing(name),
        };
        let bars = vec![bar(name, setting, 0.0), bar(warm, Setting::WARM, 0.5)];
        Group { name: target.to_owned(), bars }
    };
    let mut targets = order::targets(containers);
    targets.retain(|target| containers.was_tried(target, program, setting));
    Bars {
        title: title.into(),
        axis: "milliseconds, median".into(),
        may_be_logarithmic: true,
        mark: None,
        legend: vec![(name.to_owned(), GREY), (warm.to_owned(), light(GREY, 0.5))],
        groups: targets.into_iter().map(group).collect(),
    }
}
