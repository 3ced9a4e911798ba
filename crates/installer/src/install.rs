//! Installing: everything is prepared and tried beside what is there; then it changes at once, or not at all.

#[cfg(test)]
mod faults;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod trouble;

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::advice::{self, Advice};
use crate::check::{self, Candidate, Dump, Verdict};
use crate::config::{self, Runtime, Settings, Wanted, Writing};
use crate::disk::New;
use crate::distribution::{Declared, Node, Site};
use crate::error::{Error, ErrorKind, Result};
use crate::host::Host;
use crate::journal::{self, Change, Leavings, Restarting};
use crate::machine::{Machine, Supervisor};
use crate::record::{FORMAT, Record, Shim};
use crate::release::{Release, shim_file};
use crate::schema::Version;
use crate::settling::{Settling, reread};
use crate::store::{Lock, Own, Store};
use crate::uninstall;
use crate::usage::{self, User};

/// What is to be installed, and what is known of the node.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) release: PathBuf,
    /// Those of the release if none is named.
    pub(crate) shims: Vec<Shim>,
    pub(crate) declared: Declared,
    /// As runc has it, if nothing is said.
    pub(crate) systemd_cgroup: Option<bool>,
    /// Whether containerd's settings are mended where they would break something.
    pub(crate) fix: bool,
}

/// What an install did.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Installed {
    pub(crate) release: String,
    pub(crate) version: String,
    pub(crate) handlers: Vec<String>,
    /// The file of containerd's configuration that has them.
    pub(crate) file: PathBuf,
    /// Whether anything was changed.
    pub(crate) changed: bool,
    /// Who started containerd again, if that was necessary.
    pub(crate) restarted: Option<String>,
    /// Whether somebody else has to start it again before the handlers are there.
    pub(crate) waits: bool,
    /// Whether an earlier run was found half-made.
    pub(crate) recovered: bool,
    pub(crate) warnings: Vec<String>,
    pub(crate) notes: Vec<String>,
}

/// Said where nobody starts containerd again.
pub(crate) const UNTOLD: &str =
    "containerd knows nothing of this yet, as --restart none has it: start it again, and then `verify`";

/// Installs, or makes of what is installed what is wanted.
pub(crate) fn install(
    host: &Host,
    store: &Store,
    machine: &dyn Machine,
    options: &Options,
) -> Result<Installed> {
    let release = Release::open(&options.release)?;
    let lock = store.lock(host)?;
    let recovery = journal::recover(host, store, |restart| reread(machine, restart, &|_any| true))?;
    let record = Record::read(host, store)?;
    let work = Work { host, store, machine, options, release: &release, record: record.as_ref() };
    match work.carry_out(lock.own.clone()) {
        Ok(installed) => Ok(Installed { recovered: recovery != journal::Recovery::Nothing, ..installed }),
        // It has to be put back first, and what that takes stays.
        Err(error) if error.kind() == ErrorKind::Broken => Err(error),
        Err(error) => Err(match work.clear(&lock) {
            Ok(()) => error,
            Err(further) => {
                let message = format!("{error}; and what was put there for it stays: {further}");
                Error::new(error.kind(), message)
            }
        }),
    }
}

struct Work<'a> {
    host: &'a Host,
    store: &'a Store,
    machine: &'a dyn Machine,
    options: &'a Options,
    release: &'a Release,
    record: Option<&'a Record>,
}

/// What was found out before anything is changed.
struct Plan {
    site: Site,
    shims: Vec<Shim>,
    wanted: Wanted,
    writing: Writing,
    original: Option<Vec<u8>>,
    warnings: Vec<String>,
}

impl Work<'_> {
    fn carry_out(&self, own: Own) -> Result<Installed> {
        // First what costs nothing: a node that is refused has nothing copied.
        let plan = self.plan(self.shims()?)?;
        let target = self.release.put(self.host, self.store)?;
        self.try_programs(&target, &plan.shims)?;
        let supervisor = self.machine.supervisor(&plan.site)?;
        let listed = self.machine.handlers(&plan.site.socket, &|_any| true)?;
        let now = self.host.read(&plan.writing.written.file)?;
        let settling = self.settling(&plan);
        self.refuse_in_use(&settling)?;
        let restarts = now.as_deref() != Some(&plan.writing.content)
            || !settling.there.iter().all(|(handler, _)| listed.contains(handler))
            || settling.gone.iter().any(|handler| listed.contains(handler));
        let restart = Restarting {
            containerd: plan.site.containerd.clone(),
            config: plan.site.config.clone(),
            has_config: true,
            socket: plan.site.socket.clone(),
            supervisor,
        };
        let record = self.new_record(&plan, &restart, own)?;
        let changed = restarts || self.record != Some(&record);
        let mut left = None;
        if changed {
            left = self.change(&plan, &record, settling, restarts.then(|| restart.clone()))?;
        } else {
            settling.verify().map_err(|error| {
                Error::new(ErrorKind::Broken, format!("what is installed does not work any more: {error}"))
            })?;
        }
        // It is installed, whatever becomes of this.
        let left = left.into_iter().chain(self.prune(self.release.id()).err());
        let waits = restarts && restart.supervisor == Supervisor::Nobody;
        let mut warnings = plan.warnings;
        warnings.extend(waits.then(|| UNTOLD.to_owned()));
        warnings.extend(left.map(|error| format!("what is not needed any more stays for now: {error}")));
        Ok(Installed {
            release: self.release.id().to_owned(),
            version: self.release.version().to_owned(),
            handlers: record.handlers(),
            file: plan.writing.written.file.clone(),
            changed,
            restarted: restarts.then(|| restart.supervisor.to_string()),
            waits,
            recovered: false,
            warnings,
            notes: self.release.notes().to_vec(),
        })
    }

    /// The shims that are asked for, or all.
    fn shims(&self) -> Result<Vec<Shim>> {
        let known = self.release.shims();
        let mut shims = self.options.shims.clone();
        if shims.is_empty() {
            shims.extend(known.iter().map(|name| Shim { name: name.clone(), handler: name.clone() }));
        }
        if let Some(unknown) = shims.iter().find(|shim| !known.contains(&shim.name)) {
            let message = format!(
                "the release has no shim {}: it has {}; name one of those by --shim",
                unknown.name,
                known.join(", ")
            );
            return Err(Error::refused(message));
        }
        let twice = |shim: &&Shim| shims.iter().filter(|other| other.handler == shim.handler).count() > 1;
        if let Some(shim) = shims.iter().find(twice) {
            return Err(Error::refused(format!(
                "two shims are to have the handler {}: a handler is one",
                shim.handler
            )));
        }
        shims.sort();
        Ok(shims)
    }

    /// That they run on this node, with its C library and its kind of processor. Other nodes may have what they need.
    fn try_programs(&self, target: &Path, shims: &[Shim]) -> Result<()> {
        for shim in shims {
            for program in self.release.programs(&shim.name) {
                self.machine.version_of(&target.join(program)).map_err(|error| {
                    let message = format!(
                        "the shim {} does not run on this node: {error}. Leave it out by naming the others with --shim",
                        shim.name
                    );
                    Error::refused(message)
                })?;
            }
        }
        Ok(())
    }

    /// What will be written, checked by the node's own containerd.
    fn plan(&self, shims: Vec<Shim>) -> Result<Plan> {
        let written = self.record.map(|record| &record.written);
        let now = written.map_or(Ok(None), |written| self.host.read(&written.file))?;
        let mut warnings = Vec::new();
        let original = match (self.record, written) {
            (Some(record), Some(written)) => {
                let restored = config::restore(now.as_deref(), written, record.original())?;
                warnings.extend(restored.left);
                restored.content
            }
            _ => None,
        };
        let files = Node::new(self.host);
        let files = match written {
            Some(written) => files.with(&written.file, original.as_deref()),
            None => files,
        };
        let version = |containerd: &Path| Version::told(&self.machine.version_of(containerd)?);
        let site = Site::detect(&files, &self.options.declared, &version)?;
        let original = files.read(site.placement.file())?;
        let before = self.dump(&site, Candidate::before(&site, &self.store.trial()))?;
        let wanted = self.wanted(&files, &site, &before, &shims, &mut warnings)?;
        let writing = config::write(&site, original.as_deref(), &wanted)?;
        let plan = Plan { site, shims, wanted, writing, original, warnings };
        self.check(&files, &plan, &before)?;
        Ok(plan)
    }

    /// What containerd is to have, as far as that follows from what it has.
    fn wanted(
        &self,
        files: &Node<'_>,
        site: &Site,
        before: &Dump,
        shims: &[Shim],
        warnings: &mut Vec<String>,
    ) -> Result<Wanted> {
        let systemd_cgroup = self.options.systemd_cgroup.or_else(|| before.systemd_cgroup());
        let runtime = |shim: &Shim| Runtime {
            handler: shim.handler.clone(),
            shim: shim.name.clone(),
            path: self.store.current().join(shim_file(&shim.name)),
            systemd_cgroup,
        };
        let runtimes: Vec<_> = shims.iter().map(runtime).collect();
        let old = self.old();
        let runtimes = check::missing(before, &old.runtimes, &runtimes)?;
        let wanted = Wanted { runtimes, settings: Settings::default() };
        let advice = advice::advise(files, site, before, &old, &wanted)?;
        let mended = |advice: &&Advice| self.options.fix && advice.kind == advice::Kind::Transfer;
        let settings = Settings { local_image_pull: advice.iter().any(|advice| mended(&advice)) };
        warnings.extend(advice.iter().filter(|advice| !mended(advice)).map(ToString::to_string));
        Ok(Wanted { settings, ..wanted })
    }

    /// Makes sure that the node's containerd will have just what is wanted.
    fn check(&self, files: &Node<'_>, plan: &Plan, before: &Dump) -> Result<()> {
        let folder = self.store.trial();
        let file = &plan.writing.written.file;
        let old = self.record.map(|record| &record.written).filter(|old| old.file == *file);
        let after = Candidate::after(files, &plan.site, &plan.writing, old, &folder)?;
        let after = self.dump(&plan.site, after)?;
        let Verdict::Bad(differences) = check::compare(before, &after, &self.old(), &plan.wanted) else {
            return Ok(());
        };
        let told: Vec<_> = differences.iter().map(ToString::to_string).collect();
        let message = format!(
            "with what would be written to {}, containerd would not have just what is wanted: {}",
            file.display(),
            told.join("; ")
        );
        Err(Error::refused(message))
    }

    /// What an earlier install wrote.
    fn old(&self) -> Wanted {
        self.record.map(|record| record.written.wanted.clone()).unwrap_or_default()
    }

    /// What containerd makes of a configuration that nobody uses yet.
    fn dump(&self, site: &Site, candidate: Candidate) -> Result<Dump> {
        let folder = self.store.trial();
        self.host.remove_tree(&folder)?;
        let written = candidate.files.iter().try_for_each(|(file, content)| {
            self.host.make_folders(file.parent().unwrap_or(&folder))?;
            self.host.write(file, 0o600, &mut content.as_slice())
        });
        let told = written.map(|()| self.machine.dump(&site.containerd, &candidate.root));
        let removed = self.host.remove_tree(&folder);
        let told = told?.map_err(|error| Error::refused(error.to_string()))?;
        removed.and_then(|()| Dump::parse(told.as_bytes()))
    }

    fn settling<'a>(&'a self, plan: &'a Plan) -> Settling<'a> {
        let there = plan.shims.iter().map(|shim| {
            let runtime = plan.wanted.runtimes.iter().find(|runtime| runtime.handler == shim.handler);
            (shim.handler.clone(), runtime.and_then(|runtime| runtime.systemd_cgroup).unwrap_or_default())
        });
        let there: Vec<_> = there.collect();
        let before = self.record.map(Record::handlers).unwrap_or_default();
        let is_gone = |handler: &&String| !there.iter().any(|(there, _)| there == *handler);
        let gone = before.iter().filter(is_gone).cloned().collect();
        Settling { machine: self.machine, socket: &plan.site.socket, there, gone, before }
    }

    /// A handler that goes is one by which containerd would start nothing any more in the pods that were made by it.
    fn refuse_in_use(&self, settling: &Settling<'_>) -> Result<()> {
        if settling.gone.is_empty() {
            return Ok(());
        }
        let mut pods: Vec<_> = self.machine.pods(settling.socket)?.into_values().collect();
        pods.retain(|pod| pod.handler.as_ref().is_some_and(|handler| settling.gone.contains(handler)));
        if pods.is_empty() {
            return Ok(());
        }
        let (count, names) = usage::told(&pods);
        Err(Error::refused(format!(
            "{count} of this node use a handler that would be removed ({}): {names}. Delete them first, or keep the handler",
            settling.gone.join(", ")
        )))
    }

    fn new_record(&self, plan: &Plan, restart: &Restarting, mut own: Own) -> Result<Record> {
        if let Some(record) = self.record {
            own = record.own.clone();
        }
        own.folders.extend(self.host.missing_above(&plan.writing.written.file)?);
        let original = plan.original.as_deref().filter(|_| plan.writing.written.existed);
        Ok(Record {
            format: FORMAT,
            release: self.release.id().to_owned(),
            version: self.release.version().to_owned(),
            shims: plan.shims.clone(),
            written: plan.writing.written.clone(),
            original: original.map(|bytes| String::from_utf8_lossy(bytes).into_owned()),
            restart: restart.clone(),
            own,
        })
    }

    fn change(
        &self,
        plan: &Plan,
        record: &Record,
        mut settling: Settling<'_>,
        restart: Option<Restarting>,
    ) -> Result<Option<Error>> {
        let version = Path::new("versions").join(self.release.id());
        let (file, record) = (&plan.writing.written.file, record.bytes()?);
        let elsewhere = self.elsewhere(file)?;
        let mut paths = vec![(self.store.current(), New::Link(&version))];
        if self.host.read(file)?.as_deref() != Some(&plan.writing.content) {
            paths.push((self.host.resolved(file)?, New::File(&plan.writing.content)));
        }
        if let Some((file, content)) = &elsewhere {
            paths.push((self.host.resolved(file)?, content.as_deref().map_or(New::Absent, New::File)));
        }
        paths.push((self.store.record(), New::File(&record)));
        Change { paths, leavings: Leavings::default(), restart }.carry_out(
            self.host,
            self.store,
            &mut settling,
        )
    }

    /// What another file has to be, in which our tables were so far.
    fn elsewhere(&self, file: &Path) -> Result<Option<(PathBuf, Option<Vec<u8>>)>> {
        let Some(earlier) = self.record.filter(|earlier| earlier.written.file != file) else {
            return Ok(None);
        };
        let now = self.host.read(&earlier.written.file)?;
        let restored = config::restore(now.as_deref(), &earlier.written, earlier.original())?;
        Ok(Some((earlier.written.file.clone(), restored.content)))
    }

    /// After a failure: what was put on the node for the first time is of no use to anybody.
    fn clear(&self, lock: &Lock) -> Result<()> {
        match self.record {
            Some(record) => self.prune(&record.release),
            None => uninstall::clear(self.host, self.store, lock),
        }
    }

    /// Removes versions other than `release` that no pod was started from; an engine of one that waits for pods waits in
    /// vain.
    fn prune(&self, release: &str) -> Result<()> {
        let (pods, idle): (Vec<_>, Vec<_>) =
            self.machine.users(self.host, self.store)?.into_iter().partition(|user| user.pod.is_some());
        let unused = usage::unused(self.host, self.store, &pods, release)?;
        let is_unused = |user: &&User| unused.iter().any(|version| version.ends_with(&user.version));
        idle.iter().filter(is_unused).try_for_each(User::end)?;
        unused.iter().try_for_each(|version| self.host.remove_tree(version))
    }
}
