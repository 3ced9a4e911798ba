//! What is known about a shim before it is run: which capabilities it claims, and which cases it fails for
//! what reason.

mod pattern;

use std::fs;
use std::path::Path;

use serde::{Deserialize, Deserializer};

use crate::error::{Error, ErrorKind, Result};
use crate::level::Level;
use crate::report::Verdict;

pub(crate) use pattern::Pattern;

/// The claims and known failures of one or more shims; by default none.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectations {
    engine: Option<String>,
    #[serde(default)]
    claims: Vec<String>,
    #[serde(default, rename = "failure")]
    failures: Vec<Failure>,
}

/// Cases that are known to fail, and why.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    #[serde(deserialize_with = "some")]
    cases: Vec<Pattern>,
    #[serde(default = "Scope::all")]
    levels: Scope<Level>,
    #[serde(default = "Scope::all")]
    engines: Scope<String>,
    #[serde(deserialize_with = "sentence")]
    reason: String,
    #[serde(deserialize_with = "sentence")]
    link: String,
    #[serde(default)]
    sometimes: bool,
}

/// What an entry is limited to; without a limit, everything.
#[derive(Clone, Debug, Deserialize)]
#[serde(bound = "T: Deserialize<'de>")]
pub(crate) struct Scope<T>(#[serde(deserialize_with = "limit")] Option<Vec<T>>);

impl Expectations {
    /// Reads a TOML file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`] where it cannot be read, and those of [`Expectations::parse`], with the file's name.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)
            .map_err(|error| Error::io(format!("read the known failures in {}", path.display()), error))?;
        Self::parse(&text).map_err(|error| error.at(path.display()))
    }

    /// Reads TOML.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Expectations`], naming the line or entry, where a key is unknown or lacks, a reason or a
    /// link is blank, a list is empty, or two entries speak of the same case at the same level and engine.
    pub fn parse(text: &str) -> Result<Self> {
        let expectations: Self = toml::from_str(text).map_err(refused)?;
        expectations.checked()
    }

    /// Both, as if they were one file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Expectations`] where they name different engines or speak of the same case.
    pub fn merge(self, other: Self) -> Result<Self> {
        if let (Some(ours), Some(theirs)) = (&self.engine, &other.engine)
            && ours != theirs
        {
            let message =
                format!("one list of known failures is for {ours}, another for {theirs}: give one of them");
            return Err(refused(message));
        }
        let mut claims = self.claims;
        claims.extend(other.claims.into_iter().filter(|claim| !claims.contains(claim)).collect::<Vec<_>>());
        let failures = [self.failures, other.failures].concat();
        Self { engine: self.engine.or(other.engine), claims, failures }.checked()
    }

    /// The engine that the list was written for, where it says so.
    #[must_use]
    pub fn engine(&self) -> Option<&str> {
        self.engine.as_deref()
    }

    /// The capabilities that are claimed; programs that need others must be refused.
    #[must_use]
    pub fn claims(&self) -> &[String] {
        &self.claims
    }

    /// Why a case is known to fail, if it is.
    #[must_use]
    pub fn failure(&self, id: &str, level: Level, engine: &str) -> Option<&Failure> {
        self.failures.iter().find(|failure| failure.covers(id, level, engine))
    }

    /// What the end of a case means: a known failure that passes has to be told as well, or the list would
    /// rot.
    #[must_use]
    pub fn judge(&self, id: &str, level: Level, engine: &str, result: &Result<(), String>) -> Verdict {
        match (self.failure(id, level, engine), result) {
            (None, Ok(())) => Verdict::Passed,
            (None, Err(_)) => Verdict::Failed,
            (Some(Failure { sometimes: true, .. }), Ok(())) => Verdict::Passed,
            (Some(Failure { reason, link, .. }), Ok(())) => {
                Verdict::Mended { reason: reason.clone(), link: link.clone() }
            }
            (Some(Failure { reason, link, .. }), Err(_)) => {
                Verdict::Known { reason: reason.clone(), link: link.clone() }
            }
        }
    }

    /// Refuses entries about cases that do not exist. `known` are the ids of all cases, not only of those
    /// that a filter leaves.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Expectations`], naming each such id.
    pub fn check_ids(&self, known: &[&str]) -> Result<()> {
        let patterns = self.failures.iter().flat_map(|failure| &failure.cases);
        let unknown = patterns.filter(|pattern| !known.iter().any(|id| pattern.matches(id)));
        none_of(unknown, "no case is called", "`shimmer-conformance list` shows them all")
    }

    /// Refuses claims of capabilities that do not exist.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Expectations`], naming each such claim.
    pub fn check_claims(&self, known: &[&str]) -> Result<()> {
        let unknown = self.claims.iter().filter(|claim| !known.contains(&claim.as_str()));
        none_of(unknown, "no capability is called", &format!("there are {}", known.join(", ")))
    }

    fn checked(self) -> Result<Self> {
        for (index, claim) in self.claims.iter().enumerate() {
            if self.claims[..index].contains(claim) {
                return Err(refused(format!("`{claim}` is claimed twice")));
            }
        }
        let entries: Vec<(&Failure, &Pattern)> = self
            .failures
            .iter()
            .flat_map(|failure| failure.cases.iter().map(move |case| (failure, case)))
            .collect();
        for (index, (failure, case)) in entries.iter().enumerate() {
            let twin =
                entries[..index].iter().find(|(other, twin)| case.overlaps(twin) && failure.shares(other));
            if let Some((_, twin)) = twin {
                let message =
                    format!("`{twin}` and `{case}` give two reasons for one failure: remove one of them");
                return Err(refused(message));
            }
        }
        Ok(self)
    }
}

impl Failure {
    /// Why, in a sentence.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Where to read more: a document or an issue.
    #[must_use]
    pub fn link(&self) -> &str {
        &self.link
    }

    fn covers(&self, id: &str, level: Level, engine: &str) -> bool {
        self.cases.iter().any(|case| case.matches(id))
            && self.levels.holds(|one| *one == level)
            && self.engines.holds(|one| one == engine)
    }

    fn shares(&self, other: &Self) -> bool {
        self.levels.overlaps(&other.levels) && self.engines.overlaps(&other.engines)
    }
}

impl<T: PartialEq> Scope<T> {
    pub(crate) fn all() -> Self {
        Self(None)
    }

    pub(crate) fn holds(&self, is_it: impl Fn(&T) -> bool) -> bool {
        self.0.as_ref().is_none_or(|limit| limit.iter().any(is_it))
    }

    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.0.as_ref().is_none_or(|limit| limit.iter().any(|one| other.holds(|theirs| theirs == one)))
    }
}

/// A text that says something.
pub(crate) fn sentence<'de, D: Deserializer<'de>>(input: D) -> Result<String, D::Error> {
    let text = String::deserialize(input)?;
    if text.trim().is_empty() {
        return Err(serde::de::Error::custom(
            "it is blank: say it in a sentence, for whoever reads the report",
        ));
    }
    Ok(text)
}

/// A list with something in it.
pub(crate) fn some<'de, D: Deserializer<'de>, T: Deserialize<'de>>(input: D) -> Result<Vec<T>, D::Error> {
    let list = Vec::deserialize(input)?;
    if list.is_empty() {
        return Err(serde::de::Error::custom("an empty list is about nothing: leave the entry out"));
    }
    Ok(list)
}

fn limit<'de, D: Deserializer<'de>, T: Deserialize<'de>>(input: D) -> Result<Option<Vec<T>>, D::Error> {
    some(input).map(Some)
}

fn refused(why: impl ToString) -> Error {
    Error::new(ErrorKind::Expectations, why.to_string().trim_end())
}

fn none_of(unknown: impl Iterator<Item = impl ToString>, what: &str, advice: &str) -> Result<()> {
    let unknown: Vec<String> = unknown.map(|name| format!("`{}`", name.to_string())).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(refused(format!("{what} {}; {advice}", unknown.join(", "))))
}

#[cfg(test)]
mod tests;
