//! What the cluster's owner asks of its API server: to be there, and to know the shims.

use std::fmt;
use std::future::Future;
use std::net::Ipv4Addr;
use std::thread;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Node, Service, ServiceAccount};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::node::v1::{Overhead, RuntimeClass};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::api::{Api as Objects, ListParams, ObjectMeta, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::runtime::{Builder, Runtime};

use crate::cluster::control::unreachable;
use crate::cluster::dns;
use crate::cluster::member::ClusterNode;
use crate::error::{Error, ErrorKind, Result};

/// A client of the API server, and the runtime that drives it while a call is waited for.
pub(crate) struct Api {
    runtime: Runtime,
    client: Client,
}

impl Api {
    /// A client by a kubeconfig. Nothing is asked yet.
    pub(crate) fn new(kubeconfig: &str) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Error::io("make a runtime for calls to Kubernetes", error))?;
        let client = runtime.block_on(client(kubeconfig))?;
        Ok(Self { runtime, client })
    }

    /// Waits until the API server serves, unless `check` finds that it never will.
    pub(crate) fn wait_until_ready(&self, patience: Duration, check: impl Fn() -> Result<()>) -> Result<()> {
        self.until("does not serve", patience, check, || async {
            let request = http_request("/readyz")?;
            Ok(self.client.request_text(request).await.is_ok())
        })
    }

    /// Waits until these nodes are ready, and pods can be made.
    pub(crate) fn wait_for_nodes(&self, nodes: &[ClusterNode], patience: Duration) -> Result<()> {
        let check = || nodes.iter().try_for_each(ClusterNode::check);
        let names: Vec<String> = nodes.iter().map(ClusterNode::name).collect();
        self.until("does not find all nodes ready", patience, check, || async {
            let known = Objects::<Node>::all(self.client.clone()).list(&ListParams::default()).await?;
            let is_there = |name: &String| known.iter().any(|node| is_ready(node, name));
            let accounts = Objects::<ServiceAccount>::namespaced(self.client.clone(), "default");
            Ok(names.iter().all(is_there) && accounts.get_opt("default").await?.is_some())
        })
    }

    /// Makes a RuntimeClass for each handler, which is called like it.
    pub(crate) fn make_runtime_classes(&self, handlers: &[String]) -> Result<()> {
        let classes = Objects::<RuntimeClass>::all(self.client.clone());
        for handler in handlers {
            let class = runtime_class(handler);
            let made = self.runtime.block_on(classes.create(&PostParams::default(), &class));
            made.map_err(|error| unreachable(&format!("makes no RuntimeClass {handler}"), error))?;
        }
        Ok(())
    }

    /// Lets pods resolve names, by a server on `node`. It waits for the namespace, which a new API server makes by itself.
    pub(crate) fn make_dns(&self, node: Ipv4Addr, patience: Duration) -> Result<()> {
        let services = Objects::<Service>::namespaced(self.client.clone(), dns::NAMESPACE);
        let slices = Objects::<EndpointSlice>::namespaced(self.client.clone(), dns::NAMESPACE);
        let params = PostParams::default();
        self.until(
            "makes no Service for names",
            patience,
            || Ok(()),
            || async {
                let service = services.create(&params, &dns::service()).await;
                service.map(drop).or_else(unless_it_is_there)?;
                let slice = slices.create(&params, &dns::endpoints(node)).await;
                slice.map(drop).or_else(unless_it_is_there).map(|()| true)
            },
        )
    }

    /// Repeats a question until the answer is yes. One that fails is asked again: a server that starts refuses at first.
    #[expect(
        clippy::disallowed_methods,
        reason = "an API server that does not serve yet can be watched by nobody"
    )]
    fn until<F: Future<Output = kube::Result<bool>>>(
        &self,
        what: &str,
        patience: Duration,
        check: impl Fn() -> Result<()>,
        mut question: impl FnMut() -> F,
    ) -> Result<()> {
        let begin = Instant::now();
        loop {
            let answer = self.runtime.block_on(question());
            if matches!(answer, Ok(true)) {
                return Ok(());
            }
            check()?;
            if begin.elapsed() > patience {
                let why =
                    answer.err().map_or_else(|| format!("after {patience:?}"), |error| error.to_string());
                return Err(unreachable(what, why));
            }
            thread::sleep(PAUSE);
        }
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Api").finish_non_exhaustive()
    }
}

const PAUSE: Duration = Duration::from_millis(50);
/// What a pod costs beyond its guest, rounded up from docs/benchmarks.md: the shim, and the guest's monitor.
const OVERHEAD: &str = "8Mi";
/// The runtime of native containers, whose shim counts for nothing, as everywhere.
const NATIVE: &str = "runc";

async fn client(kubeconfig: &str) -> Result<Client> {
    let invalid = |error: &dyn fmt::Display| {
        Error::new(ErrorKind::Environment, format!("the cluster's kubeconfig cannot be used: {error}"))
    };
    let kubeconfig = Kubeconfig::from_yaml(kubeconfig).map_err(|error| invalid(&error))?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    Client::try_from(config.map_err(|error| invalid(&error))?).map_err(|error| invalid(&error))
}

fn unless_it_is_there(error: kube::Error) -> kube::Result<()> {
    match error {
        kube::Error::Api(status) if status.is_already_exists() => Ok(()),
        error => Err(error),
    }
}

fn http_request(path: &str) -> kube::Result<http::Request<Vec<u8>>> {
    http::Request::get(path).body(Vec::new()).map_err(kube::Error::HttpError)
}

fn is_ready(node: &Node, name: &str) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    let ready = conditions.into_iter().flatten().any(|it| it.type_ == "Ready" && it.status == "True");
    ready && node.metadata.name.as_deref() == Some(name)
}

fn runtime_class(handler: &str) -> RuntimeClass {
    let overhead = || Overhead { pod_fixed: Some([("memory".into(), Quantity(OVERHEAD.into()))].into()) };
    RuntimeClass {
        metadata: ObjectMeta { name: Some(handler.to_owned()), ..ObjectMeta::default() },
        handler: handler.to_owned(),
        overhead: (handler != NATIVE).then(overhead),
        scheduling: None,
    }
}
