//! What a run of the suite found, as a file that other runs can be held against.

mod comparison;
mod difference;
mod features;
mod junit;
mod machine;
mod markdown;
mod outcome;
mod tally;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::level::Level;

pub use comparison::{Comparison, compare};
pub use difference::{Allowed, Difference, Differences, differ};
pub use features::{features, write_features};
pub use machine::{Cgroup, Machine};
pub use outcome::{Fact, Outcome, Verdict};
pub use tally::Tally;

/// The version of the JSON that this suite writes, and the only one that it reads.
pub const FORMAT: u32 = 1;

/// One run of one shim. docs/conformance.md describes its JSON.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Report {
    /// [`FORMAT`].
    pub version: u32,
    /// The version of the suite.
    pub suite: String,
    /// What was run.
    pub shim: Shim,
    /// Where it was run.
    pub machine: Machine,
    /// When, in RFC 3339 and UTC.
    pub started: String,
    /// How long the run took.
    pub seconds: f64,
    /// The capabilities that the shim claims.
    pub claims: Vec<String>,
    /// The SHA-256 of each guest by its file.
    pub guests: BTreeMap<String, String>,
    /// One for each case and level.
    pub results: Vec<Outcome>,
    /// The cases that could not be played here, and why.
    #[serde(default)]
    pub left_out: Vec<LeftOut>,
}

/// A case that could not be played where the shim is.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LeftOut {
    /// The case.
    pub id: String,
    /// Where it would have been played.
    pub level: Level,
    /// Why it was not.
    pub reason: String,
}

/// A shim, or an engine by itself.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Shim {
    /// `wasmtime`
    pub name: String,
    /// `io.containerd.wasmtime.v1`
    pub runtime: Option<String>,
    /// The engine and its version: `wasmtime 48.0.8`.
    pub engine: Option<String>,
    /// The SHA-256 of the binary.
    pub sha256: Option<String>,
    /// The shim's own version.
    pub version: Option<String>,
}

impl Report {
    /// Reads the JSON of a report.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`] where the file cannot be read, and [`ErrorKind::Report`] where it is no report, is
    /// one of another format, or has two results of one case.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)
            .map_err(|error| Error::io(format!("read the report {}", path.display()), error))?;
        Self::parse(&text).map_err(|error| error.at(path.display()))
    }

    /// Writes `<shim>.json`, `<shim>.xml` for JUnit and `<shim>.md` into a folder, which is made if it is
    /// missing, and says which files they are.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`] where a file cannot be written, [`ErrorKind::Report`] where the shim's name cannot
    /// be that of a file.
    pub fn write(&self, folder: &Path) -> Result<[PathBuf; 3]> {
        let name = &self.shim.name;
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
        if name.starts_with('.') || name.is_empty() || !name.chars().all(is_plain) {
            return Err(Error::new(
                ErrorKind::Report,
                format!("a shim called `{name}` cannot name its report"),
            ));
        }
        fs::create_dir_all(folder)
            .map_err(|error| Error::io(format!("make the folder {}", folder.display()), error))?;
        let file = |extension: &str, text: String| {
            let path = folder.join(format!("{name}.{extension}"));
            match fs::write(&path, text) {
                Ok(()) => Ok(path),
                Err(error) => Err(Error::io(format!("write the report {}", path.display()), error)),
            }
        };
        Ok([file("json", json(self)? + "\n")?, file("xml", self.junit())?, file("md", self.markdown())?])
    }

    /// Whether every case ended as it must or as is known. A failed SHOULD is no better than a failed MUST,
    /// since its reason can be written down as a known failure; and a run of no case shows nothing.
    #[must_use]
    pub fn is_as_expected(&self) -> bool {
        !self.results.is_empty() && self.results.iter().all(|outcome| outcome.verdict.is_as_expected())
    }

    /// How many cases ended how.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.results.iter().collect()
    }

    fn parse(text: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct Header {
            version: u32,
        }
        let refused = |error: serde_json::Error| {
            Error::caused(ErrorKind::Report, format!("this is no report of the suite: {error}"), error)
        };
        let Header { version } = serde_json::from_str(text).map_err(refused)?;
        if version != FORMAT {
            let message = format!(
                "the report is of format {version}, and this suite reads format {FORMAT} only: run the suite \
                 again, or use the one that wrote it"
            );
            return Err(Error::new(ErrorKind::Report, message));
        }
        let report: Self = serde_json::from_str(text).map_err(refused)?;
        let mut seen = BTreeSet::new();
        match report.results.iter().find(|outcome| !seen.insert((&outcome.id, outcome.level))) {
            Some(twin) => {
                let message = format!("{} has two results at level {}", twin.id, twin.level);
                Err(Error::new(ErrorKind::Report, message))
            }
            None => Ok(report),
        }
    }
}

/// The present time, in the words of [`Report::started`].
#[must_use]
pub fn now() -> String {
    prost_types::Timestamp { nanos: 0, ..SystemTime::now().into() }.to_string()
}

/// Indented JSON, without the end of its last line.
fn json(what: &impl Serialize) -> Result<String> {
    serde_json::to_string_pretty(what)
        .map_err(|error| Error::caused(ErrorKind::Report, format!("cannot write JSON: {error}"), error))
}

/// A name for each report: the shim's, and where several are of one shim, when it was run.
fn labels(reports: &[Report]) -> Vec<String> {
    let mut labels: Vec<String> = Vec::new();
    for report in reports {
        let name = &report.shim.name;
        let alone = reports.iter().filter(|other| other.shim.name == *name).count() == 1;
        let label = if alone { name.clone() } else { format!("{name} of {}", report.started) };
        let repeated = labels.iter().filter(|known| known.starts_with(&label)).count();
        labels.push(if repeated == 0 { label } else { format!("{label} ({})", repeated + 1) });
    }
    labels
}

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod page;

#[cfg(test)]
mod tests {
    use super::fixture::{failed, passed, report};
    use super::*;

    #[test]
    fn is_read_as_it_was_written() {
        let report = report("wasmtime", [passed("exit/one"), failed("trap/div", "expected 134\nseen 0")]);
        let folder = tempfile::tempdir().expect("a folder");
        let files = report.write(&folder.path().join("new")).expect("written");
        assert_eq!(Report::read(&files[0]).expect("read"), report);
        let names = files.map(|file| file.file_name().expect("a name").to_string_lossy().into_owned());
        assert_eq!(names, ["wasmtime.json", "wasmtime.xml", "wasmtime.md"]);
    }

    #[test]
    fn has_the_documented_json() {
        let json: serde_json::Value =
            serde_json::to_value(report("wasmtime", [passed("exit/one")])).expect("it serialises");
        let result = &json["results"][0];
        assert_eq!((&json["version"], &json["machine"]["cgroup"]), (&1.into(), &"hybrid".into()));
        assert_eq!((&result["verdict"], &result["level"]), (&"passed".into(), &"task".into()));
        assert_eq!((&result["keyword"], &result["claimed"]), (&"MUST".into(), &true.into()));
        let document = include_str!("../../docs/conformance.md");
        for key in json.as_object().into_iter().chain(result.as_object()).flat_map(|object| object.keys()) {
            assert!(document.contains(&format!("`{key}`")), "docs/conformance.md does not describe `{key}`");
        }
    }

    #[test]
    fn another_format_is_refused_with_the_one_that_is_read() {
        let error = Report::parse(r#"{"version": 2, "cases": []}"#).expect_err("from the future");
        assert_eq!(error.kind(), ErrorKind::Report);
        assert!(
            error.to_string().contains("format 2") && error.to_string().contains("format 1 only"),
            "{error}"
        );
    }

    #[test]
    fn what_is_no_report_is_refused() {
        for text in ["", "[]", "{}", r#"{"version": 1}"#] {
            let error = Report::parse(text).expect_err(text);
            assert_eq!(error.kind(), ErrorKind::Report, "{text}");
        }
    }

    #[test]
    fn a_case_has_one_result_at_a_level() {
        let twice = serde_json::to_string(&report("wasmtime", [passed("exit/one"), passed("exit/one")]));
        let error = Report::parse(&twice.expect("it serialises")).expect_err("two results");
        assert!(error.to_string().contains("exit/one has two results at level task"), "{error}");
    }

    #[test]
    fn a_run_of_no_case_is_red() {
        assert!(!report("wasmtime", []).is_as_expected());
        assert!(report("wasmtime", [passed("exit/one")]).is_as_expected());
    }

    #[test]
    fn a_failed_should_is_red_unless_it_is_known() {
        let mut outcome = Outcome { keyword: crate::profile::Keyword::Should, ..failed("exit/one", "no") };
        assert!(!report("wasmtime", [outcome.clone()]).is_as_expected(), "nobody knew");
        outcome.verdict = Verdict::Known { reason: "the engine cannot".into(), link: "docs".into() };
        assert!(report("wasmtime", [outcome.clone()]).is_as_expected(), "known");
        outcome.verdict = Verdict::Mended { reason: "the engine cannot".into(), link: "docs".into() };
        assert!(!report("wasmtime", [outcome]).is_as_expected(), "known, and not true any more");
    }

    #[test]
    fn a_name_that_leaves_the_folder_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["", "../x", "a/b", ".x"] {
            report(name, []).write(folder.path()).expect_err(name);
        }
    }

    #[test]
    fn reports_of_one_shim_are_told_apart() {
        let reports = [report("a", []), report("b", []), report("a", [])];
        let labels = labels(&reports);
        assert_eq!(labels[1], "b");
        assert_eq!(labels.iter().collect::<BTreeSet<_>>().len(), 3, "{labels:?}");
    }

    #[test]
    fn the_time_is_rfc_3339_in_utc() {
        let now = now();
        assert!(now.len() == "2026-01-01T00:00:00Z".len() && now.ends_with('Z'), "{now}");
    }
}
