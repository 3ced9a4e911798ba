//! Plays the tests of the official suite for WASI: each as a container.

mod connection;
mod request;
mod root;
mod session;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use shimmer_node::{Access, ContainerSpec};
use tempfile::TempDir;

use self::session::Session;
use crate::address::free_address;
use crate::case::{Case, Play};
use crate::error::Result;
use crate::failure::{self, Failure};
use crate::level::Level;
use crate::profile::Profile;
use crate::setup::Setup;
use crate::stage::Stage;
use crate::testsuite::{self, Dir, Need, Script, Test, World};

/// Where the promises are made that the tests hold a shim to.
const SUITE: &str = "https://github.com/WebAssembly/wasi-testsuite";
/// Where a service listens: the containers' own name for it.
const ADDRESS: &str = "SHIMMER_HTTP_ADDR";
const ROOT: &str = "/";

/// The tests below a folder, as cases. What cannot be played is a case that fails, since nothing is skipped.
pub(crate) fn cases(folder: &Path) -> Result<Vec<Case>> {
    let mut taken = BTreeSet::new();
    Ok(testsuite::read(folder)?.into_iter().map(|test| case(id(&test.name, &mut taken), test)).collect())
}

/// Starts the test's program and does what its script says.
pub(crate) fn play(stage: &Stage<'_>, script: &failure::Result<Script>) -> failure::Result {
    let script = script.as_ref().map_err(Clone::clone)?;
    let folder = TempDir::new()?;
    let dirs = script.stage(folder.path())?;
    let address = (script.world == World::Service).then(free_address).transpose()?;
    let mut spec = described(stage, &dirs)?;
    if let Some(address) = address {
        spec = spec.env(ADDRESS, &address.to_string());
    }
    let mut session = Session::start(stage, &spec, address)?;
    for (index, operation) in script.operations.iter().enumerate() {
        session.perform(operation).map_err(|Failure(why)| {
            Failure(format!("step {} of {}: {why}", index + 1, script.operations.len()))
        })?;
    }
    Ok(())
}

fn case(id: String, test: Test) -> Case {
    let script = test.script.map_err(Failure::from).and_then(playable);
    let known = script.and_then(|script| Ok((setup(&script)?, needs(test.profile, &script), script)));
    let (setup, needs, script) = match known {
        Ok((setup, needs, script)) => (setup, needs, Ok(script)),
        Err(failure) => (Setup::of_bytes("unplayable.wasm", b""), &[][..], Err(failure)),
    };
    let play = Play::Official(Arc::new(script));
    Case { needs, ..Case::of(id, setup, vec![Level::Task], play) }.placed(test.profile, SUITE)
}

/// The id of a test, which nobody else has: `wasi-testsuite/<suite>/<test>`, plain enough for globs and containers.
fn id(name: &str, taken: &mut BTreeSet<String>) -> String {
    let (suite, test) = name.rsplit_once('/').unwrap_or(("", name));
    let id = format!("wasi-testsuite/{}/{}", plain(suite), plain(test));
    let others = (2..).map(|number| format!("{id}-{number}"));
    let free = [id.clone()].into_iter().chain(others).find(|id| !taken.contains(id)).unwrap_or(id);
    taken.insert(free.clone());
    free
}

/// Lower case, with one dash for whatever else there is.
fn plain(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-")
}

fn playable(script: Script) -> failure::Result<Script> {
    if script.needs.contains(&Need::Servers) {
        return Err(Failure("it calls HTTP servers, which this suite has not got".into()));
    }
    Ok(script)
}

/// What the program needs of an engine. Its sockets are WASI's, which come with components.
fn needs(profile: Profile, script: &Script) -> &'static [&'static str] {
    match (profile, script.needs.contains(&Need::Http)) {
        (Profile::WasiP1, _) => &[],
        (_, false) => &["components"],
        (_, true) => &["components", "http"],
    }
}

fn setup(script: &Script) -> failure::Result<Setup> {
    let program = fs::read(&script.wasm).map_err(|error| format!("{}: {error}", script.wasm.display()))?;
    let name = script.wasm.file_name().and_then(|name| name.to_str()).unwrap_or("test.wasm");
    Ok(Setup {
        args: script.args.clone(),
        env: script.env.clone().into_iter().collect(),
        // A container's own network has no loopback that is up.
        network: !script.needs.is_empty(),
        ..Setup::of_bytes(name, program)
    })
}

/// A root becomes the image's files, and a directory a mount of its name.
fn described(stage: &Stage<'_>, dirs: &[Dir]) -> failure::Result<ContainerSpec> {
    let setup = stage.setup();
    let root = dirs.iter().find(|dir| dir.guest == ROOT);
    let image = match root {
        Some(root) => root::image(stage.shim, &setup, &root.host)?,
        None => stage.image(&setup)?,
    };
    let mut spec = stage.spec_of(&image, &setup).exact_env().stdin_open();
    for dir in dirs.iter().filter(|dir| dir.guest != ROOT) {
        spec = spec.mount(&dir.host, &format!("/{}", dir.guest), Access::Write);
    }
    Ok(spec)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testsuite");

    /// A folder with one test: a program that is none, with this JSON.
    fn one(json: &str) -> Case {
        let folder = TempDir::new().expect("a folder");
        fs::write(folder.path().join("a.wasm"), "").expect("a program");
        fs::write(folder.path().join("a.json"), json).expect("a description");
        cases(folder.path()).expect("cases").remove(0)
    }

    fn failure(case: &Case) -> Option<String> {
        let Play::Official(script) = &case.play else { panic!("{} is no test of the suite", case.id) };
        script.as_ref().as_ref().err().map(|Failure(why)| why.clone())
    }

    #[test]
    fn our_own_tests_are_cases() {
        let cases = cases(Path::new(OWN)).expect("cases");
        assert!(cases.iter().any(|case| case.id == "wasi-testsuite/shimmer-wasm32-wasip1/exit-code"));
        for case in cases {
            assert_eq!(failure(&case), None, "{}", case.id);
            assert_eq!(
                (case.profile, case.needs, &*case.levels),
                (Profile::WasiP1, &[][..], &[Level::Task][..])
            );
        }
    }

    #[test]
    fn ids_are_plain_and_unique() {
        let mut taken = BTreeSet::new();
        let mut id = |name| id(name, &mut taken);
        assert_eq!(
            id("WASI C tests [wasm32-wasip1]/fd_read"),
            "wasi-testsuite/wasi-c-tests-wasm32-wasip1/fd-read"
        );
        assert_eq!(id("a/b_c"), "wasi-testsuite/a/b-c");
        assert_eq!(id("a/b-c"), "wasi-testsuite/a/b-c-2");
        assert_eq!(id("a/b.c"), "wasi-testsuite/a/b-c-3");
    }

    #[test]
    fn what_cannot_be_played_is_a_failing_case() {
        for (json, reason) in [("{", "a.json"), (r#"{"servers": []}"#, "HTTP servers")] {
            let failure = failure(&one(json)).expect(json);
            assert!(failure.contains(reason), "{failure}");
        }
    }

    #[test]
    fn programs_that_need_what_an_engine_may_lack_say_so() {
        let plain = testsuite::read(Path::new(OWN)).expect("tests").remove(0).script.expect("a script");
        let http = Script { needs: [Need::Http].into(), ..plain.clone() };
        assert_eq!(needs(Profile::WasiP1, &plain), &[] as &[&str]);
        assert_eq!(needs(Profile::WasiP3, &plain), ["components"]);
        assert_eq!(needs(Profile::WasiP3, &http), ["components", "http"]);
    }
}
