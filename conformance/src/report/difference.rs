mod allowed;
mod neutral;
mod trap;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use super::{FORMAT, Outcome, Report, Verdict, json, labels};
use crate::error::{Error, ErrorKind, Result};
use crate::level::Level;

pub use allowed::Allowed;
use neutral::Neutral;

/// In what shims differ: the proof, where it is [clean](Differences::is_clean), that they behave the same.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Differences {
    /// [`FORMAT`].
    pub version: u32,
    /// The name of each report's shim.
    pub shims: Vec<String>,
    /// How many cases, at how many levels, two shims or more observed something of.
    pub compared: usize,
    /// How many outcomes were left out because they are known failures, whose reason is written elsewhere.
    pub known: usize,
    /// What nobody allowed.
    pub differences: Vec<Difference>,
    /// What has a reason.
    pub allowed: Vec<Explained>,
    /// What cannot be compared because a shim was not run.
    pub missing: Vec<Missing>,
    /// Entries of the list of allowed differences that allow nothing, each in a sentence.
    pub stale: Vec<String>,
}

/// A fact of a case that shims do not agree on.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Difference {
    /// The case.
    pub id: String,
    /// The level.
    pub level: Level,
    /// The name of the fact.
    pub fact: String,
    /// One for each shim that claims what the case needs.
    pub sides: Vec<Side>,
}

/// What was seen of one shim.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Side {
    /// The shim.
    pub shim: String,
    /// Each value under the fact's name, in order, without what differs from run to run.
    pub values: Vec<String>,
}

/// A difference that is allowed, and why.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Explained {
    /// The difference.
    #[serde(flatten)]
    pub difference: Difference,
    /// The reason.
    pub reason: String,
}

/// Cases that others were run with.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Missing {
    /// The shim that was not.
    pub shim: String,
    /// The level.
    pub level: Level,
    /// The cases.
    pub ids: Vec<String>,
}

/// Finds in what shims differ. What a shim does not claim and what it is known to fail is not compared.
///
/// # Errors
///
/// [`ErrorKind::Usage`] for fewer than two reports.
pub fn differ(reports: &[Report], allowed: &Allowed) -> Result<Differences> {
    if reports.len() < 2 {
        return Err(Error::new(
            ErrorKind::Usage,
            "shims differ from each other: give the reports of two or more",
        ));
    }
    let (shims, neutral, cases) = (labels(reports), Neutral::of(reports), cases(reports));
    let (mut compared, mut differences) = (BTreeMap::new(), Vec::new());
    for ((level, id), outcomes) in &cases {
        let observed: Vec<(&str, &Outcome)> = outcomes
            .iter()
            .filter(|(_, one)| is_comparable(one))
            .map(|(at, one)| (shims[*at].as_str(), *one))
            .collect();
        if observed.len() > 1 && observed.iter().any(|(_, outcome)| !outcome.facts.is_empty()) {
            compared.insert((*level, *id), observed.len());
            differences.extend(unlike(&observed, &neutral));
        }
    }
    let pairs: BTreeSet<(Level, &str)> = compared.keys().copied().collect();
    let stale = allowed.stale(&differences.iter().collect::<Vec<_>>(), &pairs);
    let (explained, differences) = explain(differences, allowed);
    let outcomes = reports.iter().flat_map(|report| &report.results);
    Ok(Differences {
        version: FORMAT,
        compared: compared.len(),
        known: outcomes.filter(|outcome| matches!(outcome.verdict, Verdict::Known { .. })).count(),
        differences,
        allowed: explained,
        missing: missing(&shims, &cases),
        stale,
        shims,
    })
}

impl Differences {
    /// Whether all shims behave the same, but for what has a reason. To compare nothing shows nothing.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.compared > 0 && self.differences.is_empty() && self.missing.is_empty() && self.stale.is_empty()
    }

    /// The differences as JSON, which docs/conformance.md describes.
    ///
    /// # Errors
    ///
    /// None that is known of: it is there for the library that writes JSON.
    pub fn json(&self) -> Result<String> {
        #[derive(Serialize)]
        struct Judged<'a> {
            clean: bool,
            #[serde(flatten)]
            differences: &'a Differences,
        }
        json(&Judged { clean: self.is_clean(), differences: self })
    }
}

/// For a terminal: each difference with a line for each shim, then what else is wrong, then a summary.
impl fmt::Display for Differences {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for difference in &self.differences {
            writeln!(formatter, "{difference}")?;
        }
        for Missing { shim, level, ids } in &self.missing {
            let (first, count) = (&ids[0], ids.len());
            writeln!(
                formatter,
                "{shim} was not run with all cases at level {level}: {count} lack, like {first}"
            )?;
        }
        for sentence in &self.stale {
            writeln!(formatter, "{sentence}")?;
        }
        let Self { compared, known, differences, allowed, .. } = self;
        let (shims, unexplained, allowed) = (self.shims.join(", "), differences.len(), allowed.len());
        writeln!(
            formatter,
            "{shims}: cases compared: {compared}, differences: {unexplained}, allowed: {allowed}, \
             outcomes left out as known failures: {known}"
        )
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, level, fact, sides } = self;
        writeln!(formatter, "{id} at level {level} differs in `{fact}`:")?;
        let width = sides.iter().map(|side| side.shim.len()).max().unwrap_or_default();
        let values: Vec<String> = sides.iter().map(|side| shown(&side.values)).collect();
        let common = common(&values);
        for (Side { shim, .. }, value) in sides.iter().zip(&values) {
            writeln!(formatter, "  {shim:width$}  {}", excerpt(value, common))?;
        }
        Ok(())
    }
}

/// Each case with its outcomes by the index of the report.
type Cases<'a> = BTreeMap<(Level, &'a str), BTreeMap<usize, &'a Outcome>>;

fn cases(reports: &[Report]) -> Cases<'_> {
    let mut cases = Cases::new();
    for (at, report) in reports.iter().enumerate() {
        for outcome in &report.results {
            cases.entry((outcome.level, &outcome.id)).or_default().insert(at, outcome);
        }
    }
    cases
}

fn is_comparable(outcome: &Outcome) -> bool {
    outcome.claimed && !matches!(outcome.verdict, Verdict::Known { .. })
}

/// The facts of one case that its shims do not agree on.
fn unlike(observed: &[(&str, &Outcome)], neutral: &Neutral) -> Vec<Difference> {
    let mut names: Vec<&str> = Vec::new();
    for fact in observed.iter().flat_map(|(_, outcome)| &outcome.facts) {
        if !names.contains(&fact.name.as_str()) {
            names.push(&fact.name);
        }
    }
    let differences = names.into_iter().filter_map(|name| {
        let side = |(shim, outcome): &(&str, &Outcome)| {
            let facts = outcome.facts.iter().filter(|fact| fact.name == name);
            Side { shim: (*shim).to_owned(), values: facts.map(|fact| neutral.value(fact)).collect() }
        };
        let sides: Vec<Side> = observed.iter().map(side).collect();
        let (_, first) = observed.first()?;
        let agree = sides.iter().all(|side| side.values == sides[0].values);
        (!agree).then(|| Difference {
            id: first.id.clone(),
            level: first.level,
            fact: name.to_owned(),
            sides,
        })
    });
    differences.collect()
}

fn explain(differences: Vec<Difference>, allowed: &Allowed) -> (Vec<Explained>, Vec<Difference>) {
    let (mut explained, mut unexplained) = (Vec::new(), Vec::new());
    for difference in differences {
        match allowed.reason(&difference).map(str::to_owned) {
            Some(reason) => explained.push(Explained { difference, reason }),
            None => unexplained.push(difference),
        }
    }
    (explained, unexplained)
}

fn missing(shims: &[String], cases: &Cases<'_>) -> Vec<Missing> {
    let mut missing: BTreeMap<(usize, Level), Vec<String>> = BTreeMap::new();
    for ((level, id), outcomes) in cases {
        for at in (0..shims.len()).filter(|at| !outcomes.contains_key(at)) {
            missing.entry((at, *level)).or_default().push((*id).to_owned());
        }
    }
    missing.into_iter().map(|((at, level), ids)| Missing { shim: shims[at].clone(), level, ids }).collect()
}

fn shown(values: &[String]) -> String {
    let values: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
    if values.is_empty() { "(nothing)".to_owned() } else { values.join(" ") }
}

/// How many letters all begin with.
fn common(values: &[String]) -> usize {
    let (Some(first), Some(_)) = (values.first(), values.get(1)) else { return 0 };
    let prefix =
        |value: &String| first.chars().zip(value.chars()).take_while(|(one, other)| one == other).count();
    values.iter().skip(1).map(prefix).min().unwrap_or_default()
}

/// As much of a long text as shows where it begins to differ.
fn excerpt(text: &str, common: usize) -> String {
    const BEFORE: usize = 40;
    const SHOWN: usize = 160;
    let start = if text.chars().count() > SHOWN { common.saturating_sub(BEFORE) } else { 0 };
    let shown: String = text.chars().skip(start).take(SHOWN).collect();
    let (before, after) =
        (if start > 0 { "…" } else { "" }, if start + SHOWN < text.chars().count() { "…" } else { "" });
    format!("{before}{shown}{after}")
}

#[cfg(test)]
mod tests;
