use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::specification::Specification;
use super::{Dir, Script, Test};
use crate::error::{Error, ErrorKind, Result};
use crate::profile::Profile;

const MANIFEST: &str = "manifest.json";
/// What a file of JSON may have in bytes; those of the official suite have a thousand at most.
const LARGEST_JSON: u64 = 1 << 20;
/// The endings of what belongs to a test. Sources are listed too: what was not built has not passed.
const ENDINGS: [&str; 3] = ["json", "wasm", "wat"];

/// A folder of programs that are compiled for one version of WASI.
#[derive(Debug)]
pub(super) struct Suite {
    folder: PathBuf,
    name: String,
    profile: Profile,
}

// Manifests may get fields that are no business of who plays the tests.
#[derive(Default, Deserialize)]
struct Manifest {
    name: Option<String>,
    version: Option<String>,
}

/// Finds the suites at or below `folder`: what is in a suite's folder is its own.
pub(super) fn find(folder: &Path) -> Result<Vec<Suite>> {
    let (mut folders, mut is_suite) = (Vec::new(), false);
    for path in list(folder)? {
        let hidden = name_of(&path)?.starts_with('.');
        if path.extension().is_some_and(|extension| extension == "wasm") {
            is_suite = true;
        } else if path.is_dir() && !path.is_symlink() && !hidden {
            folders.push(path);
        }
    }
    if is_suite {
        return Ok(vec![Suite::read(folder)?]);
    }
    let suites: Result<Vec<_>> = folders.iter().map(|folder| find(folder)).collect();
    Ok(suites?.into_iter().flatten().collect())
}

impl Suite {
    fn read(folder: &Path) -> Result<Self> {
        let folder = folder
            .canonicalize()
            .map_err(|cause| Error::io(format!("find the folder {}", folder.display()), cause))?;
        let path = folder.join(MANIFEST);
        let manifest = match json(&path)? {
            Some(text) => serde_json::from_str(&text).map_err(|cause| broken(&path, cause.to_string()))?,
            None => Manifest::default(),
        };
        let of_folder = name_of(&folder)?;
        let name = manifest.name.unwrap_or_else(|| of_folder.to_owned());
        if name.trim().is_empty() || name.contains(char::is_control) {
            return Err(broken(&path, format!("`name`: {name:?} is no name")));
        }
        let version = manifest.version.or_else(|| version_in(of_folder)).or_else(|| version_in(&name));
        // Before there were other versions, folders said nothing.
        let profile = match version.as_deref() {
            None | Some("wasm32-wasip1") => Profile::WasiP1,
            Some("wasm32-wasip2") => Profile::WasiP2,
            Some("wasm32-wasip3") => Profile::WasiP3,
            Some(other) => {
                return Err(broken(&folder, format!("its version of WASI, {other:?}, is unknown")));
            }
        };
        Ok(Self { folder, name, profile })
    }

    /// Reads its tests. What one of them has wrong is no reason to leave out the others.
    pub(super) fn tests(&self) -> Result<Vec<Test>> {
        let mut stems = BTreeSet::new();
        for path in list(&self.folder)? {
            let listed = path.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known));
            if listed && name_of(&path)? != MANIFEST {
                stems.insert(name_of(&path.with_extension(""))?.to_owned());
            }
        }
        let test = |stem: String| Test {
            name: format!("{}/{stem}", self.name),
            profile: self.profile,
            script: self.script(&stem),
        };
        Ok(stems.into_iter().map(test).collect())
    }

    fn script(&self, stem: &str) -> Result<Script> {
        let wasm = self.folder.join(format!("{stem}.wasm"));
        if !wasm.is_file() {
            return Err(broken(&wasm, "there is no such file; was the test not built?"));
        }
        let path = self.folder.join(format!("{stem}.json"));
        let specification = match json(&path)? {
            Some(text) => Specification::parse(&text).map_err(|reason| broken(&path, reason))?,
            None => Specification::default(),
        };
        let Specification { run, world, needs, operations } = specification;
        let dirs = Dir::all(&self.folder, &run.dirs, run.root.as_deref())
            .map_err(|error| error.at(path.display()))?;
        Ok(Script { wasm, args: run.args, env: run.env, dirs, world, needs, operations })
    }
}

/// The entries of a folder, in order.
fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let listed = fs::read_dir(folder).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    let mut paths: Vec<PathBuf> =
        listed.map_err(|cause| Error::io(format!("list the folder {}", folder.display()), cause))?;
    paths.sort();
    Ok(paths)
}

/// The text of a file, or none if there is no such file.
fn json(path: &Path) -> Result<Option<String>> {
    if !path.exists() && !path.is_symlink() {
        return Ok(None);
    }
    // To open a pipe would be to wait for its other end.
    if !path.is_file() {
        return Err(broken(path, "it is no regular file"));
    }
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(LARGEST_JSON + 1).read_to_string(&mut text))
        .map_err(|cause| Error::io(format!("read {}", path.display()), cause))?;
    if text.len() as u64 > LARGEST_JSON {
        return Err(broken(path, format!("it is larger than {LARGEST_JSON} bytes")));
    }
    Ok(Some(text))
}

/// The version of WASI that a name ends with, in brackets or not.
fn version_in(name: &str) -> Option<String> {
    let word = name.rsplit([' ', '[']).next()?.trim_end_matches(']');
    word.starts_with("wasm").then(|| word.to_owned())
}

fn name_of(path: &Path) -> Result<&str> {
    let name = path.file_name().and_then(|name| name.to_str());
    name.filter(|name| !name.contains(char::is_control))
        .ok_or_else(|| broken(path, "its name is not printable UTF-8, as those of tests are"))
}

fn broken(path: &Path, reason: impl Into<String>) -> Error {
    Error::new(ErrorKind::Guest, reason).at(path.display())
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::super::Operation;
    use super::*;

    /// A folder with these files; a name that ends with `/` is a folder.
    fn folder(files: &[(&str, &str)]) -> TempDir {
        let folder = TempDir::new().expect("a folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        folder
    }

    fn read(files: &[(&str, &str)]) -> Vec<Test> {
        super::super::read(folder(files).path()).expect("tests")
    }

    /// Why the only test among the files is no good.
    fn refusal(files: &[(&str, &str)]) -> String {
        let mut tests = read(files);
        assert_eq!(tests.len(), 1, "{tests:?}");
        tests.remove(0).script.expect_err("a refusal").to_string()
    }

    #[test]
    fn reads_suites_by_their_manifests_and_folders() {
        let tests = read(&[
            ("c/testsuite/manifest.json", r#"{"name": "C"}"#),
            ("c/testsuite/lseek.wasm", ""),
            ("rust/testsuite/wasm32-wasip1/a.wasm", ""),
            ("rust/testsuite/wasm32-wasip3/b.wasm", ""),
            ("rust/testsuite/wasm32-wasip3/b.dir/no-test.wasm", ""),
            ("other/manifest.json", r#"{"name": "Other [wasm32-wasip3]"}"#),
            ("other/c.wasm", ""),
            ("named/manifest.json", r#"{"name": "Named", "version": "wasm32-wasip2", "new": 1}"#),
            ("named/d.wasm", ""),
            (".git/e.wasm", ""),
        ]);
        let seen: Vec<_> = tests.iter().map(|test| (test.name.as_str(), test.profile)).collect();
        let expected = [
            ("C/lseek", Profile::WasiP1),
            ("Named/d", Profile::WasiP2),
            ("Other [wasm32-wasip3]/c", Profile::WasiP3),
            ("wasm32-wasip1/a", Profile::WasiP1),
            ("wasm32-wasip3/b", Profile::WasiP3),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_program_without_json_is_run_without_arguments_and_expects_zero() {
        let test = read(&[("a.wasm", "")]).remove(0);
        let script = test.script.expect("a script");
        assert_eq!((script.args.len(), script.env.len(), script.dirs.len()), (0, 0, 0));
        assert_eq!(script.operations, [Operation::Wait { exit_code: 0 }]);
    }

    #[test]
    fn one_bad_test_does_not_hide_the_others() {
        let tests = read(&[("bad.wasm", ""), ("bad.json", r#"{"wait": 1}"#), ("good.wasm", "")]);
        let [bad, good] = tests.as_slice() else { panic!("{tests:?}") };
        let reason = bad.script.as_ref().expect_err("a refusal").to_string();
        assert!(reason.contains("bad.json: unknown field `wait`"), "the file and the field: {reason}");
        assert!(good.script.is_ok(), "{good:?}");
    }

    #[test]
    fn what_was_not_built_is_a_failing_test() {
        for source in ["lost.json", "lost.wat"] {
            let tests = read(&[(source, "{}"), ("there.wasm", "")]);
            assert_eq!(tests.len(), 2, "{source}");
            let reason = tests[0].script.as_ref().expect_err(source).to_string();
            assert!(reason.contains("lost.wasm: there is no such file"), "{reason}");
        }
    }

    #[test]
    fn refuses_folders_without_a_test() {
        for files in [&[][..], &[("a.txt", "")], &[("a/b/c.json", "{}")]] {
            let reason = super::super::read(folder(files).path()).expect_err("no tests").to_string();
            assert!(reason.contains("no `.wasm` file"), "{reason}");
        }
        assert!(super::super::read(Path::new("/nowhere/to/be/found")).is_err(), "a folder that there is not");
    }

    #[test]
    fn refuses_manifests_that_say_nothing_usable() {
        for manifest in ["", "{", "[1]", r#"{"name": 1}"#, r#"{"name": " "}"#, r#"{"name": "\u001b[2J"}"#] {
            let folder = folder(&[("manifest.json", manifest), ("a.wasm", "")]);
            let reason = super::super::read(folder.path()).expect_err(manifest).to_string();
            assert!(reason.contains("manifest.json"), "{manifest} is refused with {reason:?}");
        }
        let folder = folder(&[("manifest.json", r#"{"version": "wasm64-wasip9"}"#), ("a.wasm", "")]);
        let reason = super::super::read(folder.path()).expect_err("a version").to_string();
        assert!(reason.contains("wasm64-wasip9"), "{reason}");
    }

    #[test]
    fn refuses_directories_outside_of_the_suite() {
        for dir in ["../../etc", "/etc", "", "d/../../x", "..", "nowhere", "a.json"] {
            for field in [format!(r#""dirs": [{dir:?}]"#), format!(r#""root": {dir:?}"#)] {
                let reason = refusal(&[("a.wasm", ""), ("a.json", &format!("{{{field}}}")), ("d/f", "")]);
                let named = reason.contains("a.json: `") && reason.contains(&format!("{dir:?}"));
                assert!(named, "{field} is refused with {reason:?}");
            }
        }
        let reason = refusal(&[("a.wasm", ""), ("a.json", r#"{"dirs": ["d", "d"]}"#), ("d/f", "")]);
        assert!(reason.contains("twice"), "{reason}");
    }

    #[test]
    fn refuses_a_directory_that_is_a_link_to_elsewhere() {
        let folder = folder(&[("a.wasm", ""), ("a.json", r#"{"dirs": ["d"]}"#)]);
        std::os::unix::fs::symlink("/", folder.path().join("d")).expect("a link");
        let tests = super::super::read(folder.path()).expect("tests");
        let reason = tests[0].script.as_ref().expect_err("a link").to_string();
        assert!(reason.contains("out of the test's folder"), "{reason}");
    }

    #[test]
    fn refuses_json_that_is_no_file_or_too_large_or_no_text() {
        let large = " ".repeat(usize::try_from(LARGEST_JSON).expect("a size") + 1);
        let reason = refusal(&[("a.wasm", ""), ("a.json", &large)]);
        assert!(reason.contains("larger than"), "{reason}");
        let reason = refusal(&[("a.wasm", ""), ("a.json/f", "")]);
        assert!(reason.contains("no regular file"), "{reason}");
        let folder = folder(&[("a.wasm", "")]);
        fs::write(folder.path().join("a.json"), b"{\xff}").expect("a file");
        let tests = super::super::read(folder.path()).expect("tests");
        assert!(tests[0].script.is_err(), "{tests:?}");
    }
}
