mod containers;
mod names;

use super::{images, row};
use crate::case::Case;
use crate::expected::Entry;
use crate::guests::CHECKSUM;
use crate::images::Form;
use crate::profile::Profile;
use crate::setup::{Setup, probe};

const SUMS: &str = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03  /data/note\n";
/// What the probe ends with where a file could not be used.
const UNUSABLE: u32 = 5;

pub(super) fn cases() -> Vec<Case> {
    [files(), mounts(), containers::cases(), names::cases()].concat()
}

fn files() -> Vec<Case> {
    row(
        "files",
        Profile::Files,
        [
            Case::new("files/read", probe(["cwd-read", "/data/note"]).file("note", "content\n"))
                .twin()
                .prints("content\n"),
            Case::new("files/list", probe(["list", "/data"]).file("a", "1").file("b", "2"))
                .twin()
                .prints("a\nb\n"),
            Case::new("files/write", probe(["write", "/data/note", "text"]).file("note", "older"))
                .twin()
                .leaves("note", Entry::File(b"text".to_vec())),
            Case::new("files/missing", probe(["cwd-read", "/data/missing"]).file("other", ""))
                .twin()
                .ends_with(UNUSABLE)
                .complains("NotFound"),
            Case::new("files/root-is-listed", probe(["list", "/"])).twin().prints_among_others("data/\n"),
            Case::new(
                "files/a-real-program",
                Setup::of(CHECKSUM)
                    .file("note", "hello\n")
                    .file("SUMS", SUMS)
                    .args(["--check", "/data/SUMS"]),
            )
            .prints("/data/note: OK\n"),
        ],
    )
}

fn mounts() -> Vec<Case> {
    let reads = |id, setup: Setup| Case::new(id, setup).twin().prints("content\n");
    let refuses =
        |id, setup: Setup, path: &str| Case::new(id, setup).twin().ends_with(UNUSABLE).complains(path);
    let note = |path: &str| probe(["cwd-read", path]).file("note", "content\n");
    row(
        "mounts",
        Profile::Files,
        [
            reads("files/read-from-a-read-only-mount", note("/data/note").read_only()),
            refuses(
                "files/read-only-mount",
                probe(["write", "/data/note", "new"]).file("note", "old").read_only(),
                "probe: /data/note: ",
            )
            .leaves("note", Entry::File(b"old".to_vec())),
            reads("files/read-from-a-read-only-root", note("/data/note").read_only_root()),
            refuses(
                "files/read-only-root",
                probe(["write", "/new", "text"]).read_only_root(),
                "probe: /new: ",
            ),
            Case::new(
                "files/write-to-a-mount-in-a-read-only-root",
                probe(["write", "/data/new", "text"]).read_only_root(),
            )
            .twin()
            .leaves("new", Entry::File(b"text".to_vec())),
            reads("files/mounted-file", note("/etc/motd").mounted("note", "/etc/motd")),
            reads(
                "files/mount-in-a-mount",
                probe(["cwd-read", "/data/inner/note"])
                    .file("inner/note", "hidden\n")
                    .file("other/note", "content\n")
                    .mounted("other", "/data/inner"),
            ),
            // The image has another file of that name.
            Case::new(
                "files/mount-hides-the-images-files",
                images::opens()
                    .args(["app/note"])
                    .form(Form::Configured)
                    .file("other/note", "mounted\n")
                    .mounted("other", "/app"),
            )
            .prints("mounted\n"),
        ],
    )
}
