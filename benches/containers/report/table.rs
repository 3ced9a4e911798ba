//! Columns that are as wide as what is in them.

/// A table of words, then of figures.
#[derive(Debug)]
pub(super) struct Table {
    /// How many columns are words, which begin at the left; figures end at the right.
    words: usize,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(words: &[&str], figures: &[&str]) -> Self {
        let head = words.iter().chain(figures).map(|&head| head.to_owned()).collect();
        Self { words: words.len(), rows: vec![head] }
    }

    /// A row, which may be shorter than the first: then its last cell is a sentence of any length.
    pub(super) fn push(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }

    pub(super) fn render(&self) -> String {
        let columns = self.rows[0].len();
        let complete = || self.rows.iter().filter(|row| row.len() == columns);
        let width =
            |column: usize| complete().map(|row| row[column].chars().count()).max().unwrap_or_default();
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let width = if row.len() < columns && column + 1 == row.len() { 0 } else { widths[column] };
                line += "  ";
                line +=
                    &if column < self.words { format!("{cell:width$}") } else { format!("{cell:>width$}") };
            }
            text += line.trim_end();
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_begin_and_figures_end_below_each_other() {
        let mut table = Table::new(&["shim"], &["ms", "MiB"]);
        table.push(vec!["wasmtime".into(), "7.5".into(), "1".into()]);
        table.push(vec!["floor".into(), "no figures: it is not there".into()]);
        let expected =
            "  shim       ms  MiB\n  wasmtime  7.5    1\n  floor     no figures: it is not there\n";
        assert_eq!(table.render(), expected);
    }
}
