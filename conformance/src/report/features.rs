//! What a Kubernetes makes of a shim's pods, feature by feature: each line is a case, so that none says more than was
//! seen.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use super::{Outcome, Report, Verdict, labels, markdown};
use crate::error::{Error, ErrorKind, Result};
use crate::level::Level;
use crate::profile::Profile;

/// Where the tables stand on a page.
const BEGIN: &str = "<!-- features, written by `shimmer-conformance features` -->\n";
const END: &str = "<!-- end of the features -->";
/// What a report keeps beside a verdict that a reader wants to see.
const TOLD: [&str; 7] = [
    "server",
    "given",
    "streams",
    "pods",
    "seconds-until-ready",
    "seconds-until-gone",
    "kib-of-memory-per-pod",
];

/// The features as tables, one for each topic, with a column for each report.
#[must_use]
pub fn features(reports: &[Report]) -> String {
    let labels = labels(reports);
    let mut topics: Vec<(&str, Vec<&str>)> = Vec::new();
    for outcome in reports.iter().flat_map(of_kubernetes) {
        let topic = outcome.spec.rsplit("#kubernetes-").next().unwrap_or_default();
        let position = topics.iter().position(|(known, _)| *known == topic);
        let position = position.unwrap_or_else(|| {
            topics.push((topic, Vec::new()));
            topics.len() - 1
        });
        if !topics[position].1.contains(&outcome.id.as_str()) {
            topics[position].1.push(&outcome.id);
        }
    }
    let mut notes = Vec::new();
    let mut text = header(reports, &labels);
    for (topic, cases) in topics {
        let rows: Vec<Vec<String>> = cases.iter().map(|case| row(case, reports, &mut notes)).collect();
        let columns: Vec<String> = [topic.to_owned()].into_iter().chain(labels.iter().cloned()).collect();
        let _ = write!(text, "\n{}", markdown::table(&columns, &rows));
    }
    for (number, note) in notes.iter().enumerate() {
        let gap = if number == 0 { "\n" } else { "" };
        let _ = writeln!(text, "{gap}{}. {note}", number + 1);
    }
    text
}

/// Puts the tables between their marks on a page.
///
/// # Errors
///
/// [`ErrorKind::Io`] where the page cannot be read or written, [`ErrorKind::Report`] where it has no marks.
pub fn write_features(page: &Path, reports: &[Report]) -> Result<()> {
    let at = |doing: &str| format!("{doing} {}", page.display());
    let text = fs::read_to_string(page).map_err(|error| Error::io(at("read"), error))?;
    let written = between_marks(&text, &features(reports))
        .ok_or_else(|| Error::new(ErrorKind::Report, at("there are no marks for features in")))?;
    fs::write(page, written).map_err(|error| Error::io(at("write"), error))
}

fn between_marks(page: &str, tables: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{}\n\n{END}{after}", tables.trim()))
}

fn of_kubernetes(report: &Report) -> impl Iterator<Item = &Outcome> {
    report
        .results
        .iter()
        .filter(|outcome| outcome.profile == Profile::Kubernetes && outcome.level == Level::Kube)
}

fn header(reports: &[Report], labels: &[String]) -> String {
    let rows: Vec<Vec<String>> = reports
        .iter()
        .zip(labels)
        .map(|(report, label)| {
            let known = |text: &Option<String>| markdown::cell(text.as_deref().unwrap_or("unknown"));
            let outcomes: Vec<&Outcome> = of_kubernetes(report).collect();
            let machine = &report.machine;
            vec![
                label.clone(),
                known(&report.shim.engine),
                known(&machine.kubernetes),
                known(&machine.containerd),
                markdown::tally(&outcomes),
            ]
        })
        .collect();
    let columns = ["RuntimeClass", "engine", "Kubernetes", "containerd", "passed"].map(str::to_owned);
    markdown::table(&columns, &rows)
}

fn row(case: &str, reports: &[Report], notes: &mut Vec<String>) -> Vec<String> {
    let cells = reports.iter().map(|report| match of_kubernetes(report).find(|outcome| outcome.id == case) {
        Some(outcome) => cell(outcome, notes),
        None => left_out(case, report, notes),
    });
    let feature = case.rsplit('/').next().unwrap_or(case).replace('-', " ");
    [format!("[{feature}](behaviour.md#{})", anchor(case, reports))].into_iter().chain(cells).collect()
}

fn anchor<'r>(case: &str, reports: &'r [Report]) -> &'r str {
    let mut all = reports.iter().flat_map(of_kubernetes);
    all.find(|outcome| outcome.id == case)
        .map_or("", |outcome| outcome.spec.rsplit('#').next().unwrap_or_default())
}

fn cell(outcome: &Outcome, notes: &mut Vec<String>) -> String {
    let told: BTreeMap<&str, &str> = outcome
        .facts
        .iter()
        .filter(|fact| TOLD.contains(&fact.name.as_str()))
        .map(|fact| (fact.name.as_str(), fact.value.as_str()))
        .collect();
    let told: Vec<String> = TOLD
        .iter()
        .filter_map(|name| told.get(name).map(|value| (name, value)))
        .map(|(name, value)| if *name == "server" { (*value).to_owned() } else { format!("{name}: {value}") })
        .collect();
    let word = match &outcome.verdict {
        Verdict::Passed if outcome.claimed => "yes".to_owned(),
        Verdict::Passed => "refused, as it must be".to_owned(),
        Verdict::Known { reason, .. } => format!("no {}", note(reason, notes)),
        Verdict::Failed | Verdict::Mended { .. } => "**failed**".to_owned(),
    };
    if told.is_empty() { word } else { markdown::cell(&format!("{word} ({})", told.join(", "))) }
}

fn left_out(case: &str, report: &Report, notes: &mut Vec<String>) -> String {
    let found = report.left_out.iter().find(|left| left.id == case && left.level == Level::Kube);
    found.map_or_else(|| "–".to_owned(), |left| format!("– {}", note(&left.reason, notes)))
}

/// The number of a reason that is told once below the tables.
fn note(reason: &str, notes: &mut Vec<String>) -> String {
    let reason = markdown::cell(reason);
    let known = notes.iter().position(|note| *note == reason);
    let number = known.unwrap_or_else(|| {
        notes.push(reason);
        notes.len() - 1
    });
    format!("({})", number + 1)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{passed, report};
    use super::super::{Fact, LeftOut};
    use super::*;

    fn on_kubernetes(outcome: Outcome) -> Outcome {
        let spec = "docs/behaviour.md#kubernetes-probes".to_owned();
        Outcome { level: Level::Kube, profile: Profile::Kubernetes, spec, ..outcome }
    }

    #[test]
    fn a_feature_is_a_line_with_a_cell_for_each_report() {
        let seen =
            Outcome { facts: vec![Fact::new("server", "WASIX sockets")], ..passed("kubernetes/by-http") };
        let known = Verdict::Known { reason: "it cannot".into(), link: "docs".into() };
        let lacking = Outcome { verdict: known, ..passed("kubernetes/by-http") };
        let text = features(&[report("a", [on_kubernetes(seen)]), report("b", [on_kubernetes(lacking)])]);
        let line = "| [by http](behaviour.md#kubernetes-probes) | yes (WASIX sockets) | no (1) |";
        assert!(text.contains("| probes | a | b |") && text.contains(line), "{text}");
        assert!(text.ends_with("\n1. it cannot\n"), "{text}");
    }

    #[test]
    fn what_was_not_played_says_why() {
        let mut foreign = report("b", []);
        let reason = "it takes a cluster of this machine".to_owned();
        foreign.left_out.push(LeftOut { id: "kubernetes/by-http".into(), level: Level::Kube, reason });
        let text = features(&[report("a", [on_kubernetes(passed("kubernetes/by-http"))]), foreign]);
        assert!(text.contains("| yes | – (1) |") && text.contains("1. it takes a cluster"), "{text}");
    }

    #[test]
    fn cases_of_other_profiles_are_no_features() {
        let text = features(&[report("a", [passed("exit/one")])]);
        assert!(!text.contains("exit"), "{text}");
    }

    #[test]
    fn the_tables_go_between_their_marks() {
        let page = format!("# Page\n{BEGIN}\nold\n\n{END}\nrest\n");
        assert_eq!(between_marks(&page, "new\n"), Some(format!("# Page\n{BEGIN}\nnew\n\n{END}\nrest\n")));
        assert_eq!(between_marks("# Page\n", "new"), None);
    }

    #[test]
    fn the_page_of_features_is_of_cases_that_exist() {
        let page = include_str!("../../../docs/kubernetes.md");
        let (_, rest) = page.split_once(BEGIN).expect("the page has marks");
        let (tables, _) = rest.split_once(END).expect("the page has marks");
        let cases: Vec<String> = crate::all()
            .into_iter()
            .filter(|case| case.profile == Profile::Kubernetes)
            .map(|case| case.id.trim_start_matches("kubernetes/").replace('-', " "))
            .collect();
        let named: Vec<&str> = tables
            .split("| [")
            .skip(1)
            .filter_map(|rest| rest.split_once(']').map(|(name, _)| name))
            .collect();
        for name in &named {
            assert!(cases.iter().any(|case| case == name), "`{name}` is no case: write the page anew");
        }
        for case in &cases {
            assert!(named.contains(&case.as_str()), "the page lacks `{case}`: write it anew");
        }
    }
}
