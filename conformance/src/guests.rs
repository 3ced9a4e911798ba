//! The guests by name. They are committed prebuilt, so that a test needs no WebAssembly toolchain.

use std::collections::BTreeMap;

use shimmer_oci::Digest;

/// A program in the binary format, and the name of its file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) bytes: &'static [u8],
}

macro_rules! prebuilt {
    ($($constant:ident = $file:literal;)*) => {
        $(pub(crate) const $constant: Program =
            Program { name: $file, bytes: include_bytes!(concat!("../guests/prebuilt/", $file)) };)*

        /// All of them; a test compares it with the folder.
        const ALL: &[Program] = &[$($constant),*];
    };
}

/// The probe's native twin, a script for busybox: name and content.
pub(crate) const PROBE_TWIN: (&str, &str) = ("probe.sh", include_str!("../guests/native/probe.sh"));

/// The SHA-256 of each guest by its file, for reports.
pub(crate) fn checksums() -> BTreeMap<String, String> {
    let sum = |guest: &Program| (guest.name.to_owned(), Digest::of(guest.bytes).hex().to_owned());
    ALL.iter().map(sum).collect()
}

prebuilt! {
    BIG_MEMORY = "big-memory.wasm";
    BULK = "bulk.wasm";
    CHECKSUM = "checksum.wasm";
    CHECKSUM_COMPONENT = "checksum.component.wasm";
    COMPUTE = "compute.wasm";
    EXIT_ERR_COMPONENT = "exit-err.component.wasm";
    EXPORTS = "exports.wasm";
    FLOAT = "float.wasm";
    HELLO = "hello.wasm";
    HELLO_COMPONENT = "hello.component.wasm";
    HTTP_COMPONENT = "http.component.wasm";
    MEMORY = "memory.wasm";
    MEMORY64 = "memory64.wasm";
    MULTI_VALUE = "multi-value.wasm";
    NO_START = "no-start.wasm";
    PROBE = "probe.wasm";
    PROBE_COMPONENT = "probe.component.wasm";
    REF_TYPES = "ref-types.wasm";
    SIGN_EXT = "sign-ext.wasm";
    SIMD = "simd.wasm";
    START_SECTION = "start-section.wasm";
    TRAP_INDIRECT = "trap-indirect.wasm";
    TRAP_INT_OVERFLOW = "trap-int-overflow.wasm";
    TRAP_NULL = "trap-null.wasm";
    UNKNOWN_IMPORT = "unknown-import.wasm";
    WASIX_SOCKETS = "wasix-sockets.wasm";
    WASIX_THREADS = "wasix-threads.wasm";
    WASMEDGE_SOCKETS = "wasmedge-sockets.wasm";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;

    const PREBUILT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/guests/prebuilt");

    /// What they measure and no case plays.
    const OF_THE_BENCHES: [&str; 2] = ["logs.wasm", "vectors.wasm"];

    #[test]
    fn every_prebuilt_guest_is_named_here() {
        let files: BTreeSet<String> = fs::read_dir(PREBUILT)
            .expect("the folder of prebuilt guests")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
            .filter(|name| name.ends_with(".wasm") && !OF_THE_BENCHES.contains(&name.as_str()))
            .collect();
        let named: BTreeSet<String> = ALL.iter().map(|guest| guest.name.to_owned()).collect();
        assert_eq!(named, files);
    }

    #[test]
    fn every_prebuilt_guest_has_the_committed_checksum() {
        let sums = fs::read_to_string(format!("{PREBUILT}/SHA256SUMS")).expect("the checksums");
        for guest in ALL {
            let line = format!("{}  {}", Digest::of(guest.bytes).hex(), guest.name);
            assert!(sums.lines().any(|known| known == line), "SHA256SUMS has no line `{line}`");
        }
    }

    #[test]
    fn every_guest_is_used_by_a_case() {
        let used: BTreeSet<String> = crate::all().into_iter().map(|case| case.setup.name).collect();
        for guest in ALL {
            assert!(used.contains(guest.name), "no case runs {}", guest.name);
        }
    }
}
