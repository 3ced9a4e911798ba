//! Removing the folders of a cgroup.

use std::time::Duration;

use rustix::io::Errno;

use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::folder::Folder;
use crate::killer::emptied;
use crate::layout::Layout;

/// A folder is busy until the last process in it is dead.
const PATIENCE: Duration = Duration::from_secs(10);

/// Removes what can be removed in all hierarchies, and reports the first thing that cannot.
pub(crate) async fn remove(layout: &Layout) -> Result<()> {
    let complaint = format!("the cgroup {} is still in use", layout.members());
    let deadline = Deadline::new(PATIENCE, complaint);
    let mut removed = Ok(());
    for folder in layout.folders() {
        removed = removed.and(remove_tree(folder, &deadline).await.or_else(Error::unless_missing));
    }
    removed
}

async fn remove_tree(folder: &Folder, deadline: &Deadline) -> Result<()> {
    while !try_remove_tree(folder)? {
        // The kernel tells when the last process is gone on v2 only. Afterwards a folder can be busy for a moment.
        if folder.has("cgroup.events") {
            emptied(folder, deadline).await?;
        }
        deadline.pause().await?;
    }
    Ok(())
}

/// Removes the deepest folders first; `false` if one is busy.
fn try_remove_tree(folder: &Folder) -> Result<bool> {
    for folder in folder.tree()?.iter().rev() {
        match rustix::fs::rmdir(folder.path()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(Errno::BUSY) => return Ok(false),
            Err(error) => return Err(Error::io("remove", folder, error)),
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::private::{Private, Version};

    #[tokio::test]
    async fn removes_all_folders_and_waits_for_the_last_process() {
        for version in Version::ALL {
            let Some(mut private) = Private::new(version) else { continue };
            let echo = private.spawn_echo_in("below/deeper");
            let folders: Vec<_> = private.cgroup.layout.folders().cloned().collect();
            echo.kill();
            // Not reaped, and perhaps not even dead.
            private.cgroup.remove().await.expect("removed");
            assert!(folders.iter().all(|folder| !folder.exists()), "{version:?}");
            assert!(!private.cgroup.exists(), "{version:?}");
            private.cgroup.remove().await.expect("removed twice");
        }
    }

    #[tokio::test]
    async fn reports_living_processes_after_the_deadline_and_kills_none() {
        for version in Version::ALL {
            let Some(mut private) = Private::new(version) else { continue };
            let mut echo = private.spawn_echo();
            let deadline = Deadline::new(Duration::from_millis(20), "in use");
            let error = remove_tree(private.cgroup.layout.members(), &deadline).await.expect_err("in use");
            assert_eq!((error.kind(), error.to_string().as_str()), (crate::ErrorKind::Timeout, "in use"));
            assert!(echo.answers(), "{version:?}");
        }
    }
}
