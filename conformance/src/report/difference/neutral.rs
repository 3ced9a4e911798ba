use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::trap;
use crate::report::{Fact, Report};

/// Takes out of what cases observed whatever differs from run to run, and the engines' names.
#[derive(Debug)]
pub(super) struct Neutral {
    names: Option<Regex>,
}

impl Neutral {
    /// For what was observed of these shims.
    pub(super) fn of(reports: &[Report]) -> Self {
        let mut words: Vec<&str> = reports.iter().flat_map(words).collect();
        // Of two names of which one begins with the other, the longer is meant.
        words.sort_unstable_by_key(|word| (std::cmp::Reverse(word.len()), *word));
        words.dedup();
        let words = words.into_iter().map(regex::escape).collect::<Vec<_>>().join("|");
        let names = format!(r"(?i)\b(?:{words})\b(?:[ /@-]v?\d+\.\d+(?:\.\d+)?(?:[-+][\w.]+)?)?");
        Self { names: (!words.is_empty()).then(|| pattern(&names)) }
    }

    /// What is left of a fact.
    pub(super) fn value(&self, fact: &Fact) -> String {
        match fact.name.as_str() {
            "pid" => "PID".to_owned(),
            "trap" => trap::class(&fact.value).map_or_else(|| self.text(&fact.value), str::to_owned),
            _ => self.text(&fact.value),
        }
    }

    fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (pattern, name) in PATTERNS.iter() {
            text = pattern.replace_all(&text, *name).into_owned();
        }
        let digest =
            |found: &Captures<'_>| if is_digest(&found[2]) { "DIGEST" } else { &found[0] }.to_owned();
        text = HEXADECIMAL.replace_all(&text, digest).into_owned();
        match &self.names {
            Some(names) => names.replace_all(&text, "ENGINE").into_owned(),
            None => text,
        }
    }
}

/// In this order: a time holds what looks like an address's port, and an address what looks like a duration.
static PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let patterns = [
        (r"(?:/var)?/tmp/[^/\s:;,)\x22'`]+|/dev/shm/[^/\s:;,)\x22'`]+", "/TEMPORARY"),
        (r"\.tmp\w{6}\b", "TEMPORARY"),
        (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?", "TIME"),
        (r"\b(?:\d{1,3}\.){3}\d{1,3}(?::\d{1,5})?\b", "ADDRESS"),
        (r"(?:\blocalhost|\[[0-9A-Fa-f:]*\]):\d{1,5}\b", "ADDRESS"),
        (r"\bport \d{1,5}\b", "port PORT"),
        (r"(?i)\b(pid[ :=]+)\d+\b", "${1}PID"),
        // Docker's, which is the beginning of a container's id; of some it is a number.
        (r"\bHOSTNAME=[0-9a-f]{12}\b", "HOSTNAME=ID"),
        (r"/proc/\d+\b", "/proc/PID"),
        (r"\b0x[0-9A-Fa-f]+\b", "NUMBER"),
        (r"\b\d+(?:\.\d+)?\s?(?:ns|µs|us|ms|s|milliseconds?|seconds?|minutes?)\b", "DURATION"),
    ];
    patterns.into_iter().map(|(text, name)| (pattern(text), name)).collect()
});

static HEXADECIMAL: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b(sha256:)?([0-9a-f]{12,})\b"));

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("every pattern here is a constant, but for words that are escaped")
}

/// The words by which a shim gives itself away: its name and its engine's, in the runtime's name too, and the
/// version.
fn words(report: &Report) -> impl Iterator<Item = &str> {
    let shim = &report.shim;
    let engine = shim.engine.as_deref().unwrap_or_default();
    let runtime = shim.runtime.as_deref().and_then(|runtime| runtime.split('.').nth_back(1));
    let words = engine.split_whitespace().chain(runtime).chain([shim.name.as_str()]);
    words.filter(|word| word.len() > 1)
}

/// Whether digits are those of a checksum; a long decimal number may be what the case is about.
fn is_digest(digits: &str) -> bool {
    digits.len() >= 32 || digits.contains(|digit: char| digit.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::report;

    fn neutral(name: &str, value: &str) -> String {
        Neutral::of(&[report("wasmtime", []), report("wasmedge", [])]).value(&Fact::new(name, value))
    }

    #[test]
    fn takes_out_what_differs_from_run_to_run() {
        for (seen, left) in [
            ("wasmedge 1.2.3 refuses the container", "ENGINE refuses the container"),
            ("Wasmtime/48.0.8-rc.1 and wasmedge", "ENGINE and ENGINE"),
            ("io.containerd.wasmtime.v1", "io.containerd.ENGINE.v1"),
            ("version 1.2.3", "version ENGINE"),
            ("sha256:0123456789abcdef0123456789abcdef is stale", "DIGEST is stale"),
            (
                "listens at 127.0.0.1:43117, [::1]:80 and localhost:8080",
                "listens at ADDRESS, ADDRESS and ADDRESS",
            ),
            ("HOSTNAME=493820174652", "HOSTNAME=ID"),
            ("10.88.0.7 has pid 4711: /proc/4711/fd", "ADDRESS has pid PID: /proc/PID/fd"),
            ("after 1.5 s, 300ms at 0x7f00dead", "after DURATION, DURATION at NUMBER"),
            ("/tmp/.tmpAb12Cd/data/file: no such file", "/TEMPORARY/data/file: no such file"),
            ("bundle .tmpAb12Cd", "bundle TEMPORARY"),
            ("2026-01-02T03:04:05.678Z done", "TIME done"),
        ] {
            assert_eq!(neutral("stdout", seen), left);
        }
    }

    #[test]
    fn leaves_what_a_case_is_about() {
        for seen in
            ["42", "137\n", "100000000000000", "a=1 b=2", "/data/file", "deadbeef", "wasmtimes", "3 files"]
        {
            assert_eq!(neutral("stdout", seen), seen);
        }
    }

    #[test]
    fn a_trap_is_its_class() {
        assert_eq!(neutral("trap", "wasm trap: integer divide by zero\n  0: <unknown>"), "division by zero");
        assert_eq!(
            neutral("trap", "wasmtime is out of fuel"),
            "ENGINE is out of fuel",
            "no class, but its words"
        );
        assert_eq!(neutral("stdout", "divide by zero"), "divide by zero", "what a guest prints is its own");
    }
}
