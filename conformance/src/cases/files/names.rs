use super::super::row;
use crate::case::Case;
use crate::profile::Profile;
use crate::setup::{Setup, probe};

/// As long as a name may be on the usual file systems.
const LONGEST_NAME: usize = 255;

pub(super) fn cases() -> Vec<Case> {
    let reads = |id, setup: Setup| Case::new(id, setup).twin().prints("content\n");
    let long_name = "n".repeat(LONGEST_NAME);
    let deep = format!("{}note", "a folder with a name that is long/".repeat(30));
    row(
        "names",
        Profile::Files,
        [
            reads(
                "files/case-of-names-counts",
                probe(["cwd-read", "/data/Note"]).file("Note", "content\n").file("note", "another\n"),
            ),
            reads(
                "files/spaces-and-other-alphabets",
                probe(["cwd-read", "/data/a folder/ü 漢字.txt"]).file("a folder/ü 漢字.txt", "content\n"),
            ),
            // Busybox shows other letters as question marks, so its twin cannot.
            Case::new(
                "files/lists-other-alphabets",
                probe(["list", "/data"]).file("a b", "").file("ü 漢字", "").file("z", ""),
            )
            .prints("a b\nz\nü 漢字\n"),
            reads(
                "files/longest-name",
                probe(["cwd-read", &format!("/data/{long_name}")]).file(&long_name, "content\n"),
            ),
            reads("files/long-path", probe(["cwd-read", &format!("/data/{deep}")]).file(&deep, "content\n")),
            reads(
                "files/link-to-a-neighbour",
                probe(["cwd-read", "/data/link"]).file("note", "content\n").link("link", "note"),
            ),
            reads(
                "files/link-upwards",
                probe(["cwd-read", "/data/folder/link"])
                    .file("note", "content\n")
                    .file("folder/", "")
                    .link("folder/link", "../note"),
            ),
            // From the container's root, not from this machine's.
            reads(
                "files/absolute-link",
                probe(["cwd-read", "/data/link"]).file("note", "content\n").link("link", "/data/note"),
            ),
        ],
    )
}
