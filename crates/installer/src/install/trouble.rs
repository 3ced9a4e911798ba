//! Installs and uninstalls where something of the node is not as one would think.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Stdio};

use super::*;
use crate::fake::{Bed, CONFIG, shim};
use crate::fault::Kind;
use crate::usage::Pod;

fn beds() -> [Bed; 2] {
    [Bed::with_drop_ins(), Bed::with_one_file()]
}

fn of(bed: &Bed, version: &str) -> Options {
    Bed::options(bed.good_release(version))
}

#[test]
fn a_folder_that_is_somebody_elses_is_no_prefix() {
    for there in ["versions/1.2/theirs", "state/theirs", "current", "bin/theirs"] {
        let mut bed = Bed::with_drop_ins();
        let theirs = bed.folder.path().join("opt/app").join(there);
        fs::create_dir_all(theirs.parent().expect("a folder")).expect("it is ours");
        fs::write(&theirs, "theirs").expect("it is ours");
        bed.store = Store::new(Path::new("/opt/app")).expect("it could be one");
        let before = bed.snapshot();
        let error = bed.uninstall().expect_err("it is somebody's");
        assert!(error.kind() == ErrorKind::Refused && error.to_string().contains("/opt/app"), "{error}");
        assert_eq!(bed.snapshot(), before, "{there}");
        let error = bed.install(&of(&bed, "1.0.0")).expect_err("it is somebody's");
        assert!(error.kind() == ErrorKind::Refused && error.to_string().contains("/opt/app"), "{error}");
        assert_eq!(bed.snapshot(), before, "{there}");
    }
    for odd in ["/opt", "opt/shimmer", "/opt/../etc", "/"] {
        assert!(Store::new(Path::new(odd)).is_err(), "{odd}");
    }
}

#[test]
fn a_shim_whose_pod_is_gone_or_stopped_is_waited_for() {
    let stopped = Pod { namespace: "default".into(), name: "web".into(), handler: None };
    for pods in [BTreeMap::new(), BTreeMap::from([("gone".to_owned(), stopped)])] {
        let bed = Bed::with_drop_ins();
        let before = bed.snapshot();
        bed.install(&of(&bed, "1.0.0")).expect("it is installed");
        let shim = Command::new("sleep").arg("0.3").spawn().expect("a process");
        bed.machine.leaving.replace(Some(shim));
        bed.machine.pods.replace(pods);
        bed.uninstall().expect("it has ended in the end");
        assert_eq!(bed.snapshot(), before);
    }
}

#[test]
fn a_shim_whose_pod_runs_is_not_waited_for() {
    let bed = Bed::with_drop_ins();
    bed.install(&of(&bed, "1.0.0")).expect("it is installed");
    let runs = Pod { namespace: "default".into(), name: "web".into(), handler: Some("one".into()) };
    bed.machine.pods.replace([("gone".to_owned(), runs)].into());
    // It ends only when somebody ends it.
    let shim = Command::new("cat").stdin(Stdio::piped()).spawn().expect("a process");
    bed.machine.leaving.replace(Some(shim));
    let error = bed.uninstall().expect_err("a pod uses it");
    assert!(error.kind() == ErrorKind::Refused && error.to_string().contains("default/web"), "{error}");
    let ended = bed.machine.leaving.take().map(|mut shim| shim.kill().and_then(|()| shim.wait()));
    ended.expect("it is there").expect("it ends");
}

#[test]
fn what_holds_is_not_undone_since_its_leavings_cannot_be_removed() {
    for bed in beds() {
        let before = bed.snapshot();
        bed.machine.is_blind.set(true);
        let installed = bed.install(&of(&bed, "1.0.0")).expect("it is installed");
        assert!(installed.warnings.iter().any(|told| told.contains("processes")), "{:?}", installed.warnings);
        bed.machine.is_blind.set(false);
        assert_eq!(bed.status().faults, Vec::<String>::new());
        bed.uninstall().expect("it is taken away");
        assert_eq!(bed.snapshot(), before);
    }
}

#[test]
fn an_upgrade_that_fails_leaves_no_files_behind_either() {
    for bed in beds() {
        bed.install(&of(&bed, "1.0.0")).expect("it works");
        let installed = bed.snapshot();
        let programs = [("containerd-shim-one-v1", "broken"), ("shimmer-one", "good")];
        bed.install(&Bed::options(bed.release("2.0.0", &programs))).expect_err("it fails");
        assert_eq!(bed.snapshot(), installed);
    }
}

#[test]
fn a_prefix_behind_a_link_is_as_good_as_any() {
    for bed in beds() {
        let root = bed.folder.path();
        fs::remove_dir(root.join("opt")).expect("it is empty");
        fs::create_dir_all(root.join("data/opt")).expect("it is ours");
        symlink("data/opt", root.join("opt")).expect("it is ours");
        let before = bed.snapshot();
        bed.install(&of(&bed, "1.0.0")).expect("it works");
        assert_eq!(bed.status().faults, Vec::<String>::new());
        bed.uninstall().expect("it is taken away");
        assert_eq!(bed.snapshot(), before);
    }
}

#[test]
fn handlers_that_somebody_has_configured_just_so_are_used_and_stay() {
    let ours = |handler: &str| {
        format!(
            "[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.{handler}]\n\
             runtime_type = 'io.containerd.{handler}.v1'\n\
             runtime_path = '/opt/shimmer/current/containerd-shim-{handler}-v1'\n"
        )
    };
    let config = format!("version = 3\nimports = [\"conf.d/*.toml\"]\n{}{}", ours("one"), ours("two"));
    let bed = Bed::new(&[(CONFIG, &config), ("/usr/bin/containerd", "2.1.0")], CONFIG);
    let before = bed.snapshot();
    bed.install(&of(&bed, "1.0.0")).expect("there is nothing in the way");
    bed.uninstall().expect("what is not ours may stay");
    assert_eq!(bed.snapshot(), before);
}

#[test]
fn a_handler_that_a_pod_uses_is_not_removed() {
    for bed in beds() {
        bed.install(&of(&bed, "1.0.0")).expect("it works");
        let pod = Pod { namespace: "shop".into(), name: "cart".into(), handler: Some("two".into()) };
        bed.machine.pods.borrow_mut().insert("1".into(), pod);
        let installed = bed.snapshot();
        let mut fewer = of(&bed, "1.0.0");
        fewer.shims = vec![shim("one", "one")];
        let error = bed.install(&fewer).expect_err("it is used");
        assert!(error.kind() == ErrorKind::Refused && error.to_string().contains("shop/cart"), "{error}");
        assert_eq!(bed.snapshot(), installed);
        bed.machine.pods.borrow_mut().clear();
        assert_eq!(bed.install(&fewer).expect("nobody uses it").handlers, ["one"]);
    }
}

#[test]
fn a_template_of_somebody_elses_is_usable_once_it_has_the_lines_that_were_said() {
    const FOLDER: &str = "/var/lib/rancher/k3s/agent/etc/containerd";
    let (config, template) = (format!("{FOLDER}/config.toml"), format!("{FOLDER}/config.toml.tmpl"));
    let theirs = "version = 2\n{{ if .X }}\n# theirs\n{{ end }}\n";
    let runc = "version = 2\n[plugins.'io.containerd.grpc.v1.cri'.containerd.runtimes.runc]\n\
                runtime_type = 'io.containerd.runc.v2'\n";
    let files = [
        (&*config, runc),
        (&*template, theirs),
        ("/var/lib/rancher/k3s/data/current/bin/containerd", "1.7.24"),
        ("/run/k3s/containerd/containerd.sock", ""),
    ];
    let bed = Bed::new(&files, &config);
    let told = bed.install(&of(&bed, "1.0.0")).expect_err("it has to be done by hand").to_string();
    let (_, lines) = told.split_once("install again\n").expect("the lines are said");
    for (file, before) in [(&config, runc), (&template, theirs)] {
        let path = bed.folder.path().join(file.trim_start_matches('/'));
        fs::write(path, format!("{before}{lines}")).expect("it is ours");
    }
    bed.machine.read();
    let before = bed.snapshot();
    let installed = bed.install(&of(&bed, "1.0.0")).expect("the lines are there");
    assert_eq!((installed.handlers.len(), installed.restarted), (2, None));
    assert!(!bed.install(&of(&bed, "1.0.0")).expect("it is installed").changed);
    assert_eq!(bed.status().faults, Vec::<String>::new());
    bed.uninstall().expect("what is theirs stays");
    assert_eq!(bed.snapshot(), before);
}

#[test]
fn where_nobody_starts_containerd_again_that_is_said_until_somebody_has() {
    for bed in beds() {
        let before = bed.snapshot();
        bed.machine.is_left.set(true);
        for _ in 0..2 {
            let installed = bed.install(&of(&bed, "1.0.0")).expect("it is written");
            assert!(installed.waits && installed.warnings == [UNTOLD], "{:?}", installed.warnings);
        }
        bed.machine.read();
        let installed = bed.install(&of(&bed, "1.0.0")).expect("it is there");
        assert_eq!((installed.waits, installed.warnings), (false, Vec::new()));
        bed.uninstall().expect("it is taken away");
        assert_eq!((bed.snapshot(), bed.machine.restarts.get()), (before, 0));
    }
}

#[test]
fn a_containerd_that_does_not_start_anyhow_keeps_nobody_from_uninstalling() {
    for bed in beds() {
        let before = bed.snapshot();
        bed.install(&of(&bed, "1.0.0")).expect("it works");
        bed.machine.serving.replace(None);
        bed.machine.is_left.set(true);
        bed.uninstall().expect("--restart none does not ask it");
        assert_eq!(bed.snapshot(), before);
    }
}

#[test]
fn a_folder_that_a_later_install_makes_goes_as_well() {
    let bed = Bed::with_one_file();
    let before = bed.snapshot();
    bed.install(&of(&bed, "1.0.0")).expect("it works");
    // As an update of containerd and of its configuration may leave it.
    let (config, program) = (&before[2].0, bed.folder.path().join("usr/bin/containerd"));
    assert!(config.ends_with("config.toml"), "{before:?}");
    let text = "version = 3\nimports = [\"/etc/containerd/conf.d/*.toml\"]\n";
    fs::write(bed.folder.path().join(config), text).expect("it is ours");
    fs::write(program, "2.2.0").expect("it is ours");
    bed.machine.read();
    let updated = bed.snapshot();
    let updated: Vec<_> = updated.into_iter().filter(|(path, _)| !path.starts_with("opt/shimmer")).collect();
    let installed = bed.install(&of(&bed, "1.1.0")).expect("it works");
    assert!(installed.file.ends_with("conf.d/50-shimmer.toml"), "{:?}", installed.file);
    bed.uninstall().expect("it is taken away");
    assert_eq!(bed.snapshot(), updated);
}

#[test]
fn refuses_a_second_prefix_and_names_the_first() {
    for mut bed in beds() {
        bed.install(&of(&bed, "1.0.0")).expect("it works");
        let installed = bed.snapshot();
        bed.store = Store::new(Path::new("/opt/other")).expect("a folder of our own");
        let error = bed.install(&of(&bed, "1.0.0")).expect_err("it is installed already");
        let told = error.to_string();
        assert!(error.kind() == ErrorKind::Refused && told.contains("--prefix /opt/shimmer."), "{told}");
        assert_eq!(bed.snapshot(), installed);
    }
}

#[test]
fn what_an_interrupted_first_run_made_goes_with_the_next_uninstall() {
    let (mut left, mut gone) = (0, 0);
    for step in 0.. {
        let bed = Bed::with_drop_ins();
        fs::remove_dir(bed.folder.path().join("opt")).expect("it is empty");
        let before = bed.snapshot();
        let options = of(&bed, "1.0.0");
        bed.fault(Kind::Killed, step);
        let killed = catch_unwind(AssertUnwindSafe(|| bed.install(&options)));
        bed.fault(Kind::Nothing, 0);
        if killed.is_ok() {
            break;
        }
        // What the shims of that run may have made.
        fs::create_dir_all(bed.folder.path().join("var/lib/shimmer/cache")).expect("it is ours");
        fs::create_dir_all(bed.folder.path().join("run/shimmer")).expect("it is ours");
        bed.uninstall().expect("it is taken away");
        let now = bed.snapshot();
        let is_of_the_test =
            |name: &Path| ["var", "var/lib", "run"].iter().any(|ours| name == Path::new(ours));
        let now: Vec<_> = now.into_iter().filter(|(name, _)| !is_of_the_test(name)).collect();
        if now == before { gone += 1 } else { left += 1 }
    }
    assert!(left <= 4 && gone > 40, "only until it is written down what is made: {left} of {}", left + gone);
}

#[test]
fn a_link_that_leads_nowhere_is_no_configuration() {
    let bed = Bed::new(&[("/usr/bin/containerd", "2.1.0")], CONFIG);
    let folder = bed.folder.path().join("etc/containerd");
    fs::create_dir_all(&folder).expect("it is ours");
    symlink("/nowhere/config.toml", folder.join("config.toml")).expect("it is ours");
    bed.machine.serving.replace(Some(vec!["runc".to_owned()]));
    let before = bed.snapshot();
    let error = bed.install(&of(&bed, "1.0.0")).expect_err("there is nothing to write to");
    assert!(error.kind() == ErrorKind::Refused, "{error}");
    assert_eq!(bed.snapshot(), before);
}

#[test]
fn an_installation_that_has_stopped_working_needs_a_hand() {
    let bed = Bed::with_drop_ins();
    bed.install(&of(&bed, "1.0.0")).expect("it works");
    for engine in ["one", "two"] {
        let shim = format!("opt/shimmer/current/containerd-shim-{engine}-v1");
        fs::write(bed.folder.path().join(shim), "broken").expect("it is ours");
    }
    assert!(!bed.status().faults.is_empty());
    // What was put there is put there again.
    assert!(!bed.install(&of(&bed, "1.0.0")).expect("it works again").changed);
    bed.machine.breaks.set(true);
    let error = bed.install(&of(&bed, "1.0.0")).expect_err("no pod can be made");
    assert!(
        error.kind() == ErrorKind::Broken && error.to_string().contains("does not work any more"),
        "{error}"
    );
}

#[test]
fn what_was_fixed_stays_fixed_when_it_is_installed_again() {
    let config = "version = 3\nimports = [\"/etc/containerd/conf.d/*.toml\"]\n\
                  [plugins.'io.containerd.cri.v1.images']\nuse_local_image_pull = false\n";
    let bed = Bed::new(&[(CONFIG, config), ("/usr/bin/containerd", "2.2.0")], CONFIG);
    let before = bed.snapshot();
    let options = Options { fix: true, ..of(&bed, "1.0.0") };
    let file = bed.install(&options).expect("it works").file;
    let written = bed.host.read(&file).expect("it is a file");
    let again = bed.install(&options).expect("it works again");
    assert_eq!((again.changed, bed.host.read(&file).expect("it is a file")), (false, written));
    bed.uninstall().expect("it is taken away");
    assert_eq!(bed.snapshot(), before);
}
