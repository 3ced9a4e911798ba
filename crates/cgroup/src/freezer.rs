//! Stopping all processes at once, and letting them go on.

use std::time::Duration;

use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind, Result};
use crate::folder::Folder;
use crate::layout::Layout;
use crate::notifier::Notifier;

/// A process stops at once unless it is in the middle of a system call that cannot be interrupted.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) async fn freeze(layout: &Layout) -> Result<()> {
    let frozen = set(layout, true).await;
    if frozen.is_err() {
        // Half-frozen is worse than running. The error to report is the first one.
        let _ = request(layout, false);
    }
    frozen
}

pub(crate) async fn thaw(layout: &Layout) -> Result<()> {
    set(layout, false).await
}

/// Lets all processes go on in a cgroup and below it, without waiting for it; for v1, where frozen processes do not
/// die.
pub(crate) fn release(layout: &Layout) -> Result<()> {
    let Layout::V1(_) = layout else { return Ok(()) };
    let Ok(folder) = place(layout) else { return Ok(()) };
    for folder in folder.tree()? {
        folder.write("freezer.state", "THAWED").or_else(Error::unless_missing)?;
    }
    Ok(())
}

async fn set(layout: &Layout, frozen: bool) -> Result<()> {
    let folder = place(layout)?;
    let state = if frozen { "freeze" } else { "thaw" };
    let deadline = Deadline::new(PATIENCE, format!("the cgroup {folder} did not {state} in time"));
    match layout {
        Layout::V1(_) => set_v1(layout, folder, frozen, &deadline).await,
        Layout::V2(_) => set_v2(layout, folder, frozen, &deadline).await,
    }
}

async fn set_v2(layout: &Layout, folder: &Folder, frozen: bool, deadline: &Deadline) -> Result<()> {
    let events = Notifier::open(folder, "cgroup.events")?;
    request(layout, frozen)?;
    while events.read()?.value("frozen") != Some(frozen.into()) {
        deadline.bound(events.changed()).await?;
    }
    Ok(())
}

/// The kernel tells no event, and freezes processes that were made meanwhile only when it is told again.
async fn set_v1(layout: &Layout, folder: &Folder, frozen: bool, deadline: &Deadline) -> Result<()> {
    let wanted = if frozen { "FROZEN" } else { "THAWED" };
    loop {
        request(layout, frozen)?;
        match folder.text("freezer.state") {
            Some(state) if state.trim() == wanted => return Ok(()),
            Some(_) => deadline.pause().await?,
            None => return Err(layout.missing()),
        }
    }
}

fn request(layout: &Layout, frozen: bool) -> Result<()> {
    let (file, text) = match (layout, frozen) {
        (Layout::V1(_), true) => ("freezer.state", "FROZEN"),
        (Layout::V1(_), false) => ("freezer.state", "THAWED"),
        (Layout::V2(_), true) => ("cgroup.freeze", "1"),
        (Layout::V2(_), false) => ("cgroup.freeze", "0"),
    };
    place(layout)?.write(file, text)
}

fn place(layout: &Layout) -> Result<&Folder> {
    let unsupported = || Error::new(ErrorKind::Unsupported, "the container has no freezer of its own");
    layout.controller("freezer").ok_or_else(unsupported)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::private::{Private, Version};

    #[tokio::test]
    async fn stops_processes_and_lets_them_go_on() {
        for version in Version::ALL {
            let Some(mut private) = Private::new(version) else { continue };
            let mut echo = private.spawn_echo();
            assert!(echo.answers(), "{version:?}: before");
            private.cgroup.freeze().await.expect("frozen");
            echo.ask();
            assert!(!echo.has_answered(), "{version:?}: an answer while frozen");
            private.cgroup.freeze().await.expect("frozen twice");
            private.cgroup.thaw().await.expect("thawed");
            assert!(echo.hears(), "{version:?}: no answer after the thaw");
            private.cgroup.thaw().await.expect("thawed twice");
        }
    }

    #[tokio::test]
    async fn says_what_is_not_there() {
        for version in Version::ALL {
            let Some(private) = Private::new(version) else { continue };
            private.cgroup.remove().await.expect("removed");
            assert_eq!(private.cgroup.freeze().await.expect_err("gone").kind(), ErrorKind::NotFound);
            assert_eq!(private.cgroup.thaw().await.expect_err("gone").kind(), ErrorKind::NotFound);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn thaws_again_what_does_not_freeze() {
        let folder = tempfile::tempdir().expect("a folder");
        // What is written over a longer text is never all of the file, so that it does not say FROZEN.
        let state = folder.path().join("freezer.state");
        std::fs::write(&state, "FREEZING").expect("a file");
        let controllers = vec!["freezer".to_owned()];
        let hierarchy = crate::layout::Hierarchy { controllers, folder: Folder::new(folder.path()) };
        let layout = Layout::V1(vec![hierarchy]);
        assert_eq!(freeze(&layout).await.expect_err("no freezer").kind(), ErrorKind::Timeout);
        assert!(std::fs::read_to_string(&state).expect("a state").starts_with("THAWED"));
    }
}
