use super::row;
use crate::case::Case;
use crate::guests::{MEMORY, SIMD, WASIX_SOCKETS, WASIX_THREADS, WASMEDGE_SOCKETS};
use crate::profile::Profile;
use crate::setup::Setup;

pub(super) fn cases() -> Vec<Case> {
    let core = row(
        "strengths",
        Profile::Core,
        [
            Case::new("extension/simd", Setup::of(SIMD)).needs(&["simd"]).ends_with(42),
            Case::new("extension/wasix-threads", Setup::of(WASIX_THREADS))
                .needs(&["wasix"])
                .prints("thread ran\n"),
            Case::new("extension/memory-grows-to-its-limit", Setup::of(MEMORY)),
        ],
    );
    let sockets = row(
        "strengths",
        Profile::Sockets,
        [
            Case::new("extension/wasix-sockets", Setup::of(WASIX_SOCKETS).network())
                .needs(&["wasix"])
                .prints_among_others("socket listening"),
            Case::new("extension/wasmedge-sockets", Setup::of(WASMEDGE_SOCKETS).network())
                .needs(&["sockets"])
                .prints_among_others("socket listening"),
        ],
    );
    [core, sockets].concat()
}
