//! Telling when processes are killed because memory is short.

use std::os::fd::AsRawFd;
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use tokio::io::Interest;
use tokio::time::{Instant, sleep};

use crate::error::{Error, ErrorKind, Result};
use crate::folder::Folder;
use crate::layout::Layout;
use crate::notifier::{Notifier, either_changed};
use crate::watched::Watched;

/// On v1 the kernel tells first, chooses a process to kill next and counts it last: how long to wait for the count.
const SETTLING: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(1);

/// The stream of a cgroup's events that are a process killed by the kernel because memory was short.
///
/// What happened before the watch began is told first. On v1, where the kernel tells of all shortages, those that
/// ended with the death of a process elsewhere are left out, and so are processes in a sub-cgroup with a limit of
/// its own until something else happens; [`Cgroup::oom_kills`](crate::Cgroup::oom_kills) counts them at once.
#[derive(Debug)]
pub struct OomWatch {
    source: Source,
    told: u64,
}

#[derive(Debug)]
enum Source {
    V1 {
        folder: Folder,
        shortage: Watched,
        /// Until when to look for the victim of the last shortage.
        settling: Option<Instant>,
    },
    V2 {
        memory: Notifier,
        cgroup: Notifier,
        /// A cgroup in which nobody is yet is not over.
        was_populated: bool,
    },
}

impl OomWatch {
    pub(crate) fn start(layout: &Layout) -> Result<Self> {
        let unsupported =
            || Error::new(ErrorKind::Unsupported, "the container has no memory cgroup of its own");
        let folder = layout.controller("memory").ok_or_else(unsupported)?;
        let source = match layout {
            Layout::V1(_) => {
                Source::V1 { folder: folder.clone(), shortage: subscribe(folder)?, settling: None }
            }
            Layout::V2(_) => Source::V2 {
                memory: Notifier::open(folder, "memory.events")?,
                cgroup: Notifier::open(folder, "cgroup.events")?,
                was_populated: false,
            },
        };
        Ok(Self { source, told: 0 })
    }

    /// Waits for the next event: how many processes have been killed so far, more than the last time. `None` once
    /// the cgroup was removed, or on v2 once the last process has left it.
    ///
    /// A future that is dropped before it is ready loses nothing.
    ///
    /// # Errors
    ///
    /// [`Io`](ErrorKind::Io).
    pub async fn next(&mut self) -> Result<Option<u64>> {
        let next = match &mut self.source {
            Source::V1 { folder, shortage, settling } => next_v1(folder, shortage, settling, self.told).await,
            Source::V2 { memory, cgroup, was_populated } => {
                next_v2(memory, cgroup, was_populated, self.told).await
            }
        };
        let kills = match next {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            next => next?,
        };
        self.told = kills.unwrap_or(self.told);
        Ok(kills)
    }
}

/// How many processes have been killed.
pub(crate) fn kills(layout: &Layout) -> u64 {
    let Some(folder) = layout.controller("memory") else { return 0 };
    let count = match layout {
        Layout::V1(_) => kills_v1(folder),
        Layout::V2(_) => folder.table("memory.events").and_then(|events| events.value("oom_kill")),
    };
    count.unwrap_or_default()
}

/// Kernels before 4.13 do not count. A sub-cgroup's are not counted above it.
fn kills_v1(folder: &Folder) -> Option<u64> {
    let tree = folder.tree().ok()?;
    let counts = tree.iter().filter_map(|folder| folder.table("memory.oom_control")?.value("oom_kill"));
    counts.reduce(u64::saturating_add)
}

/// An eventfd that the kernel writes to on each shortage, and when the cgroup is removed.
fn subscribe(folder: &Folder) -> Result<Watched> {
    let failure = |error| Error::io("watch", folder, error);
    let control = folder.open("memory.oom_control")?;
    let shortage = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
    let shortage = shortage.map_err(|error| Error::io("make", "an eventfd", error))?;
    folder.write("cgroup.event_control", &format!("{} {}", shortage.as_raw_fd(), control.as_raw_fd()))?;
    Watched::new(shortage, Interest::READABLE).map_err(failure)
}

async fn next_v1(
    folder: &Folder,
    shortage: &Watched,
    settling: &mut Option<Instant>,
    told: u64,
) -> Result<Option<u64>> {
    // The file goes before the kernel tells of the removal; the folder perhaps does not.
    while folder.has("memory.oom_control") {
        let now = match kills_v1(folder) {
            Some(kills) => kills,
            None if settling.is_some() => told.saturating_add(1),
            None => told,
        };
        if now > told {
            *settling = None;
            return Ok(Some(now));
        }
        if settling.is_some_and(|end| Instant::now() < end) {
            sleep(STEP).await;
        } else {
            *settling = None;
            taken(shortage).await.map_err(|error| Error::io("watch", folder, error))?;
            *settling = Some(Instant::now() + SETTLING);
        }
    }
    Ok(None)
}

/// Waits for the eventfd, and takes what it counted.
async fn taken(eventfd: &Watched) -> std::io::Result<()> {
    loop {
        match rustix::io::read(eventfd, &mut [0; 8]) {
            Err(Errno::AGAIN) => eventfd.event().await?,
            taken => return Ok(taken.map(drop)?),
        }
    }
}

async fn next_v2(
    memory: &Notifier,
    cgroup: &Notifier,
    was_populated: &mut bool,
    told: u64,
) -> Result<Option<u64>> {
    loop {
        // In this order: who has left was counted before.
        let is_populated = cgroup.read()?.value("populated") == Some(1);
        let kills = memory.read()?.count("oom_kill");
        if kills > told {
            return Ok(Some(kills));
        }
        if *was_populated && !is_populated {
            return Ok(None);
        }
        *was_populated |= is_populated;
        either_changed(memory, cgroup).await?;
    }
}

#[cfg(test)]
mod tests {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;
    use crate::layout::Hierarchy;
    use crate::private::{Private, Version};

    #[tokio::test]
    async fn tells_who_was_killed_and_then_of_the_removal() {
        let Some(mut private) = Private::new(Version::One) else { return };
        let mut watch = private.cgroup.out_of_memory().expect("a watch");
        assert_eq!(private.cgroup.oom_kills(), 0);
        private.limit_memory(8 << 20);
        private.spawn_glutton().wait();
        assert_eq!(watch.next().await.expect("an event"), Some(1));
        assert_eq!(private.cgroup.oom_kills(), 1);
        private.spawn_glutton().wait();
        assert_eq!(watch.next().await.expect("an event"), Some(2));
        let late = private.cgroup.out_of_memory().expect("a watch").next().await;
        assert_eq!(late.expect("an event"), Some(2), "what happened before the watch");
        private.cgroup.remove().await.expect("removed");
        assert_eq!(watch.next().await.expect("the end"), None);
        assert_eq!(watch.next().await.expect("the end"), None, "again");
        assert_eq!(private.cgroup.oom_kills(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn leaves_out_the_deaths_of_neighbours() {
        let Some(mut private) = Private::new(Version::One) else { return };
        private.limit_memory(8 << 20);
        let _alive = private.spawn_echo_in("innocent");
        let folder = private.cgroup.layout.controller("memory").expect("memory").path().join("innocent");
        let controllers = vec!["memory".to_owned()];
        let innocent = Layout::V1(vec![Hierarchy { controllers, folder: Folder::new(folder) }]);
        let mut watch = OomWatch::start(&innocent).expect("a watch");
        private.spawn_glutton().wait();
        let Source::V1 { shortage, .. } = &watch.source else { panic!("{watch:?}") };
        let told = poll(&mut [PollFd::new(shortage, PollFlags::IN)], Some(&Timespec::default()));
        assert_eq!(told, Ok(1), "the kernel did not tell of the neighbour");
        let next = tokio::time::timeout(2 * SETTLING, watch.next()).await;
        assert!(next.is_err(), "{next:?}");
        assert_eq!((kills(&innocent), private.cgroup.oom_kills()), (0, 1));
    }

    #[tokio::test]
    async fn loses_nothing_if_a_future_is_dropped() {
        let Some(mut private) = Private::new(Version::One) else { return };
        let mut watch = private.cgroup.out_of_memory().expect("a watch");
        private.limit_memory(8 << 20);
        let dropped = tokio::time::timeout(Duration::from_millis(1), watch.next()).await;
        assert!(dropped.is_err(), "an event before anything happened");
        private.spawn_glutton().wait();
        let _ = tokio::time::timeout(Duration::ZERO, watch.next()).await;
        // Either it was told already, or it is told now.
        if watch.told == 0 {
            assert_eq!(watch.next().await.expect("an event"), Some(1));
        }
        assert_eq!(watch.told, 1);
    }

    #[tokio::test]
    async fn ends_on_v2_once_the_last_process_has_left() {
        let Some(mut private) = Private::new(Version::Two) else { return };
        // A host with both versions has no memory.events on v2. The kernel announces both files in the same way.
        let folder = private.cgroup.layout.members().clone();
        let open = || Notifier::open(&folder, "cgroup.events").expect("a file of events");
        let mut watch =
            OomWatch { source: Source::V2 { memory: open(), cgroup: open(), was_populated: false }, told: 0 };
        let early = tokio::time::timeout(Duration::from_millis(1), watch.next()).await;
        assert!(early.is_err(), "the end of an empty cgroup");
        let echo = private.spawn_echo();
        let early = tokio::time::timeout(Duration::from_millis(1), watch.next()).await;
        assert!(early.is_err(), "the end of a running container");
        echo.kill();
        assert_eq!(watch.next().await.expect("the end"), None);
    }

    #[test]
    fn counts_in_both_versions_and_where_there_is_no_count() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = Folder::new(root.path());
        let v2 = Layout::V2(folder.clone());
        assert_eq!(kills(&v2), 0);
        std::fs::write(root.path().join("memory.events"), "max 4\noom 1\noom_kill 3\n").expect("a file");
        assert_eq!(kills(&v2), 3);
        assert_eq!(kills_v1(&folder), None);
        std::fs::create_dir(root.path().join("a")).expect("a folder");
        for path in ["memory.oom_control", "a/memory.oom_control"] {
            std::fs::write(root.path().join(path), "under_oom 0\noom_kill 2\n").expect("a file");
        }
        assert_eq!(kills_v1(&folder), Some(4));
    }
}
