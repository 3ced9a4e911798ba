use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::fault::Kind;

/// A node with two files, of which a change makes one anew, changes one and removes one.
struct Bench {
    folder: tempfile::TempDir,
    host: Host,
    store: Store,
}

/// What takes effect, or fails to.
struct Told(bool, Vec<&'static str>);

impl Effect for Told {
    fn settle(&mut self, _restart: Option<&Restarting>) -> Result<()> {
        self.1.push("settle");
        if self.0 { Ok(()) } else { Err(Error::new(ErrorKind::Failed, "it does not come back")) }
    }

    fn resettle(&mut self, _restart: Option<&Restarting>) -> Result<()> {
        self.1.push("resettle");
        Ok(())
    }
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for path in ["etc", "opt/shimmer/state"] {
            fs::create_dir_all(folder.path().join(path)).expect("it is ours");
        }
        fs::write(folder.path().join("etc/changed"), "before").expect("it is ours");
        fs::write(folder.path().join("etc/removed"), "before").expect("it is ours");
        let host = Host::open(folder.path()).expect("it is there");
        Self { folder, host, store: Store::new(Path::new("/opt/shimmer")).expect("a folder of our own") }
    }

    fn change(&self, effect: &mut Told) -> Result<()> {
        let paths = vec![
            ("/etc/changed".into(), New::File(b"after")),
            ("/etc/removed".into(), New::Absent),
            ("/etc/new/folder/made".into(), New::File(b"after")),
            ("/opt/shimmer/current".into(), New::Link(Path::new("versions/1"))),
        ];
        let change = Change { paths, leavings: Leavings::default(), restart: None };
        change.carry_out(&self.host, &self.store, effect).map(|left| assert!(left.is_none(), "{left:?}"))
    }

    /// All paths of the node, with what is in the files.
    fn snapshot(&self) -> Vec<(PathBuf, Option<Vec<u8>>)> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() && !path.is_symlink() {
                    folders.push(path.clone());
                }
                let content = fs::read_link(&path).map(|to| to.as_os_str().as_encoded_bytes().to_vec());
                found.push((path.clone(), content.ok().or_else(|| fs::read(&path).ok())));
            }
        }
        found.sort();
        found
    }

    fn recover(&self) -> Recovery {
        recover(&self.host, &self.store, |_| Ok(())).expect("it is put in order")
    }
}

fn after() -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let bench = Bench::new();
    bench.change(&mut Told(true, Vec::new())).expect("it works");
    relative(&bench, bench.snapshot())
}

fn relative(bench: &Bench, found: Vec<(PathBuf, Option<Vec<u8>>)>) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let root = bench.folder.path();
    found
        .into_iter()
        .map(|(path, content)| (path.strip_prefix(root).expect("below").to_owned(), content))
        .collect()
}

#[test]
fn makes_all_of_a_change_and_leaves_nothing_lying() {
    let names: Vec<_> = after().into_iter().map(|(path, _)| path.display().to_string()).collect();
    let expected =
        ["etc", "etc/changed", "etc/new", "etc/new/folder", "etc/new/folder/made", "opt", "opt/shimmer"];
    assert_eq!(names, [&expected[..], &["opt/shimmer/current", "opt/shimmer/state"]].concat());
}

#[test]
fn undoes_all_of_a_change_that_does_not_settle() {
    let bench = Bench::new();
    let before = bench.snapshot();
    let mut told = Told(false, Vec::new());
    let error = bench.change(&mut told).expect_err("it does not settle");
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Failed, "it does not come back"));
    assert_eq!(told.1, ["settle", "resettle"]);
    assert_eq!(bench.snapshot(), before);
}

#[test]
fn is_finished_or_undone_by_the_next_run_wherever_it_was_killed() {
    let counting = Bench::new();
    counting.host.fault.set(Kind::Nothing, 0);
    counting.change(&mut Told(true, Vec::new())).expect("it works");
    let steps = counting.host.fault.seen();
    assert!(steps > 20, "a change has {steps} steps");
    let (mut undone, mut finished) = (0, 0);
    for step in 0..steps {
        let bench = Bench::new();
        let before = bench.snapshot();
        bench.host.fault.set(Kind::Killed, step);
        let killed = catch_unwind(AssertUnwindSafe(|| bench.change(&mut Told(true, Vec::new()))));
        assert!(killed.is_err(), "it was killed at {step}");
        bench.host.fault.set(Kind::Nothing, 0);
        bench.recover();
        let now = bench.snapshot();
        if now == before {
            undone += 1;
        } else {
            assert_eq!(relative(&bench, now), after(), "killed at {step}");
            finished += 1;
        }
        assert_eq!(bench.recover(), Recovery::Nothing, "nothing is left to be done after {step}");
    }
    assert!(undone > 10 && finished > 2, "{undone} undone, {finished} finished");
}

#[test]
fn is_recovered_though_the_recovery_is_killed_as_well() {
    for step in 0..14 {
        let bench = Bench::new();
        let before = bench.snapshot();
        let mut told = Told(true, Vec::new());
        // After all is in place, and before it is known to hold.
        let settled = catch_unwind(AssertUnwindSafe(|| {
            struct Dies;
            impl Effect for Dies {
                fn settle(&mut self, _restart: Option<&Restarting>) -> Result<()> {
                    panic!("killed while containerd was started")
                }
                fn resettle(&mut self, _restart: Option<&Restarting>) -> Result<()> {
                    Ok(())
                }
            }
            let paths = vec![
                ("/etc/changed".into(), New::File(b"after")),
                ("/etc/new/made".into(), New::File(b"after")),
            ];
            let change = Change { paths, leavings: Leavings::default(), restart: None };
            change.carry_out(&bench.host, &bench.store, &mut Dies)
        }));
        assert!(settled.is_err());
        bench.host.fault.set(Kind::Killed, step);
        let _killed = catch_unwind(AssertUnwindSafe(|| bench.recover()));
        bench.host.fault.set(Kind::Nothing, 0);
        bench.recover();
        assert_eq!(bench.snapshot(), before, "the recovery was killed at {step}");
        bench.change(&mut told).expect("and then it works");
    }
}

#[test]
fn a_full_disk_fails_it_at_every_step_and_keeps_nothing_from_being_put_back() {
    for step in 0.. {
        let bench = Bench::new();
        let before = bench.snapshot();
        bench.host.fault.set(Kind::Full, step);
        let outcome = bench.change(&mut Told(true, Vec::new()));
        bench.host.fault.set(Kind::Nothing, 0);
        let Err(error) = outcome else { break };
        assert_eq!((error.kind(), bench.snapshot()), (ErrorKind::Failed, before), "at {step}: {error}");
        assert!(error.to_string().contains("cannot"), "{error}");
    }
}
