//! Tables for whoever sits before the screen; the page is `shimmer-report`'s.

use std::fmt::Write;

use shimmer_benches::results::engines::Engines;

/// Ratios first: milliseconds depend on the machine.
pub(crate) fn render(outcome: &Engines) -> String {
    let mut text = String::new();
    // Writing into a string does not fail.
    let _ = kernels(outcome, &mut text).and_then(|()| programs(outcome, &mut text));
    text
}

fn kernels(outcome: &Engines, text: &mut String) -> std::fmt::Result {
    if outcome.kernels.is_empty() {
        return Ok(());
    }
    writeln!(
        text,
        "\ntimes native, medians of {} in turns; in milliseconds and MiB at most",
        outcome.rounds
    )?;
    writeln!(text, "  {:10}{:20}{:12}{:>8}{:>11}{:>9}", "kernel", "kind", "engine", "ratio", "ms", "MiB")?;
    for row in &outcome.kernels {
        write!(text, "  {:10}{:20}{:12}", row.kernel, row.kind, row.engine)?;
        match (&row.failure, row.of_native) {
            (Some(failure), _) => writeln!(text, "  no figures: {failure}")?,
            (None, ratio) => {
                let ratio = ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
                writeln!(text, "{ratio:>8}{:>11.2}{:>9.1}", row.run.median, row.peak)?;
            }
        }
    }
    let noise = outcome.trust();
    writeln!(text, "  {}", noise.said())?;
    noise.warning().map_or(Ok(()), |warning| writeln!(text, "  WARNING: {warning}"))
}

fn programs(outcome: &Engines, text: &mut String) -> std::fmt::Result {
    writeln!(text, "\nuntil a program runs: medians in milliseconds, sizes in KiB, memory at most in MiB")?;
    let heads = ["compile", "load src", "load", "instantiate", "wasm", "compiled", "compiling", "running"];
    write!(text, "  {:10}{:12}", "program", "engine")?;
    heads.iter().try_for_each(|head| write!(text, "{head:>12}"))?;
    writeln!(text)?;
    for row in &outcome.programs {
        write!(text, "  {:10}{:12}", row.program, row.engine)?;
        if let Some(failure) = &row.failure {
            writeln!(text, "  no figures: {failure}")?;
            continue;
        }
        for time in [&row.compile, &row.load_source, &row.load_compiled, &row.instantiate] {
            write!(text, "{:>12.2}", time.median)?;
        }
        writeln!(
            text,
            "{:>12}{:>12}{:>12.1}{:>12.1}",
            row.wasm_bytes / 1024,
            row.compiled_bytes / 1024,
            row.compile_peak,
            row.run_peak
        )?;
    }
    Ok(())
}
