use std::fmt::Write;
use std::time::Duration;

use crate::row::Row;

/// The rows as an aligned table, a heading for each program, and a line for each failure.
pub(crate) fn render(rows: &[Row]) -> String {
    let mut text = String::new();
    let mut program = "";
    for row in rows {
        if row.program != program {
            program = row.program;
            let _ = writeln!(text, "\n{program}: {}", row.does);
            let _ = writeln!(
                text,
                "  {:10} {:10} {:>9} {:>9} {:>9}  code of a warm start",
                "engine", "image", "exit code", "cold ms", "warm ms"
            );
        }
        let _ = writeln!(
            text,
            "  {:10} {:10} {:>9} {:>9} {:>9}  {}",
            row.engine,
            row.kind,
            row.code,
            milliseconds(row.cold),
            milliseconds(row.warm),
            row.warm_code
        );
    }
    text.push('\n');
    for (row, failure) in rows.iter().filter_map(|row| Some((row, row.failure.as_ref()?))) {
        let _ = writeln!(text, "FAILED: {} on {} ({}): {failure}", row.program, row.engine, row.kind);
    }
    text
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.0}", duration.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Kind;

    fn row(engine: &str, failure: Option<&str>) -> Row {
        Row {
            program: "hello",
            does: "greets".into(),
            engine: engine.into(),
            kind: Kind::Artifact,
            code: 0,
            cold: Duration::from_micros(123_600),
            warm: Duration::from_millis(45),
            warm_code: "cached",
            failure: failure.map(str::to_owned),
        }
    }

    #[test]
    fn columns_are_aligned() {
        let text = render(&[row("wasmer", None), row("wasmtime", None)]);
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("  ")).collect();
        assert_eq!(lines[1], "  wasmer     artifact           0       124        45  cached");
        assert_eq!(
            lines[0].find("warm ms").map(|at| at + "warm ms".len()),
            lines[1].find("45").map(|at| at + 2)
        );
    }

    #[test]
    fn a_failure_is_told_below_the_table() {
        let text = render(&[row("wasmer", Some("no output"))]);
        assert!(text.ends_with("FAILED: hello on wasmer (artifact): no output\n"), "{text}");
    }
}
