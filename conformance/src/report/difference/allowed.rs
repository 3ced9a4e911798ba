use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::Difference;
use crate::error::{Error, ErrorKind, Result};
use crate::expectations::{Pattern, Scope, sentence, some};
use crate::level::Level;

/// Differences that have a reason; by default none.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allowed {
    #[serde(default, rename = "difference")]
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(deserialize_with = "some")]
    cases: Vec<Pattern>,
    #[serde(default = "Scope::all")]
    levels: Scope<Level>,
    fact: String,
    #[serde(deserialize_with = "sentence")]
    reason: String,
    #[serde(default)]
    sometimes: bool,
}

impl Allowed {
    /// Reads a TOML file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`] where it cannot be read, and those of [`Allowed::parse`], with the file's name.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|error| {
            Error::io(format!("read the allowed differences in {}", path.display()), error)
        })?;
        Self::parse(&text).map_err(|error| error.at(path.display()))
    }

    /// Reads TOML.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Expectations`], naming the line, where a key is unknown or lacks or says nothing, and
    /// where two entries allow the same difference.
    pub fn parse(text: &str) -> Result<Self> {
        let allowed: Self = toml::from_str(text)
            .map_err(|error| Error::new(ErrorKind::Expectations, error.to_string().trim_end()))?;
        allowed.checked()
    }

    /// Both, as if they were one file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Expectations`] where both allow the same difference.
    pub fn merge(self, other: Self) -> Result<Self> {
        Self { entries: [self.entries, other.entries].concat() }.checked()
    }

    /// Refuses entries about cases that do not exist.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Expectations`], naming the first such id.
    pub fn check_ids(&self, known: &[&str]) -> Result<()> {
        let mut patterns = self.entries.iter().flat_map(|entry| &entry.cases);
        match patterns.find(|pattern| !known.iter().any(|id| pattern.matches(id))) {
            None => Ok(()),
            Some(unknown) => {
                let message =
                    format!("no case is called `{unknown}`, which is among the allowed differences");
                Err(Error::new(ErrorKind::Expectations, message))
            }
        }
    }

    fn checked(self) -> Result<Self> {
        let cases = self.entries.iter().flat_map(|entry| entry.cases.iter().map(move |case| (entry, case)));
        let cases: Vec<(&Entry, &Pattern)> = cases.collect();
        for (index, (entry, case)) in cases.iter().enumerate() {
            let twin = cases[..index].iter().find(|(other, twin)| case.overlaps(twin) && entry.shares(other));
            if let Some((_, twin)) = twin {
                let fact = &entry.fact;
                let message = format!(
                    "`{twin}` and `{case}` give two reasons for one difference in `{fact}`: remove one of \
                     them"
                );
                return Err(Error::new(ErrorKind::Expectations, message));
            }
        }
        Ok(self)
    }

    /// Why engines may differ here.
    pub(super) fn reason(&self, difference: &Difference) -> Option<&str> {
        let entry = self.entries.iter().find(|entry| entry.allows(difference));
        entry.map(|entry| entry.reason.as_str())
    }

    /// A sentence for each entry, or case in it, that allows none of these differences although its cases are among
    /// those that were `compared`. Of others this comparison cannot tell.
    pub(super) fn stale(
        &self,
        differences: &[&Difference],
        compared: &BTreeSet<(Level, &str)>,
    ) -> Vec<String> {
        let mut sentences = Vec::new();
        for entry in &self.entries {
            let Entry { fact, reason, sometimes, .. } = entry;
            for pattern in &entry.cases {
                let mut concerned = differences.iter().filter(|difference| entry.concerns(difference));
                let is_used = concerned.any(|difference| pattern.matches(&difference.id));
                let mut here = compared.iter().filter(|(level, _)| entry.levels.holds(|one| one == level));
                if is_used || *sometimes || !here.any(|(_, id)| pattern.matches(id)) {
                    continue;
                }
                sentences.push(format!(
                    "`{pattern}` may differ in `{fact}`, but the engines agree there: remove the entry (its \
                     reason was: {reason})"
                ));
            }
        }
        sentences
    }
}

impl Entry {
    fn allows(&self, difference: &Difference) -> bool {
        self.concerns(difference) && self.cases.iter().any(|case| case.matches(&difference.id))
    }

    fn concerns(&self, difference: &Difference) -> bool {
        self.fact == difference.fact && self.levels.holds(|level| *level == difference.level)
    }

    fn shares(&self, other: &Self) -> bool {
        self.fact == other.fact && self.levels.overlaps(&other.levels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: &str =
        "[[difference]]\ncases = ['trap/*', 'exit/one']\nfact = 'stderr'\nreason = 'own words'";

    fn difference(id: &str, fact: &str) -> Difference {
        Difference { id: id.into(), level: Level::Task, fact: fact.into(), sides: Vec::new() }
    }

    #[test]
    fn an_entry_allows_its_cases_facts_and_levels_only() {
        let allowed = Allowed::parse(ENTRY).expect("valid");
        assert_eq!(allowed.reason(&difference("trap/div", "stderr")), Some("own words"));
        assert_eq!(allowed.reason(&difference("trap/div", "status")), None);
        assert_eq!(allowed.reason(&difference("exit/two", "stderr")), None);
        let allowed = Allowed::parse(&format!("{ENTRY}\nlevels = ['cri']")).expect("valid");
        assert_eq!(allowed.reason(&difference("trap/div", "stderr")), None);
    }

    #[test]
    fn what_allows_nothing_is_stale() {
        let allowed = Allowed::parse(ENTRY).expect("valid");
        let compared = BTreeSet::from([(Level::Task, "trap/div")]);
        let stale = allowed.stale(&[], &compared);
        assert!(stale.len() == 1 && stale[0].contains("`trap/*`") && stale[0].contains("agree"), "{stale:?}");
        assert!(allowed.stale(&[&difference("trap/div", "stderr")], &compared).is_empty(), "it is used");
        let elsewhere = Allowed::parse(&format!("{ENTRY}\nlevels = ['cri']")).expect("valid");
        assert!(elsewhere.stale(&[], &compared).is_empty(), "nothing was compared at that level");
    }

    #[test]
    fn what_is_about_no_case_is_refused() {
        let allowed = Allowed::parse(ENTRY).expect("valid");
        allowed.check_ids(&["trap/div", "exit/one"]).expect("both exist");
        let error = allowed.check_ids(&["trap/div"]).expect_err("exit/one does not");
        assert!(error.to_string().contains("`exit/one`"), "{error}");
    }

    #[test]
    fn what_differs_sometimes_need_not_differ() {
        let allowed = Allowed::parse(&format!("{ENTRY}\nsometimes = true")).expect("valid");
        assert!(allowed.stale(&[], &BTreeSet::from([(Level::Task, "trap/div")])).is_empty());
    }

    #[test]
    fn one_difference_has_one_reason() {
        let one = Allowed::parse(ENTRY).expect("valid");
        let error = one.clone().merge(one.clone()).expect_err("all of it twice");
        assert!(error.to_string().contains("`trap/*` and `trap/*`"), "{error}");
        let other = ENTRY.replace("stderr", "stdout");
        one.merge(Allowed::parse(&other).expect("valid")).expect("another fact");
    }

    #[test]
    fn a_mistake_is_named_with_its_line() {
        for (text, line) in [
            ("[[difference]]\ncases = ['a/b']\nfact = 'stderr'\nreason = ' '", 4),
            ("[[difference]]\ncases = []\nfact = 'stderr'\nreason = 'why'", 2),
            ("[[difference]]\ncases = ['a/b']\nfact = 'stderr'\nreason = 'why'\nshim = 'x'", 5),
            ("[[difference]]\ncases = ['a/b']\nreason = 'why'", 1),
            ("[[difference]]\ncases = ['a/b']\nfact = 'stderr'\nreason = 'why'\nlevels = []", 5),
        ] {
            let error = Allowed::parse(text).expect_err(text);
            assert_eq!(error.kind(), ErrorKind::Expectations);
            assert!(error.to_string().contains(&format!("line {line}")), "{error}");
        }
    }
}
