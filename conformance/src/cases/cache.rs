mod entry;
mod trust;

use std::ops::Range;
use std::thread;

use shimmer_oci::Digest;

use super::row;
use crate::case::Case;
use crate::expected::Ended;
use crate::failure::{Result, ensure};
use crate::guests::HELLO;
use crate::images::Form;
use crate::patience::{notice, until};
use crate::profile::Profile;
use crate::setup::Setup;
use crate::shim::Shim;
use crate::stage::Stage;

/// The word by which a shim's log tells that it has compiled, on one line with the digest of the program.
const COMPILED: &str = "compiled";
/// Whom `hello` greets where it is told no name.
const WORLD: &[u8] = b"world";

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

/// A program that no other case has compiled, down to its native code: it greets another than the world.
fn own_program(name: &str) -> Setup {
    let mut program = HELLO.bytes.to_vec();
    let own = name.bytes().chain(std::iter::repeat(b'.')).take(WORLD.len());
    program.splice(greeted(), own);
    Setup::of_bytes("cache.wasm", program)
}

/// Where whom it greets stands in the program.
fn greeted() -> Range<usize> {
    let at = HELLO.bytes.windows(WORLD.len()).position(|part| part == WORLD).unwrap_or_default();
    at..at + WORLD.len()
}

/// The evidence is what the log tells, not the clock.
fn warm_starts(stage: &Stage<'_>) -> Result {
    let setup = stage.setup();
    for _ in 0..3 {
        greets(stage, &setup)?;
        compiled(stage.shim, &setup, 1)?;
    }
    Ok(())
}

fn two_images(stage: &Stage<'_>) -> Result {
    let setup = stage.setup();
    for form in [Form::Artifact, Form::RunwasiLayer] {
        greets(stage, &setup.clone().form(form))?;
    }
    compiled(stage.shim, &setup, 1)
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
        let one = |setup| move || greets(stage, setup);
        let starts: Vec<_> = setups.iter().map(|setup| scope.spawn(one(setup))).collect();
        starts.into_iter().try_for_each(|start| start.join().map_err(|_| "a start panicked")?)
    })
}

/// The log tells how often the program was compiled.
fn compiled(shim: &Shim, setup: &Setup, times: usize) -> Result {
    let program = Digest::of(&setup.program).to_string();
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    let tells = |line: &&str| {
        line.contains(&program) && line.split(|letter| !is_part(letter)).any(|word| word == COMPILED)
    };
    let count = || -> Result<usize> { Ok(shim.node.log()?.lines().filter(tells).count()) };
    let wrong = |told: usize| format!("expected the log to tell of {times} compilations, but saw {told}");
    // containerd copies what a shim logs.
    until(notice(), || {
        let told = count()?;
        Ok((told < times).then(|| wrong(told)))
    })?;
    let told = count()?;
    ensure(told == times, || wrong(told))
}

/// The program runs, and it is this one.
fn greets(stage: &Stage<'_>, setup: &Setup) -> Result {
    greeted_by(setup, &stage.start(setup)?.end_unnoted()?)
}

fn greeted_by(setup: &Setup, ended: &Ended) -> Result {
    let own = String::from_utf8_lossy(setup.program.get(greeted()).unwrap_or_default());
    let greeting = format!("hello from wasm: {own}\n");
    ensure(ended.code == 0 && ended.stdout() == greeting, || {
        format!("expected {greeting:?}, but saw {}", ended.describe())
    })
}
