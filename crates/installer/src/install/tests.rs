//! Installs and uninstalls on nodes without a containerd: every way in which they may go wrong.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::fake::{Bed, CONFIG, shim};

fn beds() -> [Bed; 2] {
    [Bed::with_drop_ins(), Bed::with_one_file()]
}

fn of(bed: &Bed, version: &str) -> Options {
    Bed::options(bed.good_release(version))
}

#[test]
fn installs_twice_as_once_and_uninstalls_to_the_last_byte_twenty_times() {
    for bed in beds() {
        let before = bed.snapshot();
        for round in 0..20 {
            let installed = bed.install(&of(&bed, "1.0.0")).expect("it works");
            assert_eq!(
                (installed.changed, installed.handlers),
                (true, vec!["one".to_owned(), "two".to_owned()])
            );
            let (once, restarts) = (bed.snapshot(), bed.machine.restarts.get());
            let again = bed.install(&of(&bed, "1.0.0")).expect("it works again");
            assert_eq!((again.changed, again.restarted), (false, None));
            assert_eq!((bed.snapshot(), bed.machine.restarts.get()), (once, restarts), "round {round}");
            bed.uninstall().expect("it is taken away");
            assert_eq!(bed.snapshot(), before, "round {round}");
        }
        assert!(!bed.uninstall().expect("nothing is there").changed);
    }
}

#[test]
fn an_upgrade_switches_the_link_and_restarts_nothing() {
    for bed in beds() {
        let before = bed.snapshot();
        bed.install(&of(&bed, "1.0.0")).expect("it works");
        let restarts = bed.machine.restarts.get();
        let upgraded = bed.install(&of(&bed, "1.1.0")).expect("it works");
        assert_eq!((upgraded.changed, upgraded.restarted), (true, None));
        assert_eq!(bed.machine.restarts.get(), restarts);
        let current = fs::read(bed.folder.path().join("opt/shimmer/current/containerd-shim-one-v1"));
        assert_eq!(current.expect("it is there"), b"good 1.1.0");
        let versions = bed.host.names(&bed.store.versions()).expect("a folder");
        assert_eq!(versions.len(), 1, "nobody uses the old one: {versions:?}");
        assert!(bed.install(&of(&bed, "1.0.0")).expect("a downgrade works").changed);
        bed.uninstall().expect("it is taken away");
        assert_eq!(bed.snapshot(), before);
    }
}

#[test]
fn takes_other_shims_and_other_handlers() {
    for bed in beds() {
        let before = bed.snapshot();
        let mut options = of(&bed, "1.0.0");
        options.shims = vec![shim("one", "fast")];
        bed.install(&options).expect("it works");
        let ours = || {
            let mut handlers = bed.machine.serving.borrow().clone().expect("it serves");
            handlers.retain(|handler| handler != "runc");
            handlers.sort();
            handlers
        };
        assert_eq!(ours(), ["fast"]);
        options.shims = vec![shim("one", "slow"), shim("two", "fast")];
        let installed = bed.install(&options).expect("it works");
        assert_eq!(installed.restarted.as_deref(), Some("whoever started it"));
        assert_eq!(ours(), ["fast", "slow"]);
        options.shims = vec![shim("three", "three")];
        assert_eq!(bed.install(&options).expect_err("no such shim").kind(), ErrorKind::Refused);
        options.shims = vec![shim("one", "same"), shim("two", "same")];
        assert_eq!(bed.install(&options).expect_err("a handler is one").kind(), ErrorKind::Refused);
        bed.uninstall().expect("it is taken away");
        assert_eq!(bed.snapshot(), before);
    }
}

#[test]
fn a_release_that_fails_leaves_the_node_as_it_was() {
    for bed in beds() {
        let nothing = bed.snapshot();
        let cases = [
            ("bad", "does not run on this node", ErrorKind::Refused),
            ("broken", "it broke", ErrorKind::Failed),
        ];
        for (content, told, kind) in cases {
            let programs = [("containerd-shim-one-v1", content), ("shimmer-one", "good")];
            let failing = Bed::options(bed.release("2.0.0", &programs));
            let error = bed.install(&failing).expect_err("it fails");
            assert!(error.kind() == kind && error.to_string().contains(told), "{error}");
            assert_eq!(bed.snapshot(), nothing, "{content}: as before the first install");
            bed.install(&of(&bed, "1.0.0")).expect("it works");
            let installed = bed.snapshot();
            let error = bed.install(&failing).expect_err("it fails");
            assert!(error.kind() == kind && error.to_string().contains(told), "{error}");
            let now = bed.snapshot();
            let is_old = |name: &Path| !name.starts_with("opt/shimmer/versions");
            let kept = |all: &[(PathBuf, Vec<u8>)]| -> Vec<_> {
                all.iter().filter(|(name, _)| is_old(name)).cloned().collect()
            };
            assert_eq!(kept(&now), kept(&installed), "{content}: as before the upgrade");
            bed.uninstall().expect("it is taken away");
            assert_eq!(bed.snapshot(), nothing);
        }
    }
}

#[test]
fn a_containerd_that_does_not_come_back_gets_its_old_configuration() {
    for bed in beds() {
        let before = bed.snapshot();
        bed.machine.rejects.set(true);
        let error = bed.install(&of(&bed, "1.0.0")).expect_err("it does not come back");
        assert_eq!(error.kind(), ErrorKind::Failed, "{error}");
        assert_eq!((bed.snapshot(), bed.machine.restarts.get()), (before, 2));
        assert!(bed.machine.serving.borrow().is_some(), "it serves as it did");
    }
}

#[test]
fn a_run_that_was_killed_while_containerd_started_is_undone() {
    for bed in beds() {
        let before = bed.snapshot();
        bed.install(&of(&bed, "1.0.0")).expect("it works");
        let mut options = of(&bed, "1.0.0");
        options.shims = vec![shim("one", "other")];
        bed.machine.dies.set(true);
        assert!(catch_unwind(AssertUnwindSafe(|| bed.install(&options))).is_err());
        bed.machine.dies.set(false);
        let installed = bed.install(&options).expect("the next run works");
        assert_eq!(installed.handlers, ["other"]);
        bed.uninstall().expect("it is taken away");
        assert_eq!(bed.snapshot(), before);
    }
}

#[test]
fn what_somebody_changed_since_is_kept() {
    for bed in beds() {
        let path = bed.folder.path().join(CONFIG.trim_start_matches('/'));
        let before = fs::read_to_string(&path).expect("it is there");
        bed.install(&of(&bed, "1.0.0")).expect("it works");
        let now = fs::read_to_string(&path).expect("it is there");
        fs::write(&path, format!("{now}\n[metrics]\naddress = \"1\"\n")).expect("it is ours");
        bed.install(&of(&bed, "1.1.0")).expect("an upgrade works");
        bed.uninstall().expect("it is taken away");
        let after = fs::read_to_string(&path).expect("it is there");
        assert_eq!(after, format!("{before}\n[metrics]\naddress = \"1\"\n"));
    }
}

#[test]
fn refuses_a_release_that_is_not_whole() {
    let bed = Bed::with_drop_ins();
    let before = bed.snapshot();
    let release = bed.good_release("1.0.0");
    fs::write(release.join("shimmer-two"), "somebody else's").expect("it is ours");
    let error = bed.install(&Bed::options(release.clone())).expect_err("it is not whole");
    assert!(error.kind() == ErrorKind::Refused && error.to_string().contains("shimmer-two"), "{error}");
    assert_eq!(bed.snapshot(), before);
    for manifest in ["", "{}", r#"{"version":"1","architecture":"amd64","files":{"../x":"sha256:0"}}"#] {
        fs::write(release.join("release.json"), manifest).expect("it is ours");
        let error = bed.install(&Bed::options(release.clone())).expect_err("it is none");
        assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    }
}

#[test]
fn refuses_a_handler_of_somebody_elses() {
    let config = "version = 3\nimports = [\"conf.d/*.toml\"]\n\
                  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.one]\nruntime_type = \"x.y.v1\"\n";
    let bed = Bed::new(&[(CONFIG, config), ("/usr/bin/containerd", "2.1.0")], CONFIG);
    let before = bed.snapshot();
    let error = bed.install(&of(&bed, "1.0.0")).expect_err("it is taken");
    assert!(error.kind() == ErrorKind::Refused && error.to_string().contains("one"), "{error}");
    assert_eq!(bed.snapshot(), before);
}
