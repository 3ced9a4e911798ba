use super::row;
use crate::case::Case;
use crate::profile::Profile;
use crate::setup::probe;

pub(super) fn cases() -> Vec<Case> {
    let in_data = |id, path: &str| {
        Case::new(id, probe(["cwd-read", path]).file("note", "inside\n").cwd("/data"))
            .twin()
            .prints("inside\n")
    };
    row(
        "cwd",
        Profile::Core,
        [
            in_data("cwd/relative-path", "note"),
            in_data("cwd/relative-path-with-dot", "./note"),
            in_data("cwd/absolute-path-beside-it", "/data/note"),
            in_data("cwd/relative-path-upwards", "../data/note"),
        ],
    )
}
