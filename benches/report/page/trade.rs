//! What an engine takes for compiling, and what it gives back while programs run.

use shimmer_benches::results::engines::{Engines, Program};

use super::{Section, speed};
use crate::Result;
use crate::figure::{figure, ratio};
use crate::order;
use crate::palette::colour;
use crate::plot::scatter::{Point, Scatter};

pub(super) fn section(mut section: Section, found: &Engines) -> Result<Section> {
    let Some(program) = largest(found) else {
        return Ok(section.missing("no program was compiled by every engine."));
    };
    let point = |engine: &&str| {
        let compile = self::program(found, engine, program)?.compile.middle()?;
        let run = speed::mean(found, engine, None)?;
        let label = format!("{engine} ({} ms, {})", figure(compile), ratio(Some(run)));
        Some(Point { at: [compile, run], label, colour: colour(engine) })
    };
    let points: Vec<Point> = order::engines(found).iter().filter_map(point).collect();
    if points.is_empty() {
        return Ok(section.missing("no engine has both compiled that program and run the kernels."));
    }
    let scatter = Scatter {
        title: "Compile time against run time".into(),
        axes: [
            format!("compiling {program}, ms"),
            "run time of the kernels, times native (geometric mean)".into(),
        ],
        note: "better: to the left and down; the line is native code".into(),
        mark: 1.0,
        points,
    };
    section.say(format_args!(
        "To the right: compiling {program}, the largest program that all engines have compiled. Upwards: the \
         geometric mean of the kernels that all engines have run."
    ));
    section.picture("trade", &scatter.title, scatter.svg()?);
    Ok(section)
}

/// The largest program that every engine which compiled any has compiled.
pub(super) fn largest(found: &Engines) -> Option<&str> {
    let compiled = |engine: &str, name: &str| program(found, engine, name).is_some();
    let names = order::distinct(found.programs.iter().map(|row| row.program.as_str()));
    let mut engines = order::engines(found);
    engines.retain(|engine| names.iter().any(|name| compiled(engine, name)));
    let shared = names.into_iter().filter(|name| engines.iter().all(|engine| compiled(engine, name)));
    let size =
        |name: &&str| found.programs.iter().find(|row| row.program == **name).map(|row| row.wasm_bytes);
    shared.filter(|_| !engines.is_empty()).max_by_key(size)
}

/// A program that an engine has compiled.
pub(super) fn program<'a>(found: &'a Engines, engine: &str, name: &str) -> Option<&'a Program> {
    let mut rows = found.programs.iter().filter(|row| row.engine == engine && row.program == name);
    rows.find(|row| row.failure.is_none() && row.compile.middle().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn the_largest_program_is_one_that_all_have_compiled() {
        let mut found = fixture::engines();
        assert_eq!(largest(&found), Some("large"));
        let row = found.programs.iter_mut().find(|row| row.engine == "wasmer" && row.program == "large");
        row.expect("it is in the fixture").failure = Some("it broke".into());
        assert_eq!(largest(&found), Some("small"));
    }
}
