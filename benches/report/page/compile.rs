//! What becomes of a program before it runs.

use shimmer_benches::results::engines::{Engines, Program};

use super::Section;
use crate::Result;
use crate::figure::{NOTHING, figure, mebibytes, ratio};
use crate::order;
use crate::palette::colour;
use crate::plot::bars::{Bar, Bars, Group};
use crate::table::Table;
use shimmer_benches::summary::Summary;

/// A measure, and how it is read from a row; zero and less were not measured.
type Measure = (&'static str, fn(&Program) -> f64);

const MEASURES: [Measure; 7] = [
    ("compile, ms", |row| row.compile.median),
    ("compiled file, MiB", |row| mebibytes(row.compiled_bytes)),
    ("peak of compiling, MiB", |row| row.compile_peak),
    ("load the source, ms", |row| row.load_source.median),
    ("load the compiled, ms", |row| row.load_compiled.median),
    ("instantiate, ms", |row| row.instantiate.median),
    ("peak of running, MiB", |row| row.run_peak),
];

pub(super) fn section(mut section: Section, found: &Engines) -> Result<Section> {
    if found.programs.is_empty() {
        return Ok(section.missing("no program was compiled."));
    }
    section.say(
        "Compile: into a file. Load the source: compile in memory, in the process that will run it. Load the compiled: \
         map that file. Instantiate: from loaded to ended, of a guest that has nothing to do. Less is better.",
    );
    section.bars("compile", &bars(found, "Compiling into a file", |row| &row.compile))?;
    section.bars("load-compiled", &bars(found, "Loading a compiled file", |row| &row.load_compiled))?;
    for program in programs(found) {
        let size = found.programs.iter().find(|row| row.program == program).map_or(0, |row| row.wasm_bytes);
        let title = format!(
            "{program}, {} MiB of WebAssembly; ratios to the best, in brackets what was measured:",
            figure(mebibytes(size))
        );
        section.table(&title, &table(found, program));
    }
    let rows = found.programs.iter();
    section.gaps(rows.map(|row| (format!("{} on {}", row.program, row.engine), &row.failure, &row.compile)));
    Ok(section)
}

fn programs(found: &Engines) -> Vec<&str> {
    order::distinct(found.programs.iter().map(|row| row.program.as_str()))
}

fn row<'a>(found: &'a Engines, program: &str, engine: &str) -> Option<&'a Program> {
    let mut rows = found.programs.iter();
    rows.find(|row| row.program == program && row.engine == engine && row.failure.is_none())
}

fn table(found: &Engines, program: &str) -> Table {
    let engines = order::engines(found);
    let mut table = Table::new(["measure"].into_iter().chain(engines.iter().copied()));
    for (name, measure) in MEASURES {
        let value = |engine: &&str| {
            row(found, program, engine).map(measure).filter(|value| value.is_finite() && *value > 0.0)
        };
        let values: Vec<Option<f64>> = engines.iter().map(value).collect();
        let Some(best) = values.iter().flatten().copied().reduce(f64::min) else { continue };
        let cell = |value: Option<f64>| match value {
            Some(value) if value == best => format!("**1.00** ({})", figure(value)),
            Some(value) => format!("{} ({})", ratio(Some(value / best)), figure(value)),
            None => NOTHING.to_owned(),
        };
        table.row([name.to_owned()].into_iter().chain(values.into_iter().map(cell)));
    }
    table
}

fn bars(found: &Engines, title: &str, measure: impl Fn(&Program) -> &Summary) -> Bars {
    let engines = order::engines(found);
    let group = |program: &str| {
        let bar = |engine: &&str| match row(found, program, engine).map(&measure) {
            Some(times) if times.middle().is_some() => Bar {
                name: (*engine).to_owned(),
                parts: vec![(times.median, colour(engine))],
                whiskers: Some([times.p5, times.p95]),
                label: format!("{} ms", figure(times.median)),
            },
            _ => Bar::missing(*engine),
        };
        Group { name: program.to_owned(), bars: engines.iter().map(bar).collect() }
    };
    Bars {
        title: title.into(),
        axis: "milliseconds, median".into(),
        may_be_logarithmic: true,
        mark: None,
        legend: engines.iter().map(|engine| ((*engine).to_owned(), colour(engine))).collect(),
        groups: programs(found).into_iter().map(group).collect(),
    }
}
