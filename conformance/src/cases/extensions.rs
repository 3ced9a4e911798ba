use crate::Case;
use crate::guests::{MEMORY, SIMD, WASIX_SOCKETS, WASIX_THREADS, WASMEDGE_SOCKETS};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("extension/simd", SIMD).needs(|c| c.simd).ends_with(42),
        Case::new("extension/wasix-threads", WASIX_THREADS).needs(|c| c.wasix).prints("thread ran\n"),
        Case::new("extension/wasix-sockets", WASIX_SOCKETS)
            .network()
            .needs(|c| c.wasix)
            .prints_among_others("socket listening"),
        Case::new("extension/wasmedge-sockets", WASMEDGE_SOCKETS)
            .network()
            .needs(|c| c.sockets)
            .prints_among_others("socket listening"),
        Case::new("extension/memory-grows-to-its-limit", MEMORY),
    ]
}
