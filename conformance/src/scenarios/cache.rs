use shimmer_oci::Digest;

use crate::Scenario;
use crate::guests::CHECKSUM;
use crate::images::Form;
use crate::task::{Shim, text};

/// What the shim writes into its log when it compiles.
const COMPILED: &str = "compiled layer";

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![Scenario {
        id: "cache/warm-starts-do-not-compile",
        program: CHECKSUM,
        needs: |_| true,
        play: warm_starts_do_not_compile,
    }]
}

/// The evidence is what was compiled and what is kept, not the clock.
fn warm_starts_do_not_compile(shim: &Shim) -> Result<(), String> {
    // A custom section does not change a program, and makes it one that no other case has compiled.
    let program = [CHECKSUM.bytes, b"\0\x06\x05cache"].concat();
    let layer = Digest::of(&program).to_string();
    let image = shim.image(Form::Artifact, "cache.wasm", &program)?;
    for (start, id) in ["cache/cold", "cache/warm", "cache/warm-again"].into_iter().enumerate() {
        let spec = shim.container(id, &image).args(["/cache.wasm"]);
        shim.run(spec).map_err(text)?;
        let log = shim.node.log().map_err(text)?;
        let compilations =
            log.lines().filter(|line| line.contains(COMPILED) && line.contains(&layer)).count();
        let kept = kept(shim, &layer)?;
        if (compilations, kept) != (1, 1) {
            let seen = format!("{compilations} compilations and {kept} compiled layers");
            return Err(format!(
                "expected one compilation and one compiled layer after start {start}, but saw {seen}"
            ));
        }
    }
    Ok(())
}

/// How many compiled forms of a layer containerd's content store holds for this engine: the library notes the digest of
/// each in a label of the layer.
fn kept(shim: &Shim, layer: &str) -> Result<usize, String> {
    let prefix = format!("runwasi.io/precompiled/{}/", shim.info.name);
    let content = shim.node.content().map_err(text)?;
    let labels = content.iter().filter(|blob| blob.digest == layer).flat_map(|blob| &blob.labels);
    let compiled = labels.filter(|(name, _)| name.starts_with(&prefix)).map(|(_, digest)| digest);
    Ok(compiled.filter(|digest| content.iter().any(|blob| blob.digest == **digest)).count())
}
