//! Layers whose names lead out of the root: containerd unpacks them, and nothing may get out.

use std::fs::{self, File};
use std::path::Path;

use shimmer_node::ContainerSpec;
use shimmer_oci::{Archive, NewImage};
use tempfile::TempDir;

use crate::case::Case;
use crate::cases::row;
use crate::failure::{Result, ensure};
use crate::guests::HELLO;
use crate::profile::Profile;
use crate::running::again;
use crate::setup::Setup;
use crate::stage::Stage;

const TAR: &str = "application/vnd.oci.image.layer.v1.tar";
const BLOCK: usize = 512;

pub(super) fn cases() -> Vec<Case> {
    row(
        "layers-inside",
        Profile::Security,
        [
            Case::task("security/layer-with-names-above-the-root", Setup::of(HELLO), names_above_the_root),
            Case::task("security/layer-that-writes-through-a-link", Setup::of(HELLO), through_a_link),
        ],
    )
}

fn names_above_the_root(stage: &Stage<'_>) -> Result {
    let outside = TempDir::new()?;
    let name = format!("../../../../../../..{}/escaped", outside.path().display());
    unpacks_inside(stage, outside.path(), &entry(&name, "", b"text"))
}

fn through_a_link(stage: &Stage<'_>) -> Result {
    let outside = TempDir::new()?;
    let link = entry("out", &outside.path().display().to_string(), b"");
    unpacks_inside(stage, outside.path(), &[link, entry("out/escaped", "", b"text")].concat())
}

/// containerd may refuse the layer; otherwise its program runs, and nothing has come to be outside.
fn unpacks_inside(stage: &Stage<'_>, outside: &Path, entries: &[u8]) -> Result {
    let layer = [entries, &entry("hello.wasm", "", HELLO.bytes), &[0; 2 * BLOCK]].concat();
    let name = stage.next_name();
    let archive = outside.join("image.tar");
    let image = NewImage::layers([(TAR, layer)]);
    Archive::default().image(&format!("shimmer.test/{name}:1"), image).write(File::create(&archive)?)?;
    let imported = stage.shim.node.import(&archive);
    fs::remove_file(&archive)?;
    for image in imported.iter().flatten() {
        let spec = ContainerSpec::new(&name, image, &stage.shim.runtime).args(["/hello.wasm"]);
        let output = again(|| stage.shim.node.run(spec.clone()))?;
        ensure(output.code == 0, || format!("expected status 0, but saw {}", output.code))?;
    }
    let escaped: Vec<_> = fs::read_dir(outside)?.flatten().map(|entry| entry.file_name()).collect();
    ensure(escaped.is_empty(), || format!("unpacking the layer has made files of the host: {escaped:?}"))
}

/// A file of a tar archive, or a symbolic link where it has a target.
fn entry(name: &str, target: &str, content: &[u8]) -> Vec<u8> {
    let kind = if target.is_empty() { b'0' } else { b'2' };
    let mut header = vec![0; BLOCK];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000755");
    put(108, "0000000");
    put(116, "0000000");
    put(124, &format!("{:011o}", content.len()));
    put(136, "00000000000");
    put(157, target);
    put(257, "ustar\0");
    put(263, "00");
    header[156] = kind;
    // The checksum is reckoned as if its own eight bytes were spaces.
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum::<u32>() + 8 * u32::from(b' ');
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    header[155] = b' ';
    let padding = content.len().next_multiple_of(BLOCK) - content.len();
    [&header, content, &vec![0; padding]].concat()
}
