mod trust;

use std::thread;

use shimmer_oci::Digest;

use super::row;
use crate::case::Case;
use crate::expected::Ended;
use crate::failure::{Result, ensure};
use crate::guests::HELLO;
use crate::images::Form;
use crate::profile::Profile;
use crate::setup::Setup;
use crate::shim::Shim;
use crate::stage::Stage;

/// What a shim's log says when it compiles, on one line with the digest of the program.
const COMPILED: &str = " compiled ";

pub(super) fn cases() -> Vec<Case> {
    let compilations = row(
        "cache",
        Profile::Cache,
        [
            Case::task("cache/warm-starts-do-not-compile", own_program("warm"), warm_starts)
                .should()
                .private(),
            Case::task(
                "cache/warm-starts-of-a-root-do-not-compile",
                own_program("root").form(Form::Rootfs),
                warm_starts,
            )
            .should()
            .private(),
            Case::task("cache/one-program-in-two-images-is-compiled-once", own_program("two"), two_images)
                .should()
                .private(),
            Case::task("cache/cold-starts-of-one-image-at-once", own_program("one-image"), cold_starts),
            Case::task(
                "cache/cold-starts-of-two-images-at-once",
                own_program("two-images"),
                cold_starts_of_two,
            ),
        ],
    );
    [compilations, trust::cases()].concat()
}

/// A program that no other case has compiled, down to its native code: another name is greeted where none is given.
fn own_program(name: &str) -> Setup {
    const DEFAULT: &[u8] = b"world";
    let mut program = HELLO.bytes.to_vec();
    let at = program.windows(DEFAULT.len()).position(|part| part == DEFAULT).unwrap_or_default();
    let own = name.bytes().chain(std::iter::repeat(b'.')).take(DEFAULT.len());
    program.splice(at..at + DEFAULT.len(), own);
    Setup::of_bytes("cache.wasm", program).env([("GREETING_NAME", "world")])
}

/// The evidence is what the log tells, not the clock.
fn warm_starts(stage: &Stage<'_>) -> Result {
    let setup = stage.setup();
    for _ in 0..3 {
        greets(&stage.start(&setup)?.end_unnoted()?)?;
        compiled_once(stage.shim, &setup)?;
    }
    Ok(())
}

fn two_images(stage: &Stage<'_>) -> Result {
    let setup = stage.setup();
    for form in [Form::Artifact, Form::RunwasiLayer] {
        greets(&stage.start(&setup.clone().form(form))?.end_unnoted()?)?;
    }
    compiled_once(stage.shim, &setup)
}

fn cold_starts(stage: &Stage<'_>) -> Result {
    at_once(stage, &vec![stage.setup(); 8])
}

fn cold_starts_of_two(stage: &Stage<'_>) -> Result {
    let other = own_program("the-other-of-two-images");
    at_once(stage, &[stage.setup(), other.clone(), stage.setup(), other])
}

fn at_once(stage: &Stage<'_>, setups: &[Setup]) -> Result {
    for setup in setups {
        stage.image(setup)?;
    }
    thread::scope(|scope| {
        let one = |setup| move || greets(&stage.start(setup)?.end_unnoted()?);
        let starts: Vec<_> = setups.iter().map(|setup| scope.spawn(one(setup))).collect();
        starts.into_iter().try_for_each(|start| start.join().map_err(|_| "a start panicked")?)
    })
}

fn compiled_once(shim: &Shim, setup: &Setup) -> Result {
    let program = Digest::of(&setup.program).to_string();
    let log = shim.node.log()?;
    let compilations = log.lines().filter(|line| line.contains(COMPILED) && line.contains(&program)).count();
    ensure(compilations == 1, || {
        format!("expected the log to tell of one compilation, but saw {compilations}")
    })
}

fn greets(ended: &Ended) -> Result {
    let greeted = ended.code == 0 && ended.stdout() == "hello from wasm: world\n";
    ensure(greeted, || format!("expected a greeting, but saw {}", ended.describe()))
}
