//! What commands write into the pages of docs/, between marks.

use std::fs;

use crate::{Result, machine};

/// Puts a table between its marks in a page of the workspace.
pub(crate) fn write(page: &str, of: &str, table: &str) -> Result<()> {
    let path = machine::workspace().join(page);
    let text = fs::read_to_string(&path)?;
    let text =
        between_marks(&text, of, table).ok_or_else(|| format!("{} has no marks for {of}", path.display()))?;
    Ok(fs::write(path, text)?)
}

/// A page with another table of this name.
fn between_marks(page: &str, of: &str, table: &str) -> Option<String> {
    let (first, last) = (format!("<!-- table of {of} -->\n"), "<!-- end of the table -->");
    let (before, rest) = page.split_once(&first)?;
    let (_, after) = rest.split_once(last)?;
    Some(format!("{before}{first}\n{}\n\n{last}{after}", table.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_each_table_between_its_own_marks() {
        let marked = |of: &str, table: &str| {
            format!("<!-- table of {of} -->\n\n{table}\n\n<!-- end of the table -->\n")
        };
        let page = |one, other| format!("# Page\n{}text\n{}end\n", marked("a", one), marked("b", other));
        assert_eq!(between_marks(&page("1", "2"), "a", "new\n"), Some(page("new", "2")));
        assert_eq!(between_marks(&page("1", "2"), "b", "new"), Some(page("1", "new")));
        assert_eq!(between_marks(&page("1", "2"), "c", "new"), None);
    }
}
