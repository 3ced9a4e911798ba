use std::fmt;

use crate::Capabilities;

/// An engine's name, version and capabilities.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Info {
    /// The product's name in lower case, as in `containerd-shim-<name>-v1`.
    pub name: &'static str,
    /// The version of the engine itself, not of its backend crate.
    pub version: String,
    /// What it runs beyond core modules with WASI preview 1.
    pub capabilities: Capabilities,
}

impl fmt::Display for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// Identifies what compiled code depends on: equal fingerprints mean interchangeable files.
///
/// It consists of lower-case letters, digits, `.`, `-` and `_`, so that it can stand in a file name or a label.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// A fingerprint of `parts`, in order.
    ///
    /// A part that can stand in a file name is kept readable; any other is replaced by a hash of itself.
    pub fn new<'a>(parts: impl IntoIterator<Item = &'a str>) -> Self {
        let parts: Vec<_> = parts.into_iter().map(readable).collect();
        Self(parts.join("-"))
    }

    /// The fingerprint as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn readable(part: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._".contains(&byte);
    if !part.is_empty() && part.len() <= 32 && part.bytes().all(plain) {
        return part.to_owned();
    }
    format!("{:016x}", fnv1a(part.as_bytes()))
}

/// FNV-1a: the standard library's hasher may change between releases, and then every cached file would be lost.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_can_stand_in_a_file_name() {
        let fingerprint = Fingerprint::new(["wasmtime", "48.0.8", "x86_64 +avx2/+bmi"]);
        let text = fingerprint.as_str();
        assert!(text.starts_with("wasmtime-48.0.8-"), "{text}");
        assert!(!text.contains([' ', '/', '+']), "{text}");
    }

    #[test]
    fn any_part_changes_the_fingerprint() {
        assert_ne!(Fingerprint::new(["a", "B c"]), Fingerprint::new(["a", "B d"]));
        assert_ne!(Fingerprint::new(["a", "b"]), Fingerprint::new(["a", "c"]));
    }
}
