//! CRI, the way kubelet speaks to containerd: pods with a network, containers with log files.

mod container;
mod log;
mod pause;
mod pod;
mod spec;
mod stats;
mod status;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_cri::v1::image_service_client::ImageServiceClient;
use k8s_cri::v1::runtime_service_client::RuntimeServiceClient;
use k8s_cri::v1::{ImageSpec, ImageStatusRequest, StatusRequest, VersionRequest};
use tonic::Code;
use tonic::transport::Channel;

pub use self::container::{Execution, PodContainer};
pub use self::log::Log;
pub use self::pod::{Pod, PodSpec};
pub use self::spec::CriContainerSpec;
pub use self::stats::Stats;
pub use self::status::{Condition, ContainerStatus, Ended, PodState, RuntimeVersion};

pub(crate) use self::pause::NAME as PAUSE_IMAGE;

use crate::client::Client;
use crate::error::{Error, ErrorKind, Result};
use crate::image::{Image, has_code};

/// containerd's CRI. Clones are handles of the same; pods and containers do not keep the node alive.
#[derive(Clone, Debug)]
pub struct Cri {
    client: Arc<Client>,
    /// The folder that each pod's folder of log files is made in.
    logs: PathBuf,
    /// The cgroup that pods are put in; without one, where the runtime puts them.
    parent: Option<String>,
}

impl Cri {
    /// The CRI of a containerd whose sandbox image is provided for by somebody else.
    pub(crate) fn new(client: Arc<Client>, logs: PathBuf, parent: Option<String>) -> Self {
        Self { client, logs, parent }
    }

    /// The same, with the sandbox image that private nodes are configured for imported where it is missing.
    pub(crate) fn with_pause_image(self) -> Result<Self> {
        pause::provide(&self)?;
        Ok(self)
    }

    /// Makes a pod and waits until its sandbox runs and has its network.
    ///
    /// # Errors
    /// [`Containerd`](ErrorKind::Containerd), for example where the runtime handler is unknown or the network
    /// cannot be set up.
    pub fn pod(&self, spec: PodSpec) -> Result<Pod> {
        Pod::new(self.clone(), spec)
    }

    /// Which runtime serves CRI, and in which versions.
    pub fn version(&self) -> Result<RuntimeVersion> {
        let call =
            self.client.wait("ask CRI for its version", self.runtime().version(VersionRequest::default()));
        call.map(RuntimeVersion::from)
    }

    /// What containerd says about itself: `RuntimeReady`, `NetworkReady` and others.
    pub fn status(&self) -> Result<Vec<Condition>> {
        let call =
            self.client.wait("ask CRI for its status", self.runtime().status(StatusRequest::default()));
        Ok(call?.status.unwrap_or_default().conditions.into_iter().map(Condition::from).collect())
    }

    /// Waits until it serves, which is some time after containerd does.
    pub(crate) fn wait_until_ready(&self) -> Result<()> {
        let ready = until(READINESS, || match self.status() {
            Err(error) if has_code(&error, Code::Unavailable) || is_starting(&error) => Ok(None),
            answer => answer.map(Some),
        })?;
        let message = || Error::new(ErrorKind::Timeout, format!("CRI does not serve after {READINESS:?}"));
        ready.map(drop).ok_or_else(message)
    }

    fn runtime(&self) -> RuntimeServiceClient<Channel> {
        RuntimeServiceClient::new(self.client.api().channel()).max_decoding_message_size(LARGEST_ANSWER)
    }

    /// Waits until CRI knows an imported image: it learns of images by an event, shortly after the import.
    fn adopt(&self, image: &Image) -> Result<()> {
        let known = until(ADOPTION, || Ok(self.image_id(image.name())?.filter(|id| *id == image.id)))?;
        known.map(drop).ok_or_else(|| {
            let message = format!(
                "CRI does not know the image {} after {ADOPTION:?}; its name must be complete, as in \
                 localhost/hello:1",
                image.name()
            );
            Error::new(ErrorKind::Timeout, message)
        })
    }

    /// CRI's id of the image that it knows by this name: the digest of its configuration.
    fn image_id(&self, name: &str) -> Result<Option<String>> {
        let image = Some(ImageSpec { image: name.into(), ..ImageSpec::default() });
        let mut images = ImageServiceClient::new(self.client.api().channel());
        let call = images.image_status(ImageStatusRequest { image, verbose: false });
        let answer = self.client.wait(format!("ask CRI for the image {name}"), call)?;
        Ok(answer.image.map(|image| image.id))
    }
}

/// containerd cuts the output of a command at 16 MiB, each stream.
const LARGEST_ANSWER: usize = 40 << 20;
const ADOPTION: Duration = Duration::from_secs(120);
const READINESS: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(10);

/// Repeats `attempt` until it finds something; nothing where it does not within `timeout`.
#[expect(
    clippy::disallowed_methods,
    reason = "CRI has no call that waits, and its stream of events does not say when it begins"
)]
fn until<T>(timeout: Duration, mut attempt: impl FnMut() -> Result<Option<T>>) -> Result<Option<T>> {
    let begin = Instant::now();
    loop {
        let found = attempt()?;
        if found.is_some() || begin.elapsed() >= timeout {
            return Ok(found);
        }
        std::thread::sleep(PAUSE);
    }
}

/// containerd 1.7 has no code of its own for a CRI that has not started.
fn is_starting(error: &Error) -> bool {
    let ErrorKind::Containerd { code: Code::Unknown, .. } = error.kind() else { return false };
    error.to_string().contains("not initialized yet")
}
