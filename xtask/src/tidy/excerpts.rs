//! Pages show code as it is: a block that names a file behind its language stands in that file, word for word.

use crate::tidy::tree::Tree;

/// Blocks that their file does not contain. A page that quotes files at all names the file of each piece of Rust:
/// one without a name would go stale unseen.
pub(crate) fn stale(tree: &Tree) -> Vec<String> {
    let pages = tree.files().filter(|(path, _)| path.ends_with(".md"));
    let breaches = pages.flat_map(|(page, text)| {
        let blocks = blocks(text);
        let quotes = blocks.iter().any(|block| block.path().is_some());
        blocks.into_iter().filter_map(move |block| block.breach(tree, page, quotes))
    });
    breaches.collect()
}

struct Block<'a> {
    line: usize,
    /// What follows the opening fence: the language, and perhaps a path from the root of the tree.
    label: &'a str,
    text: String,
}

impl Block<'_> {
    fn path(&self) -> Option<&str> {
        Some(self.label.split_once(' ')?.1)
    }

    fn breach(&self, tree: &Tree, page: &str, quotes: bool) -> Option<String> {
        let place = format!("{page}:{}", self.line);
        let Some(path) = self.path() else {
            let unnamed = self.label == "rust" && quotes;
            return unnamed
                .then(|| format!("{place}: name the file of this code, as in ```rust crates/x/src/y.rs"));
        };
        let Some(text) = tree.text(path) else {
            return Some(format!("{place}: it quotes {path}, which does not exist"));
        };
        let whole_lines = format!("\n{text}").contains(&format!("\n{}", self.text));
        (!whole_lines).then(|| format!("{place}: {path} does not say this any more: quote it again"))
    }
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut open: Option<Block<'_>> = None;
    for (index, line) in page.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(label)) => {
                open = Some(Block { line: index + 1, label: label.trim(), text: String::new() })
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "fn main() {\n    run();\n}\n\nfn run() {}\n";

    fn breaches(page: &str) -> Vec<String> {
        stale(&Tree::of(&[("docs/page.md", page), ("src/main.rs", CODE)]))
    }

    #[test]
    fn whole_lines_of_the_named_file_pass() {
        let page = "Text.\n```rust src/main.rs\nfn run() {}\n```\n```rust src/main.rs\nfn main() {\n    run();\n}\n```\n";
        assert_eq!(breaches(page), [""; 0]);
        assert_eq!(breaches("```console\n$ run\n```\n```toml\na = 1\n```\n"), [""; 0]);
    }

    #[test]
    fn code_that_is_not_in_the_file_is_stale() {
        for code in ["fn run() { }", "run();", "fn main() {\nrun();"] {
            let breaches = breaches(&format!("Text.\n```rust src/main.rs\n{code}\n```\n"));
            assert_eq!(breaches.len(), 1, "{code}: {breaches:?}");
            assert!(breaches[0].starts_with("docs/page.md:2: src/main.rs "), "{breaches:?}");
        }
    }

    #[test]
    fn code_names_a_file_that_exists() {
        assert_eq!(breaches("```rust src/other.rs\nfn run() {}\n```\n").len(), 1);
    }

    #[test]
    fn a_page_that_quotes_files_names_them_all() {
        let sketch = "```rust\nfn sketch() {}\n```\n";
        assert_eq!(breaches(sketch), [""; 0]);
        let breaches = breaches(&format!("{sketch}```rust src/main.rs\nfn run() {{}}\n```\n"));
        assert_eq!(breaches.len(), 1, "{breaches:?}");
        assert!(breaches[0].starts_with("docs/page.md:1: name the file"), "{breaches:?}");
    }
}
