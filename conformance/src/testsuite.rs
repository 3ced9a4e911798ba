//! The official wasi-testsuite: reads a folder of its prebuilt tests, in both of its formats, and changes nothing there.

mod fixture;
mod operation;
mod specification;
mod steps;
mod suite;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::profile::Profile;

pub(crate) use fixture::Dir;
pub(crate) use operation::{Operation, Protocol, Response, Stream};

/// One test of the suite.
#[derive(Debug)]
pub(crate) struct Test {
    /// `suite/name`: the suite's name is its manifest's, the test's that of its file.
    pub(crate) name: String,
    /// What it counts for: by the WASI version the suite is compiled for.
    pub(crate) profile: Profile,
    /// How it is played. A test that cannot be read must be reported as failed, with this reason.
    pub(crate) script: Result<Script>,
}

/// How a test is played: one container is started, then the operations follow in order.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    /// The program.
    pub(crate) wasm: PathBuf,
    /// The arguments after the program's name.
    pub(crate) args: Vec<String>,
    /// The whole environment: the program may see nothing else.
    pub(crate) env: BTreeMap<String, String>,
    /// The directories to open for it. Tests write there: [`stage`](Self::stage) them.
    pub(crate) dirs: Vec<Dir>,
    /// What the program is to its host.
    pub(crate) world: World,
    /// What it needs besides a plain container.
    pub(crate) needs: BTreeSet<Need>,
    /// What is done to the started program and expected of it. It always waits for its end.
    pub(crate) operations: Vec<Operation>,
}

/// What a program is to its host.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Deserialize)]
pub(crate) enum World {
    /// It is run once.
    #[default]
    #[serde(rename = "wasi:cli/command")]
    Command,
    /// It answers HTTP requests until it is ended.
    #[serde(rename = "wasi:http/service")]
    Service,
}

/// What a test needs besides a plain container.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Need {
    /// `wasi:http`.
    Http,
    /// HTTP servers for it to call; their addresses would be given in its environment.
    Servers,
    /// `wasi:sockets` and a network.
    Sockets,
}

/// Reads all tests at or below `folder`, sorted by name.
///
/// A folder that holds `.wasm` files is a suite, and folders inside it are its fixtures.
///
/// # Errors
///
/// When `folder` cannot be read, or has no test in it.
pub(crate) fn read(folder: &Path) -> Result<Vec<Test>> {
    let mut tests = Vec::new();
    for suite in suite::find(folder)? {
        tests.extend(suite.tests()?);
    }
    if tests.is_empty() {
        let reason = "there is no `.wasm` file in it; give the folder of the prebuilt tests";
        return Err(Error::new(ErrorKind::Usage, reason).at(folder.display()));
    }
    tests.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(tests)
}

impl Script {
    /// Copies the directories into the existing folder `to`, so that the program may write there.
    ///
    /// Symbolic links stay links. What earlier runs left behind, `*.cleanup`, is not copied.
    ///
    /// # Errors
    ///
    /// When something cannot be copied: besides trouble with files, a link that leaves its directory, or a device.
    pub(crate) fn stage(&self, to: &Path) -> Result<Vec<Dir>> {
        self.dirs.iter().enumerate().map(|(index, dir)| dir.copy(&to.join(index.to_string()))).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use shimmer_oci::Digest;

    use super::*;

    const OWN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testsuite");

    #[test]
    fn our_own_tests_are_all_readable() {
        let tests = read(Path::new(OWN)).expect("our own tests");
        assert!(tests.len() >= 8, "{} tests", tests.len());
        for test in tests {
            assert_eq!(test.profile, Profile::WasiP1, "{}", test.name);
            let script = test.script.expect(&test.name);
            let ends = script.operations.iter().filter(|step| matches!(step, Operation::Wait { .. }));
            assert_eq!(ends.count(), 1, "{} must wait for its end once", test.name);
        }
    }

    #[test]
    fn our_own_programs_are_what_their_sources_say() {
        let folder = Path::new(OWN).join("wasm32-wasip1");
        let sums = fs::read_to_string(folder.join("SHA256SUMS")).expect("the checksums");
        for entry in fs::read_dir(&folder).expect("our own tests") {
            let wasm = entry.expect("an entry").path();
            if wasm.extension().is_none_or(|extension| extension != "wasm") {
                continue;
            }
            let committed = fs::read(&wasm).expect("a program");
            let built = wat::parse_file(wasm.with_extension("wat")).expect("its source");
            assert_eq!(
                committed,
                built,
                "{} is not what its source gives; see README.md there",
                wasm.display()
            );
            let name = wasm.file_name().and_then(|name| name.to_str()).expect("UTF-8");
            let line = format!("{}  {name}", Digest::of(&committed).hex());
            assert!(sums.lines().any(|known| known == line), "SHA256SUMS has no line `{line}`");
        }
    }
}
