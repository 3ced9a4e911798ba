//! What is found in the cache or in an image is not trusted to be what this engine has compiled.

use std::fs;
use std::path::PathBuf;

use shimmer_node::Node;
use shimmer_oci::Digest;

use super::{compiled_once, greets, own_program};
use crate::case::Case;
use crate::cases::row;
use crate::expected::{Expected, Seen};
use crate::failure::{Failure, Result};
use crate::profile::Profile;
use crate::setup::Setup;
use crate::stage::Stage;

/// Where a shim on runwasi's library notes in a layer's labels what it has compiled: the prefix is followed by the
/// shim's name and by what stands for the engine, its version and its settings.
const LABEL: &str = "runwasi.io/precompiled";
/// The first bytes of what Shimmer keeps, and a header that fits to nothing.
const FORGED: &[u8] = b"shimmer1\x20\0\0\0{\"fingerprint\":\"x\",\"needs\":{}}\0\0and native code";

pub(super) fn cases() -> Vec<Case> {
    row(
        "cache-trust",
        Profile::Cache,
        [
            Case::task("cache/a-damaged-entry-is-not-run", own_program("damaged"), damaged).private(),
            Case::task("cache/a-foreign-entry-is-not-run", own_program("foreign"), foreign),
            Case::task("cache/an-entry-of-another-version-is-left", own_program("version"), other_version)
                .should()
                .private(),
            Case::task("cache/a-compiled-file-is-no-image", own_program("forged"), compiled_image).private(),
            Case::new("cache/a-forged-entry-is-no-image", Setup::of_bytes("app.wasm", FORGED))
                .refused(["not WebAssembly", "app.wasm"]),
        ],
    )
}

/// Half of it is overwritten with breakpoints, which no program gets past.
fn damaged(stage: &Stage<'_>) -> Result {
    const BREAKPOINT: u8 = 0xcc;
    let (_, digest) = entry(stage)?;
    let file = blob(&stage.shim.node, &digest)?;
    let mut bytes = fs::read(&file)?;
    let quarter = bytes.len() / 4;
    bytes[quarter..3 * quarter].fill(BREAKPOINT);
    fs::write(&file, bytes)?;
    runs_or_is_refused(stage)
}

/// The entry is another blob: the program itself.
fn foreign(stage: &Stage<'_>) -> Result {
    let (label, _) = entry(stage)?;
    let program = layer(stage);
    stage.shim.node.label(&program, &label, &program)?;
    runs_or_is_refused(stage)
}

fn other_version(stage: &Stage<'_>) -> Result {
    let setup = stage.setup();
    stage.image(&setup)?;
    let label = format!("{LABEL}/{}/0123456789", stage.shim.name);
    stage.shim.node.label(&layer(stage), &label, &layer(stage))?;
    greets(&stage.start(&setup)?.end_unnoted()?)?;
    compiled_once(stage.shim, &setup)
}

fn compiled_image(stage: &Stage<'_>) -> Result {
    let (_, digest) = entry(stage)?;
    let compiled = fs::read(blob(&stage.shim.node, &digest)?)?;
    let seen = stage.observe_unnoted(&Setup::of_bytes("compiled.wasm", compiled), None)?;
    Ok(Expected::Refused { says: vec!["compiled.wasm".to_owned()] }.compare(&seen)?)
}

/// What the cache keeps of the case's program, after a first start: label and digest.
fn entry(stage: &Stage<'_>) -> Result<(String, String)> {
    greets(&stage.start(&stage.setup())?.end_unnoted()?)?;
    let (layer, prefix) = (layer(stage), format!("{LABEL}/{}/", stage.shim.name));
    let content = stage.shim.node.content()?;
    let mut labels = content.into_iter().filter(|blob| blob.digest == layer).flat_map(|blob| blob.labels);
    let entry = labels.find(|(name, _)| name.starts_with(&prefix));
    entry
        .ok_or_else(|| Failure(format!("the layer {layer} has no label {prefix}…, so nothing can be forged")))
}

fn layer(stage: &Stage<'_>) -> String {
    Digest::of(&stage.setup().program).to_string()
}

/// The file of a blob. Its folder is mounted for the node's processes alone.
fn blob(node: &Node, digest: &str) -> Result<PathBuf> {
    let containerd = node.processes()?.into_iter().find(|process| process.name == "containerd");
    let containerd = containerd.ok_or("no process is containerd")?.pid;
    let folder = node.socket().parent().ok_or("the socket has no folder")?.join("root");
    let hex = digest.trim_start_matches("sha256:");
    let inside = folder.join("io.containerd.content.v1.content/blobs/sha256").join(hex);
    Ok(PathBuf::from(format!("/proc/{containerd}/root{}", inside.display())))
}

fn runs_or_is_refused(stage: &Stage<'_>) -> Result {
    match stage.observe_unnoted(&stage.setup(), None)? {
        Seen::Ended(ended) => greets(&ended),
        // A crash while it is loaded is a refusal too, but says nothing.
        refused => Ok(Expected::Refused { says: vec!["compile it again".to_owned()] }.compare(&refused)?),
    }
}
