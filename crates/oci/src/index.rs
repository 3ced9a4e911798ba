use crate::{Descriptor, Error, ErrorKind, Platform, Result};

/// What tools have called the operating system and processor of programs that need no browser.
const WASM_SYSTEMS: [&str; 4] = ["wasi", "wasip1", "wasip2", "linux"];
const WASM_PROCESSORS: [&str; 2] = ["wasm", "wasm32"];

/// Chooses the image for a node: WebAssembly first, then the node's own platform, then the only one there is.
///
/// Of several that fit equally, the first listed wins. Attestations are no images.
pub(crate) fn select<'a>(manifests: &'a [Descriptor], node: &Platform) -> Result<&'a Descriptor> {
    let images: Vec<_> = manifests.iter().filter(|manifest| !is_attestation(manifest)).collect();
    let find = |fits: &dyn Fn(&Platform) -> bool| {
        images.iter().find(|image| image.platform.as_ref().is_some_and(fits))
    };
    let is_node = |platform: &Platform| platform.os == node.os && platform.architecture == node.architecture;
    match images.as_slice() {
        _ if let Some(image) = find(&is_wasm).or_else(|| find(&is_node)) => Ok(image),
        [only] => Ok(only),
        [] => {
            Err(Error::new(ErrorKind::NotFound, "the image index lists no image").advise("rebuild the image"))
        }
        several => Err(nothing_for(node, several)),
    }
}

fn is_wasm(platform: &Platform) -> bool {
    WASM_SYSTEMS.contains(&platform.os.as_str()) && WASM_PROCESSORS.contains(&platform.architecture.as_str())
}

/// Whether it is a remark of BuildKit's about another image.
fn is_attestation(manifest: &Descriptor) -> bool {
    let is_remark = manifest
        .annotations
        .as_ref()
        .is_some_and(|remarks| remarks.contains_key("vnd.docker.reference.type"));
    is_remark
        || manifest.platform.as_ref().is_some_and(|platform| *platform == Platform::new("unknown", "unknown"))
}

fn nothing_for(node: &Platform, images: &[&Descriptor]) -> Error {
    const SHOWN: usize = 8;
    let name =
        |image: &&Descriptor| image.platform.as_ref().map_or_else(|| "none".to_owned(), Platform::to_string);
    let mut names: Vec<_> = images.iter().take(SHOWN).map(name).collect();
    if images.len() > SHOWN {
        names.push("…".to_owned());
    }
    Error::new(ErrorKind::NotFound, format!("the image index has nothing for wasi/wasm or {node}"))
        .with("platforms", names.join(", "))
        .advise("build the image for one of these, too")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(platform: &str) -> Descriptor {
        let platform = platform.split_once('/').map(|(os, architecture)| Platform::new(os, architecture));
        Descriptor { platform, ..Descriptor::of("a/b", b"") }
    }

    fn selected(platforms: &[&str]) -> Result<usize> {
        let manifests: Vec<_> = platforms.iter().map(|platform| listed(platform)).collect();
        let chosen = select(&manifests, &Platform::new("linux", "arm64"))?;
        Ok(manifests.iter().position(|manifest| std::ptr::eq(manifest, chosen)).expect("it is one of them"))
    }

    #[test]
    fn prefers_webassembly_to_the_node_and_the_node_to_others() {
        for (platforms, expected) in [
            (&["linux/arm64", "wasi/wasm"][..], 1),
            (&["linux/amd64", "wasip2/wasm", "wasip1/wasm"], 1),
            (&["linux/amd64", "linux/arm64", "js/wasm"], 1),
            (&["linux/amd64", "linux/arm64", "wasi/wasm32"], 2),
            (&["linux/arm64", "linux/wasm"], 1),
            (&["linux/amd64"], 0),
            (&["none"], 0),
            (&["unknown/unknown", "linux/s390x"], 1),
        ] {
            assert_eq!(selected(platforms).expect("there is one"), expected, "{platforms:?}");
        }
    }

    #[test]
    fn takes_no_attestation_for_an_image() {
        let annotations =
            [("vnd.docker.reference.type".to_owned(), "attestation-manifest".to_owned())].into();
        let attestation = Descriptor { annotations: Some(annotations), ..listed("linux/arm64") };
        let manifests = [attestation, listed("linux/amd64")];
        let node = Platform::new("linux", "arm64");
        assert_eq!(select(&manifests, &node).expect("there is one image").platform, manifests[1].platform);
        let error = select(&manifests[..1], &node).expect_err("there is no image");
        assert!(error.to_string().contains("lists no image; rebuild the image"), "{error}");
    }

    #[test]
    fn names_the_platforms_where_none_fits() {
        let error = selected(&["linux/amd64", "windows/amd64", "none"]).expect_err("none fits");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(
            error.to_string(),
            "the image index has nothing for wasi/wasm or linux/arm64 (platforms: linux/amd64, windows/amd64, none); \
             build the image for one of these, too"
        );
        let many = selected(&["a/b"; 1000]).expect_err("none fits").to_string();
        assert!(many.len() < 300, "{many}");
    }
}
