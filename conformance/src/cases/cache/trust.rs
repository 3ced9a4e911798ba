//! What is found in the cache or in an image is not trusted to be what this engine has compiled.

use super::entry::{Entry, layer};
use super::{compiled, greeted_by, greets, own_program};
use crate::case::Case;
use crate::cases::row;
use crate::expected::{Expected, Seen};
use crate::failure::Result;
use crate::profile::Profile;
use crate::setup::Setup;
use crate::stage::Stage;

/// The first bytes of what Shimmer keeps in containerd's content store, and a header that fits to nothing.
const FORGED: &[u8] = b"shimmer1\x20\0\0\0{\"fingerprint\":\"x\",\"needs\":{}}\0\0and native code";

pub(super) fn cases() -> Vec<Case> {
    // What appears in the cache meanwhile is the case's own.
    row(
        "cache-trust",
        Profile::Cache,
        [
            Case::task("cache/a-damaged-entry-is-not-run", own_program("damaged"), damaged).private().alone(),
            Case::task("cache/a-foreign-entry-is-not-run", own_program("foreign"), foreign).alone(),
            Case::task("cache/an-entry-of-another-version-is-left", own_program("version"), other_version)
                .should()
                .private()
                .alone(),
            Case::task("cache/a-compiled-file-is-no-image", own_program("forged"), compiled_image)
                .private()
                .alone(),
            Case::new("cache/a-forged-entry-is-no-image", Setup::of_bytes("app.wasm", FORGED))
                .refused(["not WebAssembly", "app.wasm"]),
        ],
    )
}

/// Half of it is overwritten with breakpoints, which no program gets past.
fn damaged(stage: &Stage<'_>) -> Result {
    let entry = Entry::of(stage, &stage.setup())?;
    entry.overwrite(stage, &broken(entry.read(stage)?))?;
    runs_or_is_refused(stage)
}

/// In place of the entry there is the program itself, and then what was compiled of another one.
fn foreign(stage: &Stage<'_>) -> Result {
    let setup = stage.setup();
    match Entry::of(stage, &setup)? {
        entry @ Entry::File(_) => {
            entry.overwrite(stage, &setup.program)?;
            runs_or_is_refused(stage)?;
            let other = Entry::of(stage, &own_program("stranger"))?.read(stage)?;
            entry.overwrite(stage, &other)?;
        }
        Entry::Label { name, .. } => stage.shim.node.label(&layer(&setup), &name, &layer(&setup))?,
    }
    runs_or_is_refused(stage)
}

/// An entry that is not at the place of this engine, version and setting.
fn other_version(stage: &Stage<'_>) -> Result {
    let setup = stage.setup();
    match Entry::of(stage, &setup)? {
        entry @ Entry::File(_) => {
            entry.overwrite(stage, &broken(entry.read(stage)?))?;
            entry.displace(stage)?;
            greets(stage, &setup)?;
            compiled(stage.shim, &setup, 2)
        }
        Entry::Label { name, .. } => {
            let (engine, _) = name.rsplit_once('/').unwrap_or_default();
            let other = own_program("other version");
            stage.image(&other)?;
            stage.shim.node.label(&layer(&other), &format!("{engine}/0123456789"), &layer(&other))?;
            greets(stage, &other)?;
            compiled(stage.shim, &other, 1)
        }
    }
}

fn compiled_image(stage: &Stage<'_>) -> Result {
    let compiled = Entry::of(stage, &stage.setup())?.read(stage)?;
    let seen = stage.observe_unnoted(&Setup::of_bytes("compiled.wasm", compiled), None)?;
    Ok(Expected::Refused { says: vec!["compiled.wasm".to_owned()] }.compare(&seen)?)
}

fn broken(mut code: Vec<u8>) -> Vec<u8> {
    const BREAKPOINT: u8 = 0xcc;
    let quarter = code.len() / 4;
    code[quarter..3 * quarter].fill(BREAKPOINT);
    code
}

fn runs_or_is_refused(stage: &Stage<'_>) -> Result {
    let setup = stage.setup();
    match stage.observe_unnoted(&setup, None)? {
        Seen::Ended(ended) => greeted_by(&setup, &ended),
        // A crash while it is loaded is a refusal too, but says nothing.
        refused => Ok(Expected::Refused { says: vec!["compile it again".to_owned()] }.compare(&refused)?),
    }
}
