use std::path::PathBuf;

use super::{UNUSABLE, as_in};
use crate::case::Case;
use crate::cases::row;
use crate::expected::Entry;
use crate::level::Level;
use crate::profile::Profile;
use crate::setup::{Setup, probe};

pub(super) fn cases() -> Vec<Case> {
    [row("wasi-files", Profile::WasiP1, contents()), row("wasi-files", Profile::WasiP1, names()), errors()]
        .concat()
}

fn contents() -> [Case; 8] {
    [
        as_in(
            "fd_seek",
            Case::new("wasi/seek", probe(["seek", "/data/note", "3", "4"]).file("note", "0123456789"))
                .twin()
                .prints("3456"),
        ),
        as_in(
            "fdflags",
            Case::new("wasi/append", probe(["append", "/data/note", " new"]).file("note", "old"))
                .twin()
                .leaves("note", file("old new")),
        ),
        as_in(
            "fd_filestat_set_size",
            Case::new(
                "wasi/truncate-shortens",
                probe(["truncate", "/data/note", "3"]).file("note", "012345"),
            )
            .twin()
            .leaves("note", file("012")),
        ),
        as_in(
            "fd_filestat_set_size",
            Case::new("wasi/truncate-lengthens", probe(["truncate", "/data/note", "5"]).file("note", "012"))
                .twin()
                .leaves("note", file("012\0\0")),
        ),
        as_in(
            "fd_filestat_set_times",
            Case::new("wasi/times", probe(["times", "/data/note"]).file("note", "")),
        )
        .prints("ok\n"),
        as_in(
            "fd_sync",
            Case::new("wasi/sync", probe(["fsync", "/data/note"]).file("note", "text"))
                .leaves("note", file("text")),
        ),
        as_in("fd_read", Case::new("wasi/a-big-file", probe(["big", "/data/big", "8"])).prints("ok\n")),
        as_in(
            "oflags",
            Case::new("wasi/create-new", probe(["create-new", "/data/new"])).twin().leaves("new", file("")),
        ),
    ]
}

fn names() -> [Case; 10] {
    let many: Vec<String> = (0..1000).map(|i| format!("file-{i:04}")).collect();
    let listed: String = many.iter().map(|name| format!("{name}\n")).collect();
    let folder = many.iter().fold(probe(["list", "/data"]), |setup, name| setup.file(name, ""));
    [
        as_in("fd_readdir", Case::new("wasi/a-thousand-entries", folder).twin().prints(listed)),
        as_in(
            "path_rename",
            Case::new(
                "wasi/rename",
                probe(["rename", "/data/one", "/data/two"]).file("one", "1").file("two", "2"),
            )
            .twin()
            .leaves("two", file("1"))
            .leaves_nothing_at("one"),
        ),
        as_in(
            "path_create_directory",
            Case::new("wasi/make-a-folder", probe(["mkdir", "/data/new"]))
                .twin()
                .leaves("new", Entry::Folder),
        ),
        as_in(
            "path_remove_directory",
            Case::new("wasi/remove-a-folder", probe(["rmdir", "/data/old"]).file("old/", ""))
                .twin()
                .leaves_nothing_at("old"),
        ),
        as_in(
            "path_unlink_file",
            Case::new("wasi/remove-a-file", probe(["remove", "/data/old"]).file("old", "").file("other", ""))
                .twin()
                .leaves("other", file(""))
                .leaves_nothing_at("old"),
        ),
        as_in(
            "path_symlink",
            Case::new("wasi/make-a-link", probe(["symlink", "note", "/data/link"]).file("note", ""))
                .twin()
                .leaves("link", Entry::Link(PathBuf::from("note"))),
        ),
        as_in(
            "path_readlink",
            Case::new("wasi/read-a-link", probe(["readlink", "/data/link"]).link("link", "no/where"))
                .twin()
                .prints("no/where\n"),
        ),
        stat("wasi/stat-a-file", "note", "file 4\n"),
        stat("wasi/stat-a-folder", "folder", "dir\n"),
        stat("wasi/stat-a-link", "link", "symlink\n"),
    ]
}

fn stat(id: &'static str, path: &str, prints: &str) -> Case {
    let setup = probe(["stat", &format!("/data/{path}")]);
    let setup = setup.file("note", "text").file("folder/", "").link("link", "note");
    as_in("path_filestat_get", Case::new(id, setup).twin().prints(prints))
}

fn errors() -> Vec<Case> {
    let fails = |id, setup: Setup, kind| Case::new(id, setup).twin().ends_with(UNUSABLE).complains(kind);
    row(
        "wasi-errors",
        Profile::WasiP1,
        [
            fails("wasi/noent", probe(["readlink", "/data/none"]), "NotFound"),
            fails("wasi/exist", probe(["create-new", "/data/note"]).file("note", "old"), "AlreadyExists")
                .leaves("note", file("old")),
            fails("wasi/exist-folder", probe(["mkdir", "/data/folder"]).file("folder/", ""), "AlreadyExists"),
            fails("wasi/notempty", probe(["rmdir", "/data/folder"]).file("folder/note", ""), "not empty")
                .leaves("folder/note", file("")),
            fails("wasi/isdir", probe(["write", "/data/folder", "x"]).file("folder/", ""), "IsADirectory"),
            fails("wasi/notdir", probe(["list", "/data/note"]).file("note", ""), "NotADirectory"),
            fails(
                "wasi/rofs",
                probe(["write", "/data/note", "new"]).file("note", "old").read_only(),
                "ReadOnlyFilesystem",
            ),
            // Only a container has the device.
            fails("wasi/nospc", probe(["fail-write"]), "StorageFull").only([
                Level::Task,
                Level::Cri,
                Level::Docker,
                Level::Kube,
            ]),
        ],
    )
}

fn file(content: &str) -> Entry {
    Entry::File(content.as_bytes().to_owned())
}
