//! The kernel's words and numbers.

use std::collections::HashMap;

/// A file of lines that are a key and a number.
///
/// Other lines are skipped: the kernel adds new ones, and what it says is never a reason to fail.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table(HashMap<String, u64>);

impl Table {
    pub(crate) fn parse(text: &str) -> Self {
        let line = |line: &str| {
            let (key, value) = line.split_once(char::is_whitespace)?;
            Some((key.to_owned(), number(value)?))
        };
        Self(text.lines().filter_map(line).collect())
    }

    pub(crate) fn value(&self, key: &str) -> Option<u64> {
        self.0.get(key).copied()
    }

    /// The value, or 0 where there is none, as protobuf has it.
    pub(crate) fn count(&self, key: &str) -> u64 {
        self.value(key).unwrap_or_default()
    }
}

/// A number; `max` and what is too large for one are the largest.
pub(crate) fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    let is_large = text == "max" || (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
    text.parse().ok().or_else(|| is_large.then_some(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_whatever_the_kernel_may_say() {
        assert_eq!(number(" 42\n"), Some(42));
        assert_eq!(number("max\n"), Some(u64::MAX));
        assert_eq!(number("99999999999999999999999"), Some(u64::MAX));
        for nothing in ["", "\n", "-1", "1.5", "maximum", "\u{fffd}"] {
            assert_eq!(number(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn skips_lines_that_are_not_a_key_and_a_number() {
        let table = Table::parse("low 0\nhigh\n\nmax max\n oom 1\noom_kill\t7\nwide 1 2\n");
        assert_eq!(
            (table.value("low"), table.value("max"), table.value("oom_kill")),
            (Some(0), Some(u64::MAX), Some(7))
        );
        for absent in ["high", "oom", "wide", ""] {
            assert_eq!((table.value(absent), table.count(absent)), (None, 0), "{absent}");
        }
    }
}
