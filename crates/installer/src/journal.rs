//! A change of a node that happens as a whole: it is written down before it is made, undone by whoever finds it half-made,
//! and tidied up after once it holds.

#[cfg(test)]
mod tests;

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
    format: u32,
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
    /// Makes the change and lets it take effect; where either fails, the node is put back. Gives what kept it from being
    /// tidied up after, which the next run does: the change holds.
    ///
    /// # Errors
    /// What failed: [`Failed`](ErrorKind::Failed) when the node is as it was, [`Broken`](ErrorKind::Broken) when it is not,
    /// and the next run tries again.
    pub(crate) fn carry_out(
        self,
        host: &Host,
        store: &Store,
        effect: &mut dyn Effect,
    ) -> Result<Option<Error>> {
        let paths: Vec<_> = self.paths.iter().map(|(path, _)| path.clone()).collect();
        let folders = self.missing_folders(host)?;
        let swaps = match self.stage(host, store, &paths, &folders) {
            Ok(swaps) => swaps,
            Err(error) => return Err(back(error, discard(host, store, &paths, &folders))),
        };
        let applied = swaps.iter().try_for_each(|swap| swap.apply(host));
        // As long as not all is in place, containerd has not been told of anything.
        let told = self.restart.as_ref().filter(|_| applied.is_ok());
        let settled = applied.and_then(|()| effect.settle(told));
        let held = settled.and_then(|()| host.rename(&store.journal(), name(&store.committed())));
        if let Err(error) = held {
            let undone = undo(host, &swaps, &folders).and_then(|()| effect.resettle(told));
            let forgotten = || host.remove(&store.journal()).and_then(|()| host.remove(&store.committed()));
            return Err(back(error, undone.and_then(|()| forgotten())));
        }
        Ok(tidy_up(host, store, &swaps, &self.leavings).err())
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
            Entry { format: FORMAT, phase, folders: folders.to_vec(), leavings, restart }
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
        let entry: Option<Self> = serde_json::from_slice(&bytes).ok();
        entry.filter(|entry| entry.format == FORMAT).map(Some).ok_or_else(|| unreadable(path))
    }

    fn write(&self, host: &Host, store: &Store) -> Result<()> {
        let bytes = serde_json::to_vec(self).map_err(|error| Error::io("write the journal", error))?;
        host.write(&store.journal(), 0o600, &mut bytes.as_slice())
    }
}

fn undo(host: &Host, swaps: &[Swap], folders: &[PathBuf]) -> Result<()> {
    swaps.iter().rev().try_for_each(|swap| swap.undo(host))?;
    host.remove_folders(folders)
}

fn discard(host: &Host, store: &Store, paths: &[PathBuf], folders: &[PathBuf]) -> Result<()> {
    paths.iter().try_for_each(|path| Swap::discard(host, path))?;
    host.remove_folders(folders)?;
    host.remove(&store.journal())
}

fn tidy_up(host: &Host, store: &Store, swaps: &[Swap], leavings: &Leavings) -> Result<()> {
    swaps.iter().try_for_each(|swap| swap.finish(host))?;
    leavings.trees.iter().try_for_each(|tree| host.remove_tree(tree))?;
    host.remove_folders(&leavings.folders)?;
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
    let message = format!(
        "{} tells of a run that was interrupted, and is not as this version writes it: let the installer of the version that \
         wrote it put the node in order, by `install` or `uninstall`",
        path.display()
    );
    Error::refused(message)
}

const FORMAT: u32 = 1;

fn name(path: &Path) -> &std::ffi::OsStr {
    path.file_name().unwrap_or_default()
}
