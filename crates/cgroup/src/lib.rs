//! What a container's cgroup says and does, on cgroup v1, on v2, and on hosts with both.
//!
//! A [`Cgroup`] is found [by a process](Cgroup::of) in it. It lists, freezes, thaws and kills its processes, tells
//! when memory was [short](OomWatch), what was [used](Metrics) in the words of containerd, and removes itself.
//!
//! It also tells the kernel which [devices](Cgroup::filter_devices) its processes may use, where only a program can.
//!
//! Nothing here makes a cgroup or sets another limit; whoever creates the container does. Nothing here acts on a cgroup
//! that the calling process is in: a container without a cgroup of its own has none, see [`Cgroup::of`].
//!
//! What takes time is asynchronous and bounded. It needs a Tokio runtime whose I/O and time are enabled, and never
//! blocks it for longer than it takes to read a few files of the kernel's.

mod bpf;
mod deadline;
mod devices;
mod error;
mod folder;
mod freezer;
mod killer;
mod layout;
mod membership;
mod metrics;
mod mounts;
mod notifier;
mod oom;
#[cfg(test)]
mod private;
mod removal;
mod table;
mod watched;

pub use devices::{Kind, Rule};
pub use error::{Error, ErrorKind, Result};
pub use metrics::Metrics;
pub use oom::OomWatch;

use layout::Layout;
use membership::Membership;
use mounts::Mounts;

/// The cgroup of a container: one folder on cgroup v2, one in each hierarchy on v1.
///
/// It is a name and holds nothing open, so it is cheap to clone and outlives the cgroup.
#[derive(Clone, Debug)]
pub struct Cgroup {
    layout: Layout,
}

impl Cgroup {
    /// The cgroup that the process `pid` is in.
    ///
    /// The mounts of cgroups are read once in the life of the calling process. Where cgroup v1 has controllers, the
    /// cgroup is a v1 cgroup, and on hosts with both versions a folder in the v2 hierarchy belongs to it.
    ///
    /// On v1, hierarchies in which the process shares its folder with the caller are left out, since a runtime does
    /// not make a folder in each of them: they would count, freeze and kill strangers.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if there is no such process or its cgroup was removed,
    /// [`Unsupported`](ErrorKind::Unsupported) if it has no cgroup of its own, or one outside of what is mounted here.
    pub fn of(pid: u32) -> Result<Self> {
        let layout = Layout::of(Mounts::of_process()?, &Membership::of(pid)?, &Membership::of_caller()?)?;
        Ok(Self { layout })
    }

    /// Whether there is still any folder of it.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.layout.folders().any(folder::Folder::exists)
    }

    /// The ids of all living processes in it and in its sub-cgroups, in ascending order, without those that the PID
    /// namespace of the caller does not have.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if the cgroup was removed, [`Io`](ErrorKind::Io).
    pub fn processes(&self) -> Result<Vec<u32>> {
        self.layout.members().processes()
    }

    /// Freezes all processes in it, and returns once they have stopped.
    ///
    /// If that fails, they are thawed again. A future that is dropped before it is ready may leave them frozen.
    ///
    /// # Errors
    ///
    /// [`Timeout`](ErrorKind::Timeout) if some process does not stop within 5 seconds,
    /// [`Unsupported`](ErrorKind::Unsupported) without a freezer or if the caller is among the processes,
    /// [`NotFound`](ErrorKind::NotFound), [`Io`](ErrorKind::Io).
    pub async fn freeze(&self) -> Result<()> {
        self.refuse_suicide()?;
        freezer::freeze(&self.layout).await
    }

    /// Lets frozen processes run again, and returns once they do.
    ///
    /// # Errors
    ///
    /// [`Timeout`](ErrorKind::Timeout) if they still do not run after 5 seconds, as when a cgroup above this one is
    /// frozen; [`Unsupported`](ErrorKind::Unsupported) without a freezer, [`NotFound`](ErrorKind::NotFound),
    /// [`Io`](ErrorKind::Io).
    pub async fn thaw(&self) -> Result<()> {
        freezer::thaw(&self.layout).await
    }

    /// Kills all processes in it and in its sub-cgroups, frozen ones too, and returns once all are dead.
    ///
    /// Their parents may not have reaped them yet. There is nothing to do if the cgroup was removed.
    ///
    /// # Errors
    ///
    /// [`Timeout`](ErrorKind::Timeout) if some process is still alive after 10 seconds,
    /// [`Unsupported`](ErrorKind::Unsupported) if the caller is among the processes, [`Io`](ErrorKind::Io).
    pub async fn kill(&self) -> Result<()> {
        match self.refuse_suicide() {
            Ok(()) => killer::kill(&self.layout).await.or_else(Error::unless_missing),
            Err(error) => error.unless_missing(),
        }
    }

    /// Watches for processes that the kernel ends because memory is short.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](ErrorKind::Unsupported) without the memory controller, [`NotFound`](ErrorKind::NotFound),
    /// [`Io`](ErrorKind::Io).
    ///
    /// # Panics
    ///
    /// Outside of a Tokio runtime whose I/O is enabled.
    pub fn out_of_memory(&self) -> Result<OomWatch> {
        OomWatch::start(&self.layout)
    }

    /// How many of its processes the kernel has ended because memory was short; 0 where it does not count them, and
    /// where the cgroup was removed.
    #[must_use]
    pub fn oom_kills(&self) -> u64 {
        oom::kills(&self.layout)
    }

    /// What is used and was used, and how much may be. What the kernel does not tell is absent.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if the cgroup was removed.
    pub fn metrics(&self) -> Result<Metrics> {
        let metrics = Metrics::read(&self.layout);
        // Looked at last, so that metrics of a cgroup that is removed meanwhile are never half of the truth.
        if self.exists() { Ok(metrics) } else { Err(self.layout.missing()) }
    }

    /// Removes its folders and their sub-folders in all hierarchies. There is nothing to do for one that is removed.
    ///
    /// Processes that are about to end are waited for; none is killed.
    ///
    /// # Errors
    ///
    /// [`Timeout`](ErrorKind::Timeout) if some process is still alive after 10 seconds, [`Io`](ErrorKind::Io).
    pub async fn remove(&self) -> Result<()> {
        removal::remove(&self.layout).await
    }

    /// A caller that was moved into the cgroup after it was found must not stop itself.
    fn refuse_suicide(&self) -> Result<()> {
        if self.processes()?.contains(&std::process::id()) {
            let message = format!("the cgroup {} is the calling process's own", self.layout.members());
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::private::{Private, Version};

    #[test]
    fn is_found_by_a_process_in_it_without_what_that_shares_with_the_caller() {
        let Some(mut private) = Private::new(Version::One) else { return };
        let _alive = private.spawn_echo();
        let found = Cgroup::of(private.ids()[0]).expect("a cgroup");
        let paths = |cgroup: &Cgroup| cgroup.layout.folders().cloned().collect::<Vec<_>>();
        assert_eq!(paths(&found), paths(&private.cgroup));
        assert_eq!(found.processes().expect("processes"), private.ids());
        assert!(found.exists());
        let own = Cgroup::of(std::process::id()).expect_err("shared");
        assert_eq!(own.kind(), ErrorKind::Unsupported);
    }
}
