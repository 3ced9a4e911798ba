use shimmer_engine::Fingerprint;

use crate::Digest;

/// What compiled code depends on: the program, the engine, and the engine's version, settings and processor.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Key {
    /// The digest of the portable program.
    pub digest: Digest,
    /// The engine's name.
    pub engine: String,
    /// What the engine says its code depends on.
    pub fingerprint: Fingerprint,
}

impl Key {
    /// The key of a program's code.
    pub fn new(digest: Digest, engine: impl Into<String>, fingerprint: Fingerprint) -> Self {
        Self { digest, engine: engine.into(), fingerprint }
    }

    /// Where the code is filed: 64 hexadecimal digits, whatever characters the parts have, and however many.
    pub(crate) fn name(&self) -> String {
        let Self { digest, engine, fingerprint } = self;
        // The length keeps an engine `a` with a fingerprint `b-c` from being an engine `a-b` with `c`.
        Digest::of(format!("{digest} {} {engine} {fingerprint}", engine.len()).as_bytes()).hex()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_cannot_leave_the_folder() {
        for engine in ["../../etc", "/", "", "\0", &"x".repeat(10_000)] {
            let name = Key::new(Digest::of(b""), engine, Fingerprint::new(["1"])).name();
            assert_eq!(name.len(), 64);
            assert!(name.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
        }
    }

    #[test]
    fn every_part_changes_the_name() {
        let key = Key::new(Digest::of(b"a"), "fake", Fingerprint::new(["1"]));
        let others = [
            Key { digest: Digest::of(b"b"), ..key.clone() },
            Key { engine: "other".to_owned(), ..key.clone() },
            Key { fingerprint: Fingerprint::new(["2"]), ..key.clone() },
        ];
        for other in others {
            assert_ne!(other.name(), key.name());
        }
        let pair = |engine, part| Key::new(Digest::of(b"a"), engine, Fingerprint::new([part])).name();
        assert_ne!(pair("a b", "c"), pair("a", "b c"));
    }
}
