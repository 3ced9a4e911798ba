use serde::{Deserialize, Serialize};

use crate::level::Level;
use crate::profile::{Keyword, Profile};

/// How one case ended at one level.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Outcome {
    /// The case.
    pub id: String,
    /// Where it was played.
    pub level: Level,
    /// What it is about.
    pub profile: Profile,
    /// How binding it is.
    pub keyword: Keyword,
    /// A link to the sentence that it holds a shim to.
    pub spec: String,
    /// Whether the shim claims all that the case needs. If not, the case was that the program is refused.
    pub claimed: bool,
    /// How it ended.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// How long it took.
    pub seconds: f64,
    /// Of a case that failed: what was expected, what was seen, and the shim's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What the case observed, in order.
    #[serde(default)]
    pub facts: Vec<Fact>,
}

/// One thing that a case observed: `status` `42`, `event` `/tasks/exit`.
///
/// The value of a fact called `trap` is the engine's message about one; engines need to agree on its class
/// only.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Fact {
    /// What it is about.
    pub name: String,
    /// What was seen.
    pub value: String,
}

/// What the end of a case means.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// It ended as it must.
    Passed,
    /// It did not, and nobody knew.
    Failed,
    /// It did not, as is known.
    Known {
        /// Why.
        reason: String,
        /// Where to read more.
        link: String,
    },
    /// It ended as it must, although it is listed among the known failures: the list is out of date.
    Mended {
        /// Why it used to fail.
        reason: String,
        /// Where to read more.
        link: String,
    },
}

impl Fact {
    /// A fact.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

impl Verdict {
    /// Whether a run with it can be green.
    #[must_use]
    pub fn is_as_expected(&self) -> bool {
        matches!(self, Self::Passed | Self::Known { .. })
    }

    /// Its name in JSON and tables.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Known { .. } => "known",
            Self::Mended { .. } => "mended",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_called_alike_in_json_and_in_tables() {
        let (reason, link) = (String::new(), String::new());
        let known = Verdict::Known { reason: reason.clone(), link: link.clone() };
        for verdict in [Verdict::Passed, Verdict::Failed, known, Verdict::Mended { reason, link }] {
            let json = serde_json::to_value(&verdict).expect("it serialises");
            assert_eq!(json["verdict"], verdict.name());
        }
    }
}
