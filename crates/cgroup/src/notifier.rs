//! Files of the kernel's that tell when they change.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use tokio::io::Interest;

use crate::error::{Error, Result};
use crate::folder::Folder;
use crate::table::Table;
use crate::watched::Watched;

/// An open `cgroup.events` or `memory.events` of v2.
#[derive(Debug)]
pub(crate) struct Notifier {
    file: Watched,
    name: String,
}

impl Notifier {
    pub(crate) fn open(folder: &Folder, file: &str) -> Result<Self> {
        let name = folder.path().join(file).display().to_string();
        let file = Watched::new(folder.open(file)?, Interest::PRIORITY)
            .map_err(|error| Error::io("watch", &name, error))?;
        Ok(Self { file, name })
    }

    /// What the file says now. Each change from now on ends [`changed`](Self::changed).
    pub(crate) fn read(&self) -> Result<Table> {
        // Reading from the start is what makes the kernel forget earlier changes. Both files are far shorter.
        let mut content = [0; 4096];
        let length = rustix::io::pread(&self.file, &mut content, 0);
        let length = length.map_err(|error| Error::io("read", &self.name, error))?;
        Ok(Table::parse(&String::from_utf8_lossy(&content[..length])))
    }

    /// Waits until the file has changed since it was last read; it may also be a false alarm.
    pub(crate) async fn changed(&self) -> Result<()> {
        self.file.event().await.map_err(|error| Error::io("watch", &self.name, error))
    }
}

/// Waits until one of two files has changed.
pub(crate) async fn either_changed(one: &Notifier, other: &Notifier) -> Result<()> {
    let (mut one, mut other) = (pin!(one.changed()), pin!(other.changed()));
    poll_fn(|context| match one.as_mut().poll(context) {
        Poll::Pending => other.as_mut().poll(context),
        ready => ready,
    })
    .await
}
