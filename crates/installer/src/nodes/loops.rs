//! Installing and uninstalling, again and again.

use super::cases::{self, Case};
use super::{Files, Kept, wanted};
use crate::config::Settings;
use crate::distribution::Declared;
use crate::schema::Version;

fn install(files: &Files, case: &Case, old: Option<&Kept>, handlers: &[&str]) -> Kept {
    let mut wanted = wanted(handlers);
    wanted.settings = Settings { local_image_pull: case.version.transfers() };
    files
        .install(&Declared::default(), case.version, old, &wanted)
        .unwrap_or_else(|error| panic!("{}: {error}", case.name))
}

fn nodes() -> impl Iterator<Item = (Case, Files)> {
    cases::all().into_iter().filter(|case| case.name != "k3s-foreign").map(|case| {
        let files = Files::of(case.name, case.empty);
        (case, files)
    })
}

#[test]
fn twenty_times_leave_every_byte_as_it_was() {
    for (case, files) in nodes() {
        let before = files.all();
        for _ in 0..20 {
            let kept = install(&files, &case, None, &["wasmtime", "wasmedge", "wasmer"]);
            assert_ne!(files.all(), before, "{}", case.name);
            assert_eq!(files.uninstall(&kept).unwrap(), Vec::<String>::new(), "{}", case.name);
            assert_eq!(files.all(), before, "{}", case.name);
        }
    }
}

#[test]
fn installing_twice_is_installing_once() {
    for (case, files) in nodes() {
        let original = files.all();
        let first = install(&files, &case, None, &["wasmtime", "wasmer"]);
        let once = files.all();
        let second = install(&files, &case, Some(&first), &["wasmtime", "wasmer"]);
        assert_eq!(files.all(), once, "{}", case.name);
        assert_eq!(
            (&second.writing, &second.original, &second.site),
            (&first.writing, &first.original, &first.site)
        );
        files.uninstall(&second).unwrap();
        assert_eq!(files.all(), original, "{}", case.name);
    }
}

#[test]
fn an_upgrade_leaves_nothing_of_what_was_before() {
    for (case, files) in nodes() {
        let original = files.all();
        let first = install(&files, &case, None, &["wasmtime", "wasmer"]);
        let second = install(&files, &case, Some(&first), &["wasmedge"]);
        let upgraded = files.all();
        files.uninstall(&second).unwrap();
        assert_eq!(files.all(), original, "{}", case.name);
        install(&files, &case, None, &["wasmedge"]);
        assert_eq!(files.all(), upgraded, "{}", case.name);
    }
}

#[test]
fn what_somebody_adds_in_between_stays() {
    // Where the version was ours it stays as well: what they have added is in that version.
    for (case, files) in nodes().filter(|(case, _)| case.name != "comments-only") {
        let kept = install(&files, &case, None, &["wasmtime", "wasmer"]);
        let file = kept.file();
        let mut now = files.read(file).unwrap();
        if !now.ends_with(b"\n") {
            now.push(b'\n');
        }
        let theirs = b"\n# theirs\n[debug2]\n  level = 'info'\n";
        now.extend(theirs);
        files.put(file, &now);
        assert_eq!(files.uninstall(&kept).unwrap(), Vec::<String>::new(), "{}", case.name);
        let left = files.read(file).unwrap();
        let text = String::from_utf8_lossy(&left).into_owned();
        if let Some(original) = &kept.original {
            let mut expected = original.clone();
            if !expected.ends_with(b"\n") {
                expected.push(b'\n');
            }
            expected.extend(theirs);
            assert_eq!(text, String::from_utf8_lossy(&expected), "{}", case.name);
        } else {
            assert!(
                text.ends_with("# theirs\n[debug2]\n  level = 'info'\n") && !text.contains("shimmer"),
                "{text}"
            );
        }
    }
}

#[test]
fn our_tables_are_found_again_in_a_file_that_was_formed_anew() {
    for (case, files) in
        nodes().filter(|(case, _)| !matches!(case.name, "inline" | "k3s-v2" | "k3s-v3-template"))
    {
        let kept = install(&files, &case, None, &["wasmtime", "wasmer"]);
        let file = kept.file();
        let text = String::from_utf8(files.read(file).unwrap()).unwrap();
        let formed = text.replace(" = ", "  =  ").replace("\n[", "\n    [");
        files.put(file, formed.as_bytes());
        files.uninstall(&kept).unwrap_or_else(|error| panic!("{}: {error}", case.name));
        let left = files.read(file).map(|left| String::from_utf8(left).unwrap());
        let original = kept.original.clone().map(|original| String::from_utf8(original).unwrap());
        let lines = |text: &str| {
            text.replace("  =  ", " = ").lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>()
        };
        let mut left = left.map(|left| lines(&left));
        let original = original.map(|original| lines(&original));
        // The empty line before our note is nobody's any more.
        if let (Some(left), Some(original)) = (&mut left, &original)
            && left.len() > original.len()
        {
            assert_eq!(left.pop().as_deref(), Some(""), "{}", case.name);
        }
        assert_eq!(left, original, "{}", case.name);
    }
}

#[test]
fn a_runtime_that_somebody_has_changed_stays_and_is_told() {
    for (case, files) in
        nodes().filter(|(case, _)| !matches!(case.name, "inline" | "k3s-v2" | "k3s-v3-template"))
    {
        let kept = install(&files, &case, None, &["wasmtime", "wasmer"]);
        let file = kept.file();
        let text = String::from_utf8(files.read(file).unwrap()).unwrap();
        let changed = text.replace("containerd-shim-wasmer-v1", "containerd-shim-mine-v1");
        assert_ne!(changed, text);
        files.put(file, changed.as_bytes());
        let left = files.uninstall(&kept).unwrap();
        assert!(left[0].contains("wasmer"), "{left:?}");
        let text = String::from_utf8(files.read(file).unwrap()).unwrap();
        assert!(
            text.contains("containerd-shim-mine-v1") && !text.contains("wasmtime"),
            "{}: {text}",
            case.name
        );
    }
}

#[test]
fn an_update_of_containerd_may_move_our_tables_to_another_file() {
    let files = Files::of("eks-al2", &["/usr/bin/containerd", "/run/containerd/containerd.sock"]);
    let original = files.all();
    let install =
        |old, version| files.install(&Declared::default(), version, old, &wanted(&["wasmtime"])).unwrap();
    let edited = install(None, Version::new(1, 7, 24));
    let dropped = install(Some(&edited), Version::new(2, 1, 9));
    assert_ne!(edited.file(), dropped.file());
    assert_eq!(files.read(edited.file()), edited.original);
    let back = install(Some(&dropped), Version::new(1, 7, 24));
    assert_eq!(files.read(back.file()).unwrap(), edited.writing.content);
    files.uninstall(&back).unwrap();
    assert_eq!(files.all(), original);
}

#[test]
fn runc_stays_where_somebody_elses_runtime_would_take_its_place() {
    let files = Files::of("bare-v2", &["/usr/bin/containerd"]);
    let kept =
        files.install(&Declared::default(), Version::new(1, 7, 24), None, &wanted(&["wasmtime"])).unwrap();
    let mut now = files.read(kept.file()).unwrap();
    now.extend(b"[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.kata]\nruntime_type = \"io.containerd.kata.v2\"\n");
    files.put(kept.file(), &now);
    let left = files.uninstall(&kept).unwrap();
    assert!(left[0].contains("runc"), "{left:?}");
    let text = String::from_utf8(files.read(kept.file()).unwrap()).unwrap();
    assert!(
        text.contains("runtimes.runc]") && text.contains("runtimes.kata]") && !text.contains("wasmtime"),
        "{text}"
    );
}

#[test]
fn a_line_that_fell_into_our_last_table_is_somebodys() {
    let files = Files::of("kubeadm-v2", &["/usr/bin/containerd"]);
    let install = || {
        files
            .install(&Declared::default(), Version::new(2, 1, 9), None, &wanted(&["wasmtime", "wasmer"]))
            .unwrap()
    };
    let kept = install();
    let mut now = files.read(kept.file()).unwrap();
    now.extend(b"NoNewKeyring = true\n");
    files.put(kept.file(), &now);
    let left = files.uninstall(&kept).unwrap();
    assert!(left.len() == 1 && left[0].contains("wasmer"), "{left:?}");
    let text = String::from_utf8(files.read(kept.file()).unwrap()).unwrap();
    assert!(text.contains("runtimes.wasmer.options]") && text.ends_with("NoNewKeyring = true\n"), "{text}");
    assert!(!text.contains("wasmtime"), "{text}");
}
