use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{FORMAT, Machine, Outcome, Report, Tally, json, labels, markdown};
use crate::error::Result;
use crate::level::Level;
use crate::profile::Profile;

/// Reports side by side, each in a column.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// [`FORMAT`].
    pub version: u32,
    /// The columns.
    pub shims: Vec<Column>,
    /// The cases of each profile at each level.
    pub rows: Vec<Row>,
    /// The cases that did not end alike.
    pub contrasts: Vec<Contrast>,
}

/// What one report is about.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Column {
    /// The shim's name, with the time of the run where that is not enough.
    pub label: String,
    /// The engine and its version.
    pub engine: Option<String>,
    /// The capabilities that the shim claims.
    pub claims: Vec<String>,
    /// Where it was run.
    pub machine: Machine,
}

/// How the cases of a profile ended at a level.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The level.
    pub level: Level,
    /// The profile.
    pub profile: Profile,
    /// One for each column; none where no such case was run.
    pub tallies: Vec<Option<Tally>>,
}

/// A case that did not end alike in all columns.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Contrast {
    /// The case.
    pub id: String,
    /// The level.
    pub level: Level,
    /// The name of its verdict in each column; none where it was not run.
    pub verdicts: Vec<Option<&'static str>>,
}

/// Puts reports side by side. A refusal of what is not claimed is a pass like any other.
#[must_use]
pub fn compare(reports: &[Report]) -> Comparison {
    let columns = reports.iter().zip(labels(reports)).map(|(report, label)| Column {
        label,
        engine: report.shim.engine.clone(),
        claims: report.claims.clone(),
        machine: report.machine.clone(),
    });
    Comparison {
        version: FORMAT,
        shims: columns.collect(),
        rows: rows(reports),
        contrasts: contrasts(reports),
    }
}

impl Comparison {
    /// The comparison as tables to read.
    #[must_use]
    pub fn markdown(&self) -> String {
        let shims = self.shims.iter().map(|shim| {
            let Machine { containerd, docker, kernel, architecture, cgroup, .. } = &shim.machine;
            let known = |text: &Option<String>| markdown::cell(text.as_deref().unwrap_or("unknown"));
            let claims = if shim.claims.is_empty() { "none".to_owned() } else { shim.claims.join(", ") };
            let machine = format!("{kernel}, {architecture}, cgroup {cgroup}");
            let docker = docker.as_ref().map(|version| format!(", Docker {version}")).unwrap_or_default();
            let containerd = known(containerd) + &markdown::cell(&docker);
            vec![markdown::cell(&shim.label), known(&shim.engine), claims, containerd, machine]
        });
        let header = ["shim", "engine", "claims", "containerd", "machine"].map(str::to_owned);
        let shims = markdown::table(&header, &shims.collect::<Vec<_>>());
        let (results, contrasts) = (self.results(), self.contrasts());
        format!("{shims}\n{}\n\n{results}\n{contrasts}", markdown::LEGEND)
    }

    /// The comparison as JSON, which docs/conformance.md describes.
    ///
    /// # Errors
    ///
    /// None that is known of: it is there for the library that writes JSON.
    pub fn json(&self) -> Result<String> {
        json(self)
    }

    fn results(&self) -> String {
        let rows = self.rows.iter().map(|Row { level, profile, tallies }| {
            let cells =
                tallies.iter().map(|tally| tally.map_or_else(|| "–".to_owned(), |tally| tally.to_string()));
            [level.to_string(), profile.to_string()].into_iter().chain(cells).collect()
        });
        markdown::table(&self.header(["level", "profile"]), &rows.collect::<Vec<_>>())
    }

    fn contrasts(&self) -> String {
        if self.contrasts.is_empty() {
            return "Every case ended alike.\n".to_owned();
        }
        let rows = self.contrasts.iter().map(|Contrast { id, level, verdicts }| {
            let cells = verdicts.iter().map(|verdict| verdict.unwrap_or("not run").to_owned());
            [format!("`{id}`"), level.to_string()].into_iter().chain(cells).collect()
        });
        markdown::table(&self.header(["case", "level"]), &rows.collect::<Vec<_>>())
    }

    fn header(&self, first: [&str; 2]) -> Vec<String> {
        let labels = self.shims.iter().map(|shim| markdown::cell(&shim.label));
        first.map(str::to_owned).into_iter().chain(labels).collect()
    }
}

fn rows(reports: &[Report]) -> Vec<Row> {
    let outcomes = reports.iter().flat_map(|report| &report.results);
    let groups: BTreeSet<(Level, Profile)> =
        outcomes.map(|outcome| (outcome.level, outcome.profile)).collect();
    let row = |(level, profile)| {
        let is_in = |outcome: &&Outcome| outcome.level == level && outcome.profile == profile;
        let tallies = reports.iter().map(|report| {
            let tally: Tally = report.results.iter().filter(is_in).collect();
            (tally.cases() > 0).then_some(tally)
        });
        Row { level, profile, tallies: tallies.collect() }
    };
    groups.into_iter().map(row).collect()
}

fn contrasts(reports: &[Report]) -> Vec<Contrast> {
    let mut cases: BTreeMap<(Level, &str), Vec<Option<&'static str>>> = BTreeMap::new();
    for (column, report) in reports.iter().enumerate() {
        for outcome in &report.results {
            let verdicts =
                cases.entry((outcome.level, &outcome.id)).or_insert_with(|| vec![None; reports.len()]);
            verdicts[column] = Some(outcome.verdict.name());
        }
    }
    let unlike = cases.into_iter().filter(|(_, verdicts)| verdicts.iter().any(|one| *one != verdicts[0]));
    unlike.map(|((level, id), verdicts)| Contrast { id: id.to_owned(), level, verdicts }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{failed, known, passed, report};

    #[test]
    fn puts_shims_side_by_side() {
        let unclaimed = Outcome { profile: Profile::Http, claimed: false, ..passed("http/answers") };
        let http = Outcome { profile: Profile::Http, ..passed("http/answers") };
        let reports = [
            report("wasmtime", [passed("exit/one"), passed("trap/stack"), http]),
            report("wasmedge", [passed("exit/one"), known("trap/stack"), unclaimed]),
        ];
        let page = compare(&reports).markdown();
        assert!(page.contains("| level | profile | wasmtime | wasmedge |\n|---|---|---|---|\n"), "{page}");
        assert!(page.contains("| task | core | 2/2 | 1/2 (1 known) |"), "{page}");
        assert!(page.contains("| task | http | 1/1 | 1/1 (1 refused) |"), "{page}");
        assert!(page.contains("| `trap/stack` | task | passed | known |"), "{page}");
        assert!(
            !page.contains("| `exit/one`") && !page.contains("| `http/answers`"),
            "they ended alike: {page}"
        );
        assert!(page.contains("| wasmedge | wasmedge 1.2.3 | components | 1.7.20 |"), "{page}");
    }

    #[test]
    fn docker_stands_beside_its_containerd() {
        let mut report = report("a", [passed("exit/one")]);
        report.machine.docker = Some("28.5.2".into());
        let page = compare(&[report]).markdown();
        assert!(page.contains("| 1.7.20, Docker 28.5.2 |"), "{page}");
    }

    #[test]
    fn a_case_that_was_not_run_is_a_contrast() {
        let comparison = compare(&[report("a", [passed("exit/one")]), report("b", [])]);
        assert_eq!(comparison.contrasts[0].verdicts, [Some("passed"), None]);
        let page = comparison.markdown();
        assert!(
            page.contains("| task | core | 1/1 | – |") && page.contains("| passed | not run |"),
            "{page}"
        );
    }

    #[test]
    fn has_json_too() {
        let comparison =
            compare(&[report("a", [passed("exit/one")]), report("b", [failed("exit/one", "no")])]);
        let json: serde_json::Value =
            serde_json::from_str(&comparison.json().expect("it serialises")).expect("valid JSON");
        assert_eq!(json["rows"][0]["tallies"][1]["failed"], 1);
        assert_eq!(json["contrasts"][0]["verdicts"][1], "failed");
    }

    #[test]
    fn says_when_there_is_no_contrast() {
        let page =
            compare(&[report("a", [passed("exit/one")]), report("b", [passed("exit/one")])]).markdown();
        assert!(page.contains("Every case ended alike."), "{page}");
    }
}
