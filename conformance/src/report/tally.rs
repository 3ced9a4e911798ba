use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Outcome, Verdict};

/// How many cases ended how.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Tally {
    /// Ended as they must.
    pub passed: usize,
    /// Those among the passed whose program was refused because the shim does not claim what it needs.
    pub refused: usize,
    /// Failed as is known.
    pub known: usize,
    /// Passed although they are known to fail.
    pub mended: usize,
    /// Failed, and nobody knew.
    pub failed: usize,
}

impl Tally {
    /// How many there were.
    #[must_use]
    pub fn cases(&self) -> usize {
        self.passed + self.known + self.mended + self.failed
    }
}

impl<'a> FromIterator<&'a Outcome> for Tally {
    fn from_iter<I: IntoIterator<Item = &'a Outcome>>(outcomes: I) -> Self {
        let mut tally = Self::default();
        for outcome in outcomes {
            match outcome.verdict {
                Verdict::Passed => tally.passed += 1,
                Verdict::Failed => tally.failed += 1,
                Verdict::Known { .. } => tally.known += 1,
                Verdict::Mended { .. } => tally.mended += 1,
            }
            tally.refused += usize::from(outcome.verdict == Verdict::Passed && !outcome.claimed);
        }
        tally
    }
}

/// `50/52 (2 known)`: what passed, of how many, and what is to be said about the others.
impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { passed, refused, known, mended, failed } = *self;
        let counts = [(failed, "failed"), (mended, "mended"), (known, "known"), (refused, "refused")];
        let notes: Vec<String> = counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        let fraction = format!("{passed}/{}", self.cases());
        match notes.as_slice() {
            [] => formatter.pad(&fraction),
            _ => formatter.pad(&format!("{fraction} ({})", notes.join(", "))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{failed, known, mended, passed};

    #[test]
    fn says_what_is_not_simply_passed() {
        let unclaimed = Outcome { claimed: false, ..passed("a") };
        let tally: Tally =
            [passed("b"), unclaimed, known("c"), mended("d"), failed("e", "no")].iter().collect();
        assert_eq!(tally.to_string(), "2/5 (1 failed, 1 mended, 1 known, 1 refused)");
        assert_eq!([passed("b")].iter().collect::<Tally>().to_string(), "1/1");
    }

    #[test]
    fn an_unclaimed_case_that_fails_is_not_refused() {
        let tally: Tally = [Outcome { claimed: false, ..failed("a", "it ran") }].iter().collect();
        assert_eq!(tally.to_string(), "0/1 (1 failed)");
    }
}
