//! A change of a node that happens as a whole: it is written down before it is made, undone by whoever finds it half-made,
//! and tidied up after once it holds.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::disk::{New, Swap};
use crate::error::{Error, ErrorKind, Result};
use crate::host::Host;
use crate::machine::Supervisor;
use crate::store::Store;

/// What is to change on a node.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    /// In the order in which they are made. What is missing of the folders above them is made as well.
    pub(crate) paths: Vec<(PathBuf, New<'a>)>,
    /// What goes for good once the change holds.
    pub(crate) leavings: Leavings,
    /// How it reaches containerd, unless containerd need not know.
    pub(crate) restart: Option<Restarting>,
}

/// All that it takes to start containerd again, written down for whoever has to undo a change.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Restarting {
    pub(crate) containerd: PathBuf,
    pub(crate) config: PathBuf,
    /// Whether that file is there, so that containerd can be asked about it.
    pub(crate) has_config: bool,
    pub(crate) socket: PathBuf,
    pub(crate) supervisor: Supervisor,
}

/// What is no longer wanted when a change holds.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Leavings {
    /// With everything in them.
    pub(crate) trees: Vec<PathBuf>,
    /// Only if they are empty, the highest first.
    pub(crate) folders: Vec<PathBuf>,
}

/// What makes a change take effect on a running node, and whether it does.
pub(crate) trait Effect {
    /// After the change.
    fn settle(&mut self, restart: Option<&Restarting>) -> Result<()>;
    /// After it was undone, where it may have taken effect.
    fn resettle(&mut self, restart: Option<&Restarting>) -> Result<()>;
}

#[derive(Debug, Deserialize, Serialize)]
struct Entry {
    phase: Phase,
    /// What was not there before, the highest first.
    folders: Vec<PathBuf>,
    leavings: Leavings,
    restart: Option<Restarting>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Phase {
    /// Something may lie beside these paths.
    Staging(Vec<PathBuf>),
    /// Some of this may have been done.
    Applying(Vec<Swap>),
}

impl Change<'_> {
    /// Makes the change and lets it take effect; where either fails, the node is put back.
    ///
    /// # Errors
    /// What failed: [`Failed`](ErrorKind::Failed) when the node is as it was, [`Broken`](ErrorKind::Broken) when it is not,
    /// and the next run tries again.
    pub(crate) fn carry_out(self, host: &Host, store: &Store, effect: &mut dyn Effect) -> Result<()> {
        let paths: Vec<_> = self.paths.iter().map(|(path, _)| path.clone()).collect();
        let folders = self.missing_folders(host)?;
        let swaps = match self.stage(host, store, &paths, &folders) {
            Ok(swaps) => swaps,
            Err(error) => return Err(back(error, discard(host, store, &paths, &folders))),
        };
        let applied = swaps.iter().try_for_each(|swap| swap.apply(host));
        // As long as not all is in place, containerd has not been told of anything.
        let told = self.restart.as_ref().filter(|_| applied.is_ok());
        if let Err(error) = applied.and_then(|()| effect.settle(told)) {
            let undone = undo(host, &swaps, &folders).and_then(|()| effect.resettle(told));
            return Err(back(error, undone.and_then(|()| host.remove(&store.journal()))));
        }
        host.rename(&store.journal(), name(&store.committed()))?;
        tidy_up(host, store, &swaps, &self.leavings)
    }

    /// The folders that will be made, so that they can go again.
    fn missing_folders(&self, host: &Host) -> Result<Vec<PathBuf>> {
        let mut missing = std::collections::BTreeSet::new();
        for (path, _) in self.paths.iter().filter(|(_, new)| !matches!(new, New::Absent)) {
            missing.extend(host.missing_above(path)?);
        }
        Ok(missing.into_iter().collect())
    }

    fn stage(&self, host: &Host, store: &Store, paths: &[PathBuf], folders: &[PathBuf]) -> Result<Vec<Swap>> {
        let entry = |phase| {
            let (leavings, restart) = (self.leavings.clone(), self.restart.clone());
            Entry { phase, folders: folders.to_vec(), leavings, restart }
        };
        entry(Phase::Staging(paths.to_vec())).write(host, store)?;
        folders.iter().try_for_each(|folder| host.make_folders(folder).map(drop))?;
        let staged = self.paths.iter().map(|(path, new)| Swap::stage(host, path, new));
        let swaps = staged.collect::<Result<Vec<_>>>()?;
        entry(Phase::Applying(swaps.clone())).write(host, store)?;
        Ok(swaps)
    }
}

/// Undoes, or tidies up after, what an earlier run was interrupted in. `reread` lets containerd know, where something was
/// undone that it may have read.
///
/// # Errors
/// [`Broken`](ErrorKind::Broken) where that cannot be done.
pub(crate) fn recover(
    host: &Host,
    store: &Store,
    reread: impl FnOnce(&Restarting) -> Result<()>,
) -> Result<Recovery> {
    // A journal that was not written to its end says nothing.
    Swap::discard(host, &store.journal())?;
    if let Some(entry) = Entry::read(host, &store.committed())? {
        let Phase::Applying(swaps) = entry.phase else { return Err(unreadable(&store.committed())) };
        tidy_up(host, store, &swaps, &entry.leavings)?;
        return Ok(Recovery::Finished);
    }
    let Some(Entry { phase, folders, restart, .. }) = Entry::read(host, &store.journal())? else {
        return Ok(Recovery::Nothing);
    };
    match phase {
        Phase::Staging(paths) => discard(host, store, &paths, &folders)?,
        Phase::Applying(swaps) => {
            let undone = undo(host, &swaps, &folders).and_then(|()| restart.as_ref().map_or(Ok(()), reread));
            undone.map_err(|error| still_broken(&error))?;
            host.remove(&store.journal())?;
        }
    }
    Ok(Recovery::Undone)
}

/// What was found of an earlier run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Recovery {
    Nothing,
    /// It had done its work, and what it had left lying is gone.
    Finished,
    /// The node is as it was before that run.
    Undone,
}

impl Entry {
    fn read(host: &Host, path: &Path) -> Result<Option<Self>> {
        let Some(bytes) = host.read(path)? else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).map_err(|_foreign| unreadable(path))
    }

    fn write(&self, host: &Host, store: &Store) -> Result<()> {
        let bytes = serde_json::to_vec(self).map_err(|error| Error::io("write the journal", error))?;
        host.write(&store.journal(), 0o600, &mut bytes.as_slice())
    }
}

fn undo(host: &Host, swaps: &[Swap], folders: &[PathBuf]) -> Result<()> {
    swaps.iter().rev().try_for_each(|swap| swap.undo(host))?;
    remove_folders(host, folders)
}

fn discard(host: &Host, store: &Store, paths: &[PathBuf], folders: &[PathBuf]) -> Result<()> {
    paths.iter().try_for_each(|path| Swap::discard(host, path))?;
    remove_folders(host, folders)?;
    host.remove(&store.journal())
}

/// Those that are empty, the lowest first.
fn remove_folders(host: &Host, folders: &[PathBuf]) -> Result<()> {
    folders.iter().rev().try_for_each(|folder| host.remove_folder(folder).map(drop))
}

fn tidy_up(host: &Host, store: &Store, swaps: &[Swap], leavings: &Leavings) -> Result<()> {
    swaps.iter().try_for_each(|swap| swap.finish(host))?;
    leavings.trees.iter().try_for_each(|tree| host.remove_tree(tree))?;
    remove_folders(host, &leavings.folders)?;
    host.remove(&store.committed())
}

/// The error to be told when `error` has happened, and putting the node back went like this.
fn back(error: Error, undone: Result<()>) -> Error {
    match undone {
        Ok(()) => error,
        Err(further) => Error::new(
            ErrorKind::Broken,
            format!("{error}; and the node could not be put back: {further}. Mend that, and run this again"),
        ),
    }
}

fn still_broken(error: &Error) -> Error {
    let message = format!("an earlier run was interrupted, and what it did cannot be undone: {error}");
    Error::new(ErrorKind::Broken, message)
}

fn unreadable(path: &Path) -> Error {
    let message = format!("{} is not what this program writes: look at it, and remove it", path.display());
    Error::refused(message)
}

fn name(path: &Path) -> &std::ffi::OsStr {
    path.file_name().unwrap_or_default()
}

#[cfg(test)]
mod tests {
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
            change.carry_out(&self.host, &self.store, effect)
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
}
