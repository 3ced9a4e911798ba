//! The same container in other settings: never seen before, in a pod, with containerd on a disk.

use shimmer_benches::results::containers::{Containers, Program, Starts};
use shimmer_benches::results::query::Setting;
use shimmer_benches::results::target::FLOOR;

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

/// Where the floor was measured as well.
const ABOVE: [(&str, Setting); 2] = [("cold", Setting::COLD), ("on a disk", Setting::DISK)];

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
        "Of the time of the same program in the same kind of image as a warm task; in brackets milliseconds:",
        &table(containers),
    );
    section.say(
        "A dash is what is not started so: the floor in pods, where a sandbox has to live until it is told to end and a \
         task of the floor ends at once; Python in pods and on a disk.",
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
    let heads = heads.into_iter().chain(OTHERS.into_iter().map(|(name, _)| name));
    let above = ABOVE.map(|(name, _)| format!("{name}, above the floor, ms"));
    let mut table = Table::new(heads.map(str::to_owned).chain(above));
    for program in [containers.small(), Program::Python] {
        for target in order::targets(containers) {
            let warm = containers.start_of(target, program, Setting::WARM);
            if warm.is_none() && OTHERS.into_iter().all(|(_, it)| !has(containers, target, program, it)) {
                continue;
            }
            let words =
                [target.to_owned(), program.to_string(), maybe(warm.and_then(|row| row.to_exit.middle()))];
            let ratios = OTHERS.map(|(_, setting)| of_warm(containers, target, program, setting));
            let above = ABOVE.map(|(_, setting)| maybe(above_floor(containers, target, program, setting)));
            table.row(words.into_iter().chain(ratios).chain(above));
        }
    }
    table
}

fn has(containers: &Containers, target: &str, program: Program, setting: Setting) -> bool {
    containers.start_of(target, program, setting).is_some()
}

/// The ratio to a warm task of the same image, and what was measured.
fn of_warm(containers: &Containers, target: &str, program: Program, setting: Setting) -> String {
    let Some((row, warm)) = containers.beside_warm(target, program, setting) else {
        return NOTHING.to_owned();
    };
    let warm = warm.map(|warm| row.to_exit.median / warm.to_exit.median);
    format!("{} ({})", ratio(warm), figure(row.to_exit.median))
}

fn above_floor(containers: &Containers, target: &str, program: Program, setting: Setting) -> Option<f64> {
    let (row, _) = containers.beside_warm(target, program, setting).filter(|_| target != FLOOR)?;
    containers.above_floor(row)
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
        let pair = containers.beside_warm(target, program, setting);
        let bar = |name: &str, row: Option<&Starts>, part| match row {
            Some(row) => Bar {
                parts: vec![(row.to_exit.median, light(colour(target), part))],
                ..starts::whole(name, row)
            },
            None => Bar::missing(name),
        };
        let beside = match pair {
            Some((_, warm)) => warm,
            None => containers.start_of(target, program, Setting::WARM),
        };
        let bars = vec![bar(name, pair.map(|(row, _)| row), 0.0), bar(warm, beside, 0.5)];
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

#[cfg(test)]
mod tests {
    use shimmer_benches::results::Results;
    use shimmer_benches::results::containers::{Form, Store};
    use shimmer_benches::summary::Summary;

    use super::*;
    use crate::fixture;

    /// Artifacts as the fixture has them, and rootfs images that take twice as long; on a disk there are only those.
    fn containers() -> Containers {
        let Results { containers: Some(mut containers), .. } = fixture::results() else { unreachable!() };
        let wasm = |row: &&mut Starts| row.image == Form::Artifact && row.program == Program::Hello;
        for row in containers.starts.iter_mut().filter(wasm).filter(|row| row.store == Store::Disk) {
            row.image = Form::Rootfs;
        }
        let warm = containers.starts.iter().filter(|row| row.setting() == Setting::WARM);
        let warm = warm.filter(|row| row.image == Form::Artifact && row.program == Program::Hello);
        let rootfs = warm.map(|row| Starts {
            image: Form::Rootfs,
            to_exit: Summary::of(vec![row.to_exit.median * 2.0]),
            ..row.clone()
        });
        let rootfs: Vec<Starts> = rootfs.collect();
        containers.starts.extend(rootfs);
        containers
    }

    #[test]
    fn a_start_is_compared_with_a_warm_one_of_the_same_image() {
        let containers = containers();
        let of = |target, setting| of_warm(&containers, target, Program::Hello, setting);
        // 75 ms of a rootfs on a disk, whose warm task takes 50 and not the artifact's 25.
        assert_eq!(of("wasmtime", Setting::DISK), "1.50 (75.0)");
        assert_eq!(of("wasmtime", Setting::COLD), "2.20 (55.0)", "there both are artifacts");
        assert_eq!(of("runc", Setting::DISK), "1.89 (106)", "a native program has one image");
    }

    fn cells(line: &str) -> Vec<&str> {
        line.trim_matches('|').split('|').map(str::trim).collect()
    }

    #[test]
    fn the_table_says_what_is_above_the_floor_where_the_floor_was_measured() {
        let containers = containers();
        let text = table(&containers).to_string();
        let row = |name: &str| text.lines().find(|line| line.starts_with(&format!("| {name} "))).map(cells);
        let wasmtime = row("wasmtime").expect("it was started");
        // Cold 55 less 35; on a disk 75 less 55.
        assert_eq!(
            wasmtime[2..],
            ["25.0", "2.20 (55.0)", "2.20 (55.0)", NOTHING, "1.50 (75.0)", "20.0", "20.0"]
        );
        assert_eq!(row("floor").expect("it is the floor")[7..], [NOTHING; 2]);
    }
}
