//! Killing all processes of a cgroup.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::io::Interest;

use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::folder::Folder;
use crate::freezer;
use crate::layout::Layout;
use crate::notifier::Notifier;
use crate::watched::Watched;

/// A dying process may first have to finish a write to a slow disk, and to give back much memory.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many processes are held at once, each by a file descriptor.
const BATCH: usize = 64;

pub(crate) async fn kill(layout: &Layout) -> Result<()> {
    let folder = layout.members();
    let deadline = Deadline::new(PATIENCE, format!("processes in the cgroup {folder} did not die in time"));
    match layout {
        Layout::V2(folder) if folder.has("cgroup.kill") => {
            folder.write("cgroup.kill", "1")?;
            emptied(folder, &deadline).await
        }
        _ => kill_each(layout, &deadline).await,
    }
}

/// Waits until no process is left in a cgroup of v2 and below it.
pub(crate) async fn emptied(folder: &Folder, deadline: &Deadline) -> Result<()> {
    let events = Notifier::open(folder, "cgroup.events")?;
    while events.read()?.value("populated") == Some(1) {
        deadline.bound(events.changed()).await?;
    }
    Ok(())
}

/// Goes on until nobody is left, since processes may have been made while others were killed.
async fn kill_each(layout: &Layout, deadline: &Deadline) -> Result<()> {
    let folder = layout.members();
    while !folder.processes()?.is_empty() {
        let dying = signal(folder)?;
        freezer::release(layout)?;
        if dying.is_empty() {
            deadline.pause().await?;
        }
        for process in dying {
            deadline.bound(death(process)).await?;
        }
    }
    Ok(())
}

/// Sends SIGKILL to all processes, and returns handles of some of them.
fn signal(folder: &Folder) -> Result<Vec<OwnedFd>> {
    let mut last = Vec::new();
    for batch in folder.processes()?.chunks(BATCH) {
        let held: Vec<_> = batch.iter().filter_map(|pid| Some((*pid, hold(*pid)?))).collect();
        // An id may have been given to a stranger before it was held, and not after: ask again who is in here.
        let members = folder.processes()?;
        let own = held.into_iter().filter(|(pid, _)| members.binary_search(pid).is_ok());
        last = own.map(|(_, process)| process).collect();
        for process in &last {
            // One that cannot be signalled any more is dead, which the next listing shows.
            let _ = pidfd_send_signal(process, Signal::KILL);
        }
    }
    Ok(last)
}

/// A handle of a process, unless it has ended.
fn hold(pid: u32) -> Option<OwnedFd> {
    pidfd_open(Pid::from_raw(pid.try_into().ok()?)?, PidfdFlags::empty()).ok()
}

async fn death(process: OwnedFd) -> Result<()> {
    let failure = |error| Error::io("wait for", "a process", error);
    Watched::new(process, Interest::READABLE).map_err(failure)?.event().await.map_err(failure)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::private::{Private, Version};

    #[tokio::test]
    async fn kills_frozen_processes_in_sub_cgroups_too() {
        for version in Version::ALL {
            let Some(mut private) = Private::new(version) else { continue };
            let _alive = (private.spawn_echo(), private.spawn_echo_in("below/deeper"));
            assert_eq!(private.cgroup.processes().expect("processes"), private.ids(), "{version:?}");
            private.cgroup.freeze().await.expect("frozen");
            // A container may have frozen a part of itself.
            let freezer =
                private.cgroup.layout.controller("freezer").expect("a freezer").path().join("below");
            let (file, text) =
                if version == Version::One { ("freezer.state", "FROZEN") } else { ("cgroup.freeze", "1") };
            Folder::new(freezer).write(file, text).expect("frozen");
            private.cgroup.kill().await.expect("killed");
            assert!(private.cgroup.processes().expect("processes").is_empty(), "{version:?}");
            private.cgroup.kill().await.expect("killed again");
            private.cgroup.remove().await.expect("removed");
            private.cgroup.kill().await.expect("nothing to kill");
        }
    }

    #[tokio::test]
    async fn kills_a_crowd() {
        for version in Version::ALL {
            let Some(mut private) = Private::new(version) else { continue };
            let count = 2 * BATCH + 1;
            private.spawn_crowd(count);
            assert_eq!(private.cgroup.processes().expect("processes").len(), count + 1, "{version:?}");
            let deadline = Deadline::new(PATIENCE, "processes did not die");
            // On v2 too as where the kernel cannot kill all at once.
            kill_each(&private.cgroup.layout, &deadline).await.expect("killed");
            assert!(private.cgroup.processes().expect("processes").is_empty(), "{version:?}");
            private.cgroup.remove().await.expect("removed");
        }
    }

    #[tokio::test]
    async fn never_stops_the_caller() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("cgroup.procs"), std::process::id().to_string()).expect("a file");
        let cgroup = crate::Cgroup { layout: Layout::V2(Folder::new(folder.path())) };
        assert_eq!(cgroup.kill().await.expect_err("refused").kind(), ErrorKind::Unsupported);
        assert_eq!(cgroup.freeze().await.expect_err("refused").kind(), ErrorKind::Unsupported);
    }
}
