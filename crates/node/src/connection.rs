//! A containerd that is not ours: what we make in it carries a name of our own, and goes when we do.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tonic::Status;

use crate::client::Client;
use crate::daemon::PARENT;
use crate::error::{Error, Result};
use crate::image::{self, Image};
use crate::inspection;
use crate::traces::Traces;

/// A client's marks in somebody else's containerd. Dropped, they are removed.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) socket: PathBuf,
    pub(crate) version: String,
    /// Where our ends of streams are.
    pub(crate) folder: PathBuf,
    /// Its name is also the cgroup that our containers are in.
    pub(crate) traces: Traces,
    client: Arc<Client>,
    serves_cri: bool,
    /// The names of images that were not there before.
    images: Mutex<BTreeSet<String>>,
    is_closed: bool,
}

impl Connection {
    pub(crate) fn open(socket: &Path) -> Result<Self> {
        let client = Client::connect(socket)?;
        let version = client.version()?;
        let serves_cri = inspection::plugins(&client)?.iter().any(|plugin| plugin.is_cri());
        let folder = tempfile::Builder::new()
            .prefix("shimmer-")
            .tempdir_in(PARENT)
            .map_err(|error| Error::io(format!("make a folder in {PARENT}"), error))?;
        let traces = Traces::of(folder.path())?;
        Ok(Self {
            socket: socket.to_owned(),
            version,
            folder: folder.keep(),
            traces,
            client: Arc::new(client),
            serves_cri,
            images: Mutex::default(),
            is_closed: false,
        })
    }

    pub(crate) fn client(&self) -> Arc<Client> {
        Arc::clone(&self.client)
    }

    /// Imports an archive. An image of the same name that was there before is left as it is.
    ///
    /// # Errors
    /// [`Containerd`](crate::ErrorKind::Containerd) with `AlreadyExists` where that is another image.
    pub(crate) fn import(&self, archive: &Path) -> Result<Vec<Image>> {
        let mut own = self.own_images();
        let before = image::all(&self.client)?;
        for (name, digest) in image::named(archive)? {
            match before.get(&name) {
                None => drop(own.insert(name)),
                Some(old) if *old == digest || own.contains(&name) => {}
                Some(old) => {
                    let status = Status::already_exists(format!("it stands for {old}, which is not ours"));
                    return Err(Error::containerd(format!("record the image {name}"), &status));
                }
            }
        }
        let images = image::import(&self.client, archive)?;
        for image in &images {
            self.await_management(image.name())?;
            if !before.contains_key(&image.id) {
                own.insert(image.id.clone());
            }
        }
        Ok(images)
    }

    /// CRI, where it is served, gives a new image a second name, which keeps it, and then the first name a label, for which
    /// it would make that name again; so we wait for the label before anybody removes the image. An image for another
    /// platform never gets one.
    #[expect(clippy::disallowed_methods, reason = "a label is no event where CRI was quicker than we are")]
    fn await_management(&self, name: &str) -> Result<()> {
        let begin = Instant::now();
        while self.serves_cri && !image::is_managed(&self.client, name)? && begin.elapsed() < PATIENCE {
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Removes all that was made, the cgroup and the folder also where containerd is gone.
    pub(crate) fn close(&mut self) -> Result<()> {
        self.is_closed = true;
        let names = std::mem::take(&mut *self.own_images());
        let removed = names.iter().map(|name| image::remove(&self.client, name));
        let removed = removed.fold(Ok(()), Result::and);
        if !self.traces.estate(false).remove() {
            return Err(self.traces.remains(&self.traces.leftovers()?));
        }
        removed
    }

    /// The set is whole after every call, so a panic elsewhere does not spoil it.
    fn own_images(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.images.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if !self.is_closed {
            // A destructor has nobody to report to; `close` is for those who want to know.
            let _unreported = self.close();
        }
    }
}

/// How long CRI may take to see an image; it takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(5);
