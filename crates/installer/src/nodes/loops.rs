//! Installing and uninstalling on the nodes of every distribution, again and again: all of it but a containerd.

use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::thread;

use super::cases::{self, Case};
use super::copy;
use crate::error::ErrorKind;
use crate::fake::{Bed, folder_in_memory, shim};
use crate::install::Options;

impl Case {
    /// The node, whose containerd runs.
    pub(super) fn bed(&self) -> Bed {
        let folder = folder_in_memory();
        copy(&super::folder(self.name), folder.path());
        let (containerd, others) = self.empty.split_first().expect("a containerd");
        let files = others.iter().map(|path| (path, String::new()));
        for (path, content) in files.chain([(containerd, self.version.to_string())]) {
            let path = folder.path().join(path.trim_start_matches('/'));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        Bed::distributed(folder, self.distribution, containerd)
    }
}

fn case(name: &str, major: u32) -> Case {
    let fits = |case: &Case| case.name == name && case.version.to_string().starts_with(&format!("{major}."));
    cases::all().into_iter().find(fits).unwrap()
}

/// With the two shims of a release, of which the first has this handler.
fn options(bed: &Bed, version: &str, handler: &str) -> Options {
    let mut options = Bed::options(bed.good_release(version));
    options.shims = vec![shim("one", handler), shim("two", "two")];
    options
}

/// Installs, and gives the file that has our tables.
fn installed(bed: &Bed) -> PathBuf {
    bed.install(&options(bed, "1.0.0", "one")).unwrap().file
}

/// What has to be left in a file is told.
fn uninstalled(bed: &Bed) -> Vec<String> {
    bed.uninstall().unwrap().warnings
}

fn text(bed: &Bed, file: &Path) -> Option<String> {
    bed.host.read(file).unwrap().map(|bytes| String::from_utf8(bytes).unwrap())
}

fn change(bed: &Bed, file: &Path, how: impl FnOnce(String) -> String) {
    let before = text(bed, file).unwrap();
    let after = how(before.clone());
    assert_ne!(before, after);
    fs::write(bed.at(file), after).unwrap();
}

/// Calls `each` with every node on which something can be installed, in as many threads as there are processors.
fn on_every_node(each: impl Fn(&Case, &Bed) + Sync) {
    let mut cases = cases::all();
    cases.retain(|case| case.kind != "foreign");
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        for first in 0..threads {
            let (cases, each) = (&cases, &each);
            scope.spawn(move || {
                for case in cases.iter().skip(first).step_by(threads) {
                    // Where a test fails, its output tells on which node.
                    println!("{} with containerd {}", case.name, case.version);
                    each(case, &case.bed());
                }
            });
        }
    });
}

#[test]
fn twenty_times_leave_every_byte_as_it_was() {
    on_every_node(|case, bed| {
        let (before, handlers) = (bed.snapshot(), bed.machine.serving.borrow().clone().expect("it serves"));
        for round in 0..20 {
            let options = options(bed, "1.0.0", "one");
            let first = bed.install(&options).unwrap();
            assert_eq!((first.changed, &*first.file), (true, Path::new(case.file)), "round {round}");
            let (once, restarts) = (bed.snapshot(), bed.machine.restarts.get());
            let second = bed.install(&options).unwrap();
            assert_eq!((second.changed, second.restarted), (false, None), "round {round}");
            assert_eq!(bed.differences(&once), Vec::<PathBuf>::new(), "round {round}");
            assert_eq!(bed.machine.restarts.get(), restarts, "round {round}");
            assert_eq!(uninstalled(bed), Vec::<String>::new(), "round {round}");
            assert_eq!(bed.differences(&before), Vec::<PathBuf>::new(), "round {round}");
            assert_eq!(bed.machine.serving.borrow().as_ref(), Some(&handlers), "round {round}");
        }
    });
}

#[test]
fn a_foreign_template_is_left_alone_and_the_lines_are_said() {
    let case = cases::all().into_iter().find(|case| case.kind == "foreign").unwrap();
    let bed = case.bed();
    let before = bed.snapshot();
    let error = bed.install(&options(&bed, "1.0.0", "wasm")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    let lines = "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.wasm]\n";
    assert!(error.to_string().contains(lines), "{error}");
    assert_eq!(bed.snapshot(), before);
}

#[test]
fn an_upgrade_leaves_nothing_of_what_was_before() {
    on_every_node(|_, bed| {
        let original = bed.snapshot();
        installed(bed);
        let upgrade = options(bed, "1.1.0", "new");
        bed.install(&upgrade).unwrap();
        let upgraded = bed.snapshot();
        assert_eq!(uninstalled(bed), Vec::<String>::new());
        assert_eq!(bed.differences(&original), Vec::<PathBuf>::new());
        bed.install(&upgrade).unwrap();
        assert_eq!(bed.differences(&upgraded), Vec::<PathBuf>::new());
    });
}

#[test]
fn what_somebody_adds_in_between_stays() {
    const THEIRS: &str = "\n# theirs\n[debug2]\n  level = 'info'\n";
    let ended = |text: String| if text.ends_with('\n') { text } else { text + "\n" };
    on_every_node(|case, bed| {
        // Where the version was ours it stays as well: what they have added is in that version.
        if case.name == "comments-only" {
            return;
        }
        let original = text(bed, Path::new(case.file));
        let handlers = bed.machine.serving.borrow().clone();
        let file = installed(bed);
        change(bed, &file, |now| ended(now) + THEIRS);
        assert_eq!(uninstalled(bed), Vec::<String>::new());
        assert_eq!(*bed.machine.serving.borrow(), handlers);
        let left = text(bed, &file).unwrap();
        match original {
            Some(original) => assert_eq!(left, ended(original) + THEIRS),
            None => assert!(left.ends_with(&THEIRS[1..]) && !left.contains("shimmer"), "{left}"),
        }
    });
}

/// Whether our tables are no tables of their own, but within others or in a template.
fn is_within_others(case: &Case) -> bool {
    case.name == "inline" || case.kind == "template"
}

#[test]
fn our_tables_are_found_again_in_a_file_that_was_formed_anew() {
    let lines = |text: String| -> Vec<_> {
        text.replace("  =  ", " = ").lines().map(|line| line.trim().to_owned()).collect()
    };
    on_every_node(|case, bed| {
        if is_within_others(case) {
            return;
        }
        let original = text(bed, Path::new(case.file)).map(lines);
        let file = installed(bed);
        change(bed, &file, |now| now.replace(" = ", "  =  ").replace("\n[", "\n    ["));
        uninstalled(bed);
        let mut left = text(bed, &file).map(lines);
        // The empty line before our note is nobody's any more.
        if let (Some(left), Some(original)) = (&mut left, &original)
            && left.len() > original.len()
        {
            assert_eq!(left.pop().as_deref(), Some(""));
        }
        assert_eq!(left, original);
    });
}

#[test]
fn a_runtime_that_somebody_has_changed_stays_and_is_told() {
    on_every_node(|case, bed| {
        if is_within_others(case) {
            return;
        }
        let file = installed(bed);
        change(bed, &file, |now| now.replace("containerd-shim-two-v1", "containerd-shim-mine-v1"));
        let told = uninstalled(bed);
        assert!(told[0].contains("two"), "{told:?}");
        let left = text(bed, &file).unwrap();
        assert!(
            left.contains("containerd-shim-mine-v1") && !left.contains("containerd-shim-one-v1"),
            "{left}"
        );
    });
}

#[test]
fn an_update_of_containerd_may_move_our_tables_to_another_file() {
    let bed = case("eks-al2", 1).bed();
    let original = bed.snapshot();
    let edited = installed(&bed);
    let as_edited = text(&bed, &edited);
    bed.machine.update("2.1.9");
    let dropped = installed(&bed);
    assert_ne!(edited, dropped);
    let before = original.iter().find(|(path, _)| Path::new("/").join(path) == edited);
    assert_eq!(text(&bed, &edited).map(String::into_bytes), before.map(|(_, text)| text.clone()));
    // Under containerd 1 a drop-in takes the place of all that the root has: what it has now is not what it should keep.
    bed.machine.update("1.7.24");
    let now = bed.snapshot();
    let error = bed.install(&options(&bed, "1.0.0", "one")).unwrap_err();
    assert!(error.kind() == ErrorKind::Refused && error.to_string().contains("runtimes.runc"), "{error}");
    assert_eq!(bed.snapshot(), now);
    uninstalled(&bed);
    assert_eq!(bed.snapshot(), original);
    assert_eq!((installed(&bed), text(&bed, &edited)), (edited, as_edited));
}

#[test]
fn runc_stays_where_somebody_elses_runtime_would_take_its_place() {
    let bed = case("bare-v2", 1).bed();
    let file = installed(&bed);
    let theirs = "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.kata]\nruntime_type = \"io.containerd.kata.v2\"\n";
    change(&bed, &file, |now| now + theirs);
    let told = uninstalled(&bed);
    assert!(told[0].contains("runc"), "{told:?}");
    assert_eq!(*bed.machine.serving.borrow(), Some(vec!["runc".to_owned(), "kata".to_owned()]));
}

#[test]
fn a_line_that_fell_into_our_last_table_is_somebodys() {
    let bed = case("kubeadm-v2", 2).bed();
    let options = Options { fix: false, ..options(&bed, "1.0.0", "one") };
    let file = bed.install(&options).unwrap().file;
    change(&bed, &file, |now| now + "NoNewKeyring = true\n");
    let told = uninstalled(&bed);
    assert!(told.len() == 1 && told[0].contains("two"), "{told:?}");
    let left = text(&bed, &file).unwrap();
    assert!(left.contains("runtimes.two.options]") && left.ends_with("NoNewKeyring = true\n"), "{left}");
    assert!(!left.contains("runtimes.one"), "{left}");
}

#[test]
fn a_line_that_fell_into_the_table_of_a_setting_of_ours_is_somebodys() {
    let bed = case("kubeadm-v2", 2).bed();
    let before = text(&bed, Path::new("/etc/containerd/config.toml")).unwrap();
    let file = installed(&bed);
    change(&bed, &file, |now| now + "snapshotter = \"theirs\"\n");
    assert_eq!(uninstalled(&bed), Vec::<String>::new());
    let table = "\n[plugins.\"io.containerd.cri.v1.images\"]\nsnapshotter = \"theirs\"\n";
    assert_eq!(text(&bed, &file), Some(before + table));
}
