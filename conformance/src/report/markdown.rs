use std::collections::BTreeSet;

use super::{Outcome, Report, Tally, Verdict};
use crate::level::Level;
use crate::profile::Profile;

impl Report {
    /// The report as a page to read.
    #[must_use]
    pub fn markdown(&self) -> String {
        let parts = [self.header(), self.counts(), self.failures(), self.mended(), self.known()];
        parts.iter().filter(|part| !part.is_empty()).map(String::as_str).collect::<Vec<_>>().join("\n")
    }

    fn header(&self) -> String {
        let unknown = || "unknown".to_owned();
        let claims = if self.claims.is_empty() { "none".to_owned() } else { self.claims.join(", ") };
        let machine = &self.machine;
        let rows = [
            ("runtime", self.shim.runtime.clone().unwrap_or_else(unknown)),
            ("engine", self.shim.engine.clone().unwrap_or_else(unknown)),
            ("shim", self.shim.version.clone().unwrap_or_else(unknown)),
            ("claims", claims),
            ("containerd", machine.containerd.clone().unwrap_or_else(|| "none".to_owned())),
            ("kernel", machine.kernel.clone()),
            ("architecture", format!("{}, {} processors", machine.architecture, machine.processors)),
            ("cgroup", machine.cgroup.to_string()),
            ("node", machine.node.to_string()),
            ("suite", self.suite.clone()),
            ("started", format!("{}, took {:.0} s", self.started, self.seconds)),
        ];
        let verdict = if self.is_as_expected() { "as expected" } else { "**not as expected**" };
        let summary =
            if self.results.is_empty() { "no case was run".to_owned() } else { self.tally().to_string() };
        let rows = rows.map(|(name, value)| vec![name.to_owned(), cell(&value)]);
        let table = table(&["", ""].map(str::to_owned), &rows);
        format!("# Conformance of {}\n\n{summary}: {verdict}.\n\n{table}", cell(&self.shim.name))
    }

    fn counts(&self) -> String {
        let levels: BTreeSet<Level> = self.results.iter().map(|outcome| outcome.level).collect();
        let profiles: BTreeSet<Profile> = self.results.iter().map(|outcome| outcome.profile).collect();
        if levels.is_empty() {
            return String::new();
        }
        let header: Vec<String> =
            [String::from("profile")].into_iter().chain(levels.iter().map(Level::to_string)).collect();
        let row = |name: String, is_in: &dyn Fn(&Outcome) -> bool| {
            let cells = levels.iter().map(|level| {
                let outcomes =
                    self.results.iter().filter(|outcome| outcome.level == *level && is_in(outcome));
                tally(&outcomes.collect::<Vec<_>>())
            });
            [name].into_iter().chain(cells).collect::<Vec<_>>()
        };
        let mut rows: Vec<Vec<String>> = profiles
            .iter()
            .map(|profile| row(profile.to_string(), &|outcome| outcome.profile == *profile))
            .collect();
        rows.push(row("**all**".to_owned(), &|_| true));
        format!("## Results\n\n{LEGEND}\n\n{}", table(&header, &rows))
    }

    fn failures(&self) -> String {
        let failed = self.results.iter().filter(|outcome| outcome.verdict == Verdict::Failed);
        let entries: Vec<String> = failed
            .map(|outcome| {
                let Outcome { id, level, keyword, spec, .. } = outcome;
                let message = outcome.message.as_deref().unwrap_or("it did not end as it must");
                format!("### `{id}` at level {level}\n\n{keyword}: {}\n\n{}", cell(spec), fenced(message))
            })
            .collect();
        section("Failures", &entries)
    }

    fn mended(&self) -> String {
        let entries = self.results.iter().filter_map(|outcome| match &outcome.verdict {
            Verdict::Mended { reason, .. } => Some((outcome, reason)),
            _ => None,
        });
        let entries: Vec<String> = entries
            .map(|(Outcome { id, level, .. }, reason)| {
                let reason = cell(reason);
                format!(
                    "- `{id}` at level {level} passes now: remove it from the known failures ({reason})\n"
                )
            })
            .collect();
        section("Mended", &entries)
    }

    fn known(&self) -> String {
        let entries = self.results.iter().filter_map(|outcome| match &outcome.verdict {
            Verdict::Known { reason, link } => Some((outcome, reason, link)),
            _ => None,
        });
        let entries: Vec<String> = entries
            .map(|(Outcome { id, level, .. }, reason, link)| {
                format!("- `{id}` at level {level}: {} ({})\n", cell(reason), cell(link))
            })
            .collect();
        section("Known failures", &entries)
    }
}

/// What the numbers mean.
pub(super) const LEGEND: &str = "What passed of how many. A *known* failure has a written reason; a *refused* \
     case needs a capability that the shim does not claim, so that its program had to be refused.";

/// A table, each line as long as it is.
pub(super) fn table(header: &[String], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rule = "|---".repeat(header.len());
    let rows: String = rows.iter().map(|cells| line(cells)).collect();
    format!("{}{rule}|\n{rows}", line(header))
}

/// Text as it can stand in a cell or in a line.
pub(super) fn cell(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.replace('|', "\\|").replace('<', "&lt;")
}

/// How a group of cases ended, if there are any.
pub(super) fn tally(outcomes: &[&Outcome]) -> String {
    let tally: Tally = outcomes.iter().copied().collect();
    if tally.cases() == 0 { "–".to_owned() } else { tally.to_string() }
}

fn section(title: &str, entries: &[String]) -> String {
    if entries.is_empty() { String::new() } else { format!("## {title}\n\n{}", entries.concat()) }
}

/// A block of text that cannot end its own fence, nor speak to a terminal.
fn fenced(text: &str) -> String {
    let longest = text.split(|letter| letter != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(3.max(longest + 1));
    let is_plain = |letter: char| letter == '\n' || letter == '\t' || !letter.is_control();
    let shown = |letter: char| {
        if is_plain(letter) { letter.to_string() } else { letter.escape_default().to_string() }
    };
    format!("{fence}text\n{}\n{fence}\n", text.trim_end().chars().map(shown).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{failed, known, mended, passed, report};

    #[test]
    fn shows_each_profile_at_each_level() {
        let engine = Outcome { level: Level::Engine, ..passed("exit/one") };
        let http = Outcome { profile: Profile::Http, claimed: false, ..passed("http/answers") };
        let page = report("wasmtime", [passed("exit/one"), engine, http, known("trap/stack")]).markdown();
        assert!(page.contains("| profile | engine | task |\n|---|---|---|\n"), "{page}");
        assert!(page.contains("| core | 1/1 | 1/2 (1 known) |\n| http | – | 1/1 (1 refused) |"), "{page}");
        assert!(page.contains("| **all** | 1/1 | 2/3 (1 known, 1 refused) |"), "{page}");
        assert!(
            page.contains("| engine | wasmtime 1.2.3 |") && page.contains("| cgroup | hybrid |"),
            "{page}"
        );
        assert!(
            page.contains("- `trap/stack` at level task: the engine \\| cannot (docs/behaviour.md#limits)")
        );
        assert!(page.contains(": as expected.") && !page.contains("## Failures"), "{page}");
    }

    #[test]
    fn shows_what_a_failed_case_saw() {
        let page =
            report("wasmtime", [failed("exit/one", "expected 1\n```\nseen \x1b2"), mended("trap/div")])
                .markdown();
        assert!(page.contains("### `exit/one` at level task"), "{page}");
        assert!(page.contains("````text\nexpected 1\n```\nseen \\u{1b}2\n````\n"), "{page}");
        assert!(page.contains("`trap/div` at level task passes now"), "{page}");
        assert!(page.contains("**not as expected**"), "{page}");
    }

    #[test]
    fn says_that_no_case_was_run() {
        let page = report("wasmtime", []).markdown();
        assert!(page.contains("no case was run: **not as expected**"), "{page}");
    }
}
