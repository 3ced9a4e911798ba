//! Docker, the way `docker run` uses containerd: a dockerd of the node's own, which keeps images and roots in
//! containerd and hands containers to its shims.

mod api;
mod container;
mod copy;
mod daemon;
mod exec;
mod log;
mod spec;
mod state;
mod streams;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bollard::body_full;
use bollard::query_parameters::{ImportImageOptions, ListImagesOptions};

pub use self::container::DockerContainer;
pub use self::exec::Execution;
pub use self::log::{Follower, Log};
pub use self::spec::DockerSpec;
pub use self::state::{DockerState, Usage};

pub(crate) use self::daemon::start;

use self::api::Api;
use crate::error::{Error, Result};
use crate::image;

/// A dockerd. Clones are handles of the same; it ends with its node, and containers do not keep it alive.
#[derive(Clone, Debug)]
pub struct Docker {
    api: Arc<Api>,
    version: String,
}

impl Docker {
    /// dockerd's version, for example `28.5.2`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Loads every image of an OCI image archive, as `docker load` does; gives their names.
    ///
    /// # Errors
    /// [`Docker`](crate::ErrorKind::Docker) where dockerd refuses it.
    pub fn load(&self, archive: &Path) -> Result<Vec<String>> {
        let names = image::named(archive)?.into_iter().map(|(name, _)| name).collect();
        let doing = format!("load {}", archive.display());
        let bytes = fs::read(archive).map_err(|error| Error::io(&doing, error))?;
        let options = ImportImageOptions { quiet: true, ..ImportImageOptions::default() };
        self.api.collect(doing, self.api.docker().import_image(options, body_full(bytes.into()), None))?;
        Ok(names)
    }

    /// Waits until it has found its containerd again, which it looks for with growing pauses.
    #[expect(clippy::disallowed_methods, reason = "dockerd gives no sign when it has found containerd")]
    pub(crate) fn wait_until_ready(&self) -> Result<()> {
        let begin = Instant::now();
        loop {
            match self
                .api
                .wait("list Docker's images", self.api.docker().list_images(None::<ListImagesOptions>))
            {
                Err(_) if begin.elapsed() < READINESS => std::thread::sleep(PAUSE),
                answer => return answer.map(drop),
            }
        }
    }

    /// Makes a container, without running it.
    ///
    /// # Errors
    /// [`Docker`](crate::ErrorKind::Docker) where `spec` describes none, or its name is taken.
    pub fn container(&self, spec: &DockerSpec) -> Result<DockerContainer> {
        DockerContainer::new(Arc::clone(&self.api), spec)
    }
}

const READINESS: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(20);
