//! containerd's CRI, as far as an installer asks: which handlers there are, and whether one makes a pod.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use k8s_cri::v1::runtime_service_client::RuntimeServiceClient;
use k8s_cri::v1::{
    LinuxPodSandboxConfig, LinuxSandboxSecurityContext, ListPodSandboxRequest, NamespaceMode,
    NamespaceOption, PodSandboxConfig, PodSandboxMetadata, PodSandboxState, RemovePodSandboxRequest,
    RunPodSandboxRequest, StatusRequest, StopPodSandboxRequest,
};
use rustix::fs::OFlags;
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use crate::error::{Error, ErrorKind, Result};
use crate::host::Host;
use crate::usage::Pod;

/// A connection with containerd, and the runtime that drives it.
#[derive(Debug)]
pub(crate) struct Cri {
    runtime: Runtime,
    channel: Channel,
    /// The process that listens on the socket, as this process counts.
    pub(crate) server: Option<i32>,
}

impl Cri {
    /// Connects, if somebody listens there.
    pub(crate) fn connect(host: &Host, socket: &Path) -> Result<Self> {
        let doing = || format!("reach containerd at {}", socket.display());
        let runtime =
            Builder::new_current_thread().enable_all().build().map_err(|error| Error::io(doing(), error))?;
        // By the descriptor: the path may be too long for a socket's address, and its links mean what they mean on the node.
        let found = host.found(socket, OFlags::PATH)?;
        let found = found.ok_or_else(|| Error::io(doing(), io::Error::from(io::ErrorKind::NotFound)))?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", found.as_raw_fd()));
        let stream =
            runtime.block_on(UnixStream::connect(path)).map_err(|error| Error::io(doing(), error))?;
        let server = stream.peer_cred().ok().and_then(|peer| peer.pid()).filter(|pid| *pid > 0);
        let channel =
            runtime.block_on(channel(stream)).map_err(|error| Error::io(doing(), io::Error::other(error)))?;
        Ok(Self { runtime, channel, server })
    }

    /// The handlers that pods can be made by.
    pub(crate) fn handlers(&self) -> Result<Vec<String>> {
        let status = self
            .wait("ask containerd for its handlers", self.client().status(StatusRequest { verbose: true }))?;
        let named = status.runtime_handlers.into_iter().map(|handler| handler.name);
        // containerd 1.7 knows no list of handlers, and tells its whole configuration.
        let config = status.info.get("config").and_then(|json| serde_json::from_str::<Value>(json).ok());
        let configured = config.as_ref().and_then(|config| config["containerd"]["runtimes"].as_object());
        let configured = configured.into_iter().flat_map(|runtimes| runtimes.keys().cloned());
        let handlers: BTreeSet<String> = named.chain(configured).filter(|name| !name.is_empty()).collect();
        Ok(handlers.into_iter().collect())
    }

    /// The pods that there are, by their ids.
    pub(crate) fn pods(&self) -> Result<BTreeMap<String, Pod>> {
        let request = ListPodSandboxRequest { filter: None };
        let listed = self.wait("list the pods", self.client().list_pod_sandbox(request))?;
        let named = listed.items.into_iter().filter_map(|pod| {
            let metadata = pod.metadata?;
            let runs = pod.state == i32::from(PodSandboxState::SandboxReady);
            let handler = Some(pod.runtime_handler).filter(|_| runs);
            Some((pod.id, Pod { namespace: metadata.namespace, name: metadata.name, handler }))
        });
        Ok(named.collect())
    }

    /// Removes pods that an earlier run has tried a handler by, and did not come to remove.
    pub(crate) fn sweep(&self) -> Result<()> {
        let mut left = self.pods()?;
        left.retain(|_, pod| pod.namespace == NAMESPACE);
        left.into_iter().try_for_each(|(id, pod)| self.remove(&pod.name, id))
    }

    /// Makes a pod in the host's network and without a container, and removes it.
    pub(crate) fn try_pod(&self, handler: &str, systemd: bool) -> Result<()> {
        self.sweep()?;
        let request =
            RunPodSandboxRequest { config: Some(pod(handler, systemd)), runtime_handler: handler.to_owned() };
        let made = self
            .wait(&format!("make a pod by the handler {handler}"), self.client().run_pod_sandbox(request))?;
        self.remove(&format!("of the handler {handler}"), made.pod_sandbox_id)
    }

    fn remove(&self, name: &str, pod_sandbox_id: String) -> Result<()> {
        let stop = StopPodSandboxRequest { pod_sandbox_id: pod_sandbox_id.clone() };
        self.gone(&format!("stop the pod {name}"), self.client().stop_pod_sandbox(stop))?;
        let remove = RemovePodSandboxRequest { pod_sandbox_id };
        self.gone(&format!("remove the pod {name}"), self.client().remove_pod_sandbox(remove))
    }

    fn client(&self) -> RuntimeServiceClient<Channel> {
        RuntimeServiceClient::new(self.channel.clone())
    }

    /// A kubelet removes pods that it does not know, and may have been quicker.
    fn gone<T>(
        &self,
        doing: &str,
        call: impl Future<Output = Result<tonic::Response<T>, Status>>,
    ) -> Result<()> {
        let tolerant = async {
            match call.await {
                Err(status) if status.code() == Code::NotFound => Ok(None),
                other => other.map(Some),
            }
        };
        self.block_on(doing, tolerant).map(drop)
    }

    fn wait<T>(
        &self,
        doing: &str,
        call: impl Future<Output = Result<tonic::Response<T>, Status>>,
    ) -> Result<T> {
        self.block_on(doing, call).map(tonic::Response::into_inner)
    }

    fn block_on<T>(&self, doing: &str, call: impl Future<Output = Result<T, Status>>) -> Result<T> {
        let answer = self.runtime.block_on(async { tokio::time::timeout(LIMIT, call).await });
        let cause = match answer {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(status)) => format!("{} ({:?})", status.message(), status.code()),
            Err(_elapsed) => format!("no answer within {} s", LIMIT.as_secs()),
        };
        Err(Error::new(ErrorKind::Failed, format!("cannot {doing}: {cause}")))
    }
}

/// The namespace of pods that handlers are tried by; no API server knows it.
const NAMESPACE: &str = "shimmer-installer";
/// How long one call may take; a pod may have to wait for many others.
const LIMIT: Duration = Duration::from_secs(60);

/// A channel over a stream that is connected already; it is not connected a second time.
async fn channel(stream: UnixStream) -> Result<Channel, tonic::transport::Error> {
    let mut stream = Some(stream);
    // tonic wants an address, which means nothing here.
    let endpoint = Endpoint::from_static("http://containerd");
    let connector = tower::service_fn(move |_address| {
        let stream = stream.take().ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected));
        async { stream.map(TokioIo::new) }
    });
    endpoint.connect_with_connector(connector).await
}

/// A pod that needs no network, in a cgroup as the node's driver names them.
fn pod(handler: &str, systemd: bool) -> PodSandboxConfig {
    let unique = format!("{}-{}", std::process::id(), handler);
    let options = NamespaceOption { network: NamespaceMode::Node.into(), ..NamespaceOption::default() };
    let security_context = Some(LinuxSandboxSecurityContext {
        namespace_options: Some(options),
        ..LinuxSandboxSecurityContext::default()
    });
    let cgroup_parent = if systemd { "system.slice" } else { "/" }.to_owned();
    PodSandboxConfig {
        metadata: Some(PodSandboxMetadata {
            name: format!("shimmer-check-{handler}"),
            uid: unique,
            namespace: NAMESPACE.to_owned(),
            attempt: 0,
        }),
        linux: Some(LinuxPodSandboxConfig {
            cgroup_parent,
            security_context,
            ..LinuxPodSandboxConfig::default()
        }),
        ..PodSandboxConfig::default()
    }
}
