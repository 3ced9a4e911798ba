//! Tables in Markdown that can be read as they are.

use std::fmt;

/// A table. Columns of words begin at the left, and columns of figures end at the right.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new<C: Into<String>>(heads: impl IntoIterator<Item = C>) -> Self {
        let mut table = Self { rows: Vec::new() };
        table.row(heads);
        table
    }

    pub(crate) fn row<C: Into<String>>(&mut self, cells: impl IntoIterator<Item = C>) {
        let cells = cells
            .into_iter()
            .map(|cell| cell.into().replace('|', "\\|").replace('<', "&lt;").replace('\n', " "));
        self.rows.push(cells.collect());
    }

    /// Whether there is nothing but its head.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.len() < 2
    }
}

impl fmt::Display for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(head) = self.rows.first() else { return Ok(()) };
        let columns: Vec<Column> = (0..head.len()).map(|place| Column::of(place, &self.rows)).collect();
        for (number, row) in self.rows.iter().enumerate() {
            write!(out, "|")?;
            for (place, Column { width, is_of_figures }) in columns.iter().enumerate() {
                let cell = row.get(place).map(String::as_str).unwrap_or_default();
                if *is_of_figures {
                    write!(out, " {cell:>width$} |")?;
                } else {
                    write!(out, " {cell:width$} |")?;
                }
            }
            writeln!(out)?;
            if number == 0 {
                let lines = columns.iter().map(Column::line).collect::<Vec<_>>();
                writeln!(out, "| {} |", lines.join(" | "))?;
            }
        }
        Ok(())
    }
}

struct Column {
    width: usize,
    /// They stand to the right.
    is_of_figures: bool,
}

impl Column {
    fn of(place: usize, rows: &[Vec<String>]) -> Self {
        let cells = || rows.iter().filter_map(|row| row.get(place));
        let width = cells().map(|cell| cell.chars().count()).max().unwrap_or_default().max(3);
        let is_figure =
            |cell: &String| cell.starts_with(|first: char| "*(-–".contains(first) || first.is_ascii_digit());
        Self { width, is_of_figures: cells().skip(1).all(is_figure) }
    }

    fn line(&self) -> String {
        if self.is_of_figures { "-".repeat(self.width - 1) + ":" } else { "-".repeat(self.width) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["shim", "ms", "image"]);
        assert!(table.is_empty());
        table.row(["wasmtime", "25.4", "<none>"]);
        table.row(["a|b", "–", "x"]);
        let text = "| shim     |   ms | image     |\n\
                    | -------- | ---: | --------- |\n\
                    | wasmtime | 25.4 | &lt;none> |\n\
                    | a\\|b     |    – | x         |\n";
        assert_eq!(table.to_string(), text);
    }
}
