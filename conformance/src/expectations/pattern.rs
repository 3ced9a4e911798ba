use std::fmt;

use serde::Deserialize;

/// A case's id, or all ids below a folder: `exec/exit-code`, `exec/*`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "String")]
pub(crate) struct Pattern(String);

impl Pattern {
    pub(crate) fn matches(&self, id: &str) -> bool {
        match self.folder() {
            Some(folder) => id.starts_with(folder),
            None => id == self.0,
        }
    }

    /// Whether an id can match both.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        match (self.folder(), other.folder()) {
            (Some(ours), Some(theirs)) => ours.starts_with(theirs) || theirs.starts_with(ours),
            (_, None) => self.matches(&other.0),
            (None, _) => other.matches(&self.0),
        }
    }

    /// What comes before the star, the slash included.
    fn folder(&self) -> Option<&str> {
        self.0.strip_suffix('*')
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let exact = text.strip_suffix("/*").unwrap_or(&text);
        if exact.is_empty() || exact.contains('*') || exact.contains(char::is_whitespace) {
            return Err(format!("`{text}` is neither the id of a case nor a folder of them, like `exec/*`"));
        }
        Ok(Self(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        text.to_owned().try_into().expect("a valid pattern")
    }

    #[test]
    fn a_star_stands_for_all_below_a_folder() {
        assert!(pattern("exec/*").matches("exec/exit-code"));
        assert!(pattern("exec/*").matches("exec/probe/native"), "however deep");
        assert!(!pattern("exec/*").matches("execution/order"), "another folder");
        assert!(!pattern("exec/exit-code").matches("exec/exit-code-of-a-signal"), "an id is exact");
    }

    #[test]
    fn refuses_a_star_elsewhere() {
        for text in ["*", "/*", "", "exec*", "*/exit", "exec/**", "exec/ exit"] {
            Pattern::try_from(text.to_owned()).expect_err(text);
        }
    }

    #[test]
    fn overlap_is_mutual() {
        for (one, other, overlap) in [
            ("exec/*", "exec/exit-code", true),
            ("exec/*", "exec/probe/*", true),
            ("exec/one", "exec/one", true),
            ("exec/one", "exec/two", false),
            ("exec/*", "files/*", false),
        ] {
            assert_eq!(pattern(one).overlaps(&pattern(other)), overlap, "{one} and {other}");
            assert_eq!(pattern(other).overlaps(&pattern(one)), overlap, "{other} and {one}");
        }
    }
}
