use std::fmt::Write;

use super::{Outcome, Report, Verdict};
use crate::level::Level;

impl Report {
    /// The report in the XML that began with JUnit and that every CI system reads: a suite for each level, a
    /// class for each profile. Known failures count as skipped, for there is no better word in that format.
    #[must_use]
    pub fn junit(&self) -> String {
        let suites: String = Level::ALL.iter().map(|level| self.suite_of(*level)).collect();
        let counts = counts(&self.results.iter().collect::<Vec<_>>());
        let time = self.seconds;
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <testsuites name=\"shimmer-conformance\" {counts} time=\"{time:.3}\">\n{suites}</testsuites>\n"
        )
    }

    fn suite_of(&self, level: Level) -> String {
        let outcomes: Vec<&Outcome> = self.results.iter().filter(|outcome| outcome.level == level).collect();
        if outcomes.is_empty() {
            return String::new();
        }
        let name = escaped(&format!("{} {level}", self.shim.name));
        let time: f64 = outcomes.iter().map(|outcome| outcome.seconds).sum();
        // The format's time has no zone.
        let started = escaped(self.started.trim_end_matches('Z'));
        let cases: String = outcomes.iter().map(|outcome| case(outcome)).collect();
        format!(
            "  <testsuite name=\"{name}\" {} time=\"{time:.3}\" timestamp=\"{started}\">\n\
             {cases}  </testsuite>\n",
            counts(&outcomes)
        )
    }
}

fn counts(outcomes: &[&Outcome]) -> String {
    let failures = outcomes.iter().filter(|outcome| !outcome.verdict.is_as_expected()).count();
    let skipped = outcomes.iter().filter(|outcome| matches!(outcome.verdict, Verdict::Known { .. })).count();
    format!("tests=\"{}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\"", outcomes.len())
}

fn case(outcome: &Outcome) -> String {
    let Outcome { id, profile, keyword, seconds, .. } = outcome;
    let message = outcome.message.as_deref().unwrap_or("it did not end as it must");
    let body = match &outcome.verdict {
        Verdict::Passed => String::new(),
        Verdict::Known { reason, link } => {
            format!("\n      <skipped message=\"{}\"/>\n    ", escaped(&format!("{reason} ({link})")))
        }
        Verdict::Mended { reason, .. } => {
            let stale =
                format!("it passes now: remove it from the known failures (its reason was: {reason})");
            format!("\n      <failure type=\"mended\" message=\"{}\"/>\n    ", escaped(&stale))
        }
        Verdict::Failed => {
            let first = escaped(message.lines().next().unwrap_or_default());
            let text = escaped(message);
            format!("\n      <failure type=\"{keyword}\" message=\"{first}\">{text}</failure>\n    ")
        }
    };
    let head =
        format!("    <testcase classname=\"{profile}\" name=\"{}\" time=\"{seconds:.3}\"", escaped(id));
    if body.is_empty() { format!("{head}/>\n") } else { format!("{head}>{body}</testcase>\n") }
}

/// Text as it may stand in an element and in an attribute. What XML has no way to say at all, a guest can
/// print: it is shown as Rust would write it.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\t' | '\n' | '\r' => {
                write!(escaped, "&#{};", u32::from(letter)).expect("a String takes all text")
            }
            '\0'..' ' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => {
                escaped.extend(letter.escape_unicode())
            }
            _ => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{failed, known, mended, passed, report};

    #[test]
    fn has_a_suite_for_each_level_that_was_played() {
        let engine = Outcome { level: Level::Engine, ..passed("exit/one") };
        let xml = report("wasmtime", [passed("exit/one"), engine]).junit();
        assert_eq!(xml.matches("<testsuite ").count(), 2, "{xml}");
        assert!(xml.contains("<testsuite name=\"wasmtime engine\" tests=\"1\" failures=\"0\""), "{xml}");
        assert!(xml.contains("timestamp=\"2026-01-02T03:04:05\""), "{xml}");
        assert!(xml.contains("<testcase classname=\"core\" name=\"exit/one\" time=\"0.250\"/>"), "{xml}");
    }

    #[test]
    fn a_known_failure_is_skipped_and_a_mended_one_fails() {
        let xml =
            report("wasmtime", [known("trap/stack"), mended("trap/div"), failed("exit/1", "seen 2\nlog")])
                .junit();
        assert!(xml.contains("tests=\"3\" failures=\"2\" errors=\"0\" skipped=\"1\""), "{xml}");
        assert!(
            xml.contains("<skipped message=\"the engine | cannot (docs/behaviour.md#limits)\"/>"),
            "{xml}"
        );
        assert!(xml.contains("<failure type=\"mended\" message=\"it passes now"), "{xml}");
        assert!(xml.contains("<failure type=\"MUST\" message=\"seen 2\">seen 2&#10;log</failure>"), "{xml}");
    }

    #[test]
    fn whatever_a_guest_prints_is_xml() {
        let xml =
            report("wasmtime", [failed("exit/1", "a<b> & \"c\" ]]> \0\u{1b}[31m\u{ffff} é\r\n")]).junit();
        let text = "a&lt;b&gt; &amp; &quot;c&quot; ]]&gt; \\u{0}\\u{1b}[31m\\u{ffff} é&#13;&#10;";
        assert!(xml.contains(text), "{xml}");
        assert!(!xml.chars().any(|letter| letter.is_control() && letter != '\n'), "{xml:?}");
    }
}
