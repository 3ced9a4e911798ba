//! How fast programs run, against a native build of the same source.

use shimmer_benches::results::engines::{Engines, Kernel, NATIVE};
use shimmer_benches::summary::Quartiles;

use super::Section;
use crate::Result;
use crate::figure::{geometric_mean, maybe, ratio};
use crate::order;
use crate::palette::colour;
use crate::plot::bars::{Bar, Bars, Group};
use crate::table::Table;

pub(super) fn section(mut section: Section, found: &Engines) -> Result<Section> {
    if found.kernels.is_empty() {
        return Ok(section.missing("no kernel was run."));
    }
    section.say(
        "The median over that of native code: 1.0 is as fast, 2.0 takes twice as long. Each run is a process of its \
         own, as in a container. Less is better.",
    );
    section.table("Geometric means of the kernels that all engines have run:", &means(found));
    section.bars("speed", &bars(found))?;
    section.say(
        "Whiskers reach from the 5th to the 95th percentile of the engine, over the median of native code.",
    );
    section.table("Times native:", &ratios(found));
    section.appendix("Medians in milliseconds, and the most memory of the process in MiB", &figures(found));
    let rows = found.kernels.iter();
    section.gaps(rows.map(|row| (format!("{} on {}", row.kernel, row.engine), &row.failure, &row.run)));
    Ok(section)
}

/// The kinds of work, in the order of the kernels.
pub(super) fn kinds(found: &Engines) -> Vec<&str> {
    order::distinct(found.kernels.iter().map(|row| row.kind.as_str()))
}

/// What an engine's ratios have in the middle, of those kernels that all engines have run.
pub(super) fn mean(found: &Engines, engine: &str, kind: Option<&str>) -> Option<f64> {
    mean_of(found, engine, kind, of_native)
}

/// The same of one kind of work, with that of the engine's quartiles over native code's medians.
pub(super) fn quartiles(found: &Engines, engine: &str, kind: &str) -> Option<Quartiles> {
    let low = |row: &Kernel| Some(of_native(row)? * row.run.p25 / row.run.median);
    let high = |row: &Kernel| Some(of_native(row)? * row.run.p75 / row.run.median);
    let of = |figure: &dyn Fn(&Kernel) -> Option<f64>| mean_of(found, engine, Some(kind), figure);
    Some([of(&low)?, of(&of_native)?, of(&high)?])
}

fn mean_of(
    found: &Engines,
    engine: &str,
    kind: Option<&str>,
    figure: impl Fn(&Kernel) -> Option<f64>,
) -> Option<f64> {
    let shared = shared(found).into_iter();
    let rows = shared.filter_map(|kernel| row(found, kernel, engine));
    let rows = rows.filter(|row| kind.is_none_or(|kind| row.kind == kind));
    geometric_mean(&rows.filter_map(figure).collect::<Vec<_>>())
}

/// The kernels that can be compared: of every engine that ran any.
fn shared(found: &Engines) -> Vec<&str> {
    let mut engines = order::engines(found);
    let ran = |engine: &str, kernel| row(found, kernel, engine).and_then(of_native).is_some();
    let mut kernels = kernels(found);
    engines.retain(|engine| kernels.iter().any(|kernel| ran(engine, kernel)));
    kernels.retain(|kernel| engines.iter().all(|engine| ran(engine, kernel)));
    kernels
}

fn kernels(found: &Engines) -> Vec<&str> {
    order::distinct(found.kernels.iter().map(|row| row.kernel.as_str()))
}

fn row<'a>(found: &'a Engines, kernel: &str, engine: &str) -> Option<&'a Kernel> {
    let mut rows = found.kernels.iter();
    rows.find(|row| row.kernel == kernel && row.engine == engine && row.failure.is_none())
}

fn of_native(row: &Kernel) -> Option<f64> {
    row.of_native.filter(|ratio| ratio.is_finite() && *ratio > 0.0)
}

fn means(found: &Engines) -> Table {
    let engines = order::engines(found);
    let mut table = Table::new(["work"].into_iter().chain(engines.iter().copied()));
    let rows = kinds(found).into_iter().map(|kind| (kind, Some(kind))).chain([("all", None)]);
    for (name, kind) in rows {
        let means: Vec<_> = engines.iter().map(|engine| mean(found, engine, kind)).collect();
        if means.iter().any(Option::is_some) {
            table.row([name.to_owned()].into_iter().chain(means.into_iter().map(ratio)));
        }
    }
    table
}

fn bars(found: &Engines) -> Bars {
    let engines = order::engines(found);
    let group = |kernel: &str| {
        let native = row(found, kernel, NATIVE).and_then(|row| row.run.middle());
        let bar = |engine: &&str| {
            let Some((row, times)) = row(found, kernel, engine).and_then(|row| Some((row, of_native(row)?)))
            else {
                return Bar::missing(*engine);
            };
            Bar {
                name: (*engine).to_owned(),
                parts: vec![(times, colour(engine))],
                whiskers: native.map(|native| [row.run.p5 / native, row.run.p95 / native]),
                label: ratio(Some(times)),
            }
        };
        Group { name: kernel.to_owned(), bars: engines.iter().map(bar).collect() }
    };
    Bars {
        title: "Run time of kernels against native code".into(),
        axis: "times native".into(),
        may_be_logarithmic: true,
        mark: Some(1.0),
        legend: engines.iter().map(|engine| ((*engine).to_owned(), colour(engine))).collect(),
        groups: kernels(found).into_iter().map(group).collect(),
    }
}

fn ratios(found: &Engines) -> Table {
    let engines = order::engines(found);
    let mut table = Table::new(["kernel", "work"].into_iter().chain(engines.iter().copied()));
    for kernel in kernels(found) {
        let kind = found.kernels.iter().find(|row| row.kernel == kernel).map(|row| row.kind.clone());
        let cells = engines.iter().map(|engine| ratio(row(found, kernel, engine).and_then(of_native)));
        table.row([kernel.to_owned(), kind.unwrap_or_default()].into_iter().chain(cells));
    }
    table
}

fn figures(found: &Engines) -> Table {
    let mut table = Table::new(["kernel", "on", "size", "5 %", "median", "95 %", "peak"]);
    for row in found.kernels.iter().filter(|row| row.failure.is_none() && row.run.middle().is_some()) {
        let words = [row.kernel.clone(), row.engine.clone(), row.size.to_string()];
        let peak = Some(row.peak).filter(|peak| *peak > 0.0);
        let figures = [Some(row.run.p5), Some(row.run.median), Some(row.run.p95), peak].map(maybe);
        table.row(words.into_iter().chain(figures));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn engines_are_compared_by_what_all_of_them_have_run() {
        let mut found = fixture::engines();
        assert!(mean(&found, "wasmtime", None).is_some_and(|mean| (mean - 1.2).abs() < 1e-9));
        let row = found.kernels.iter_mut().find(|row| row.engine == "wasmer" && row.kernel == "fib");
        row.expect("it is in the fixture").failure = Some("it broke".into());
        assert_eq!(shared(&found), ["sha256"]);
        assert_eq!(mean(&found, "wasmtime", Some("calls")), None, "wasmer has no figure for it");
    }
}
