//! The control plane, in the first node: etcd, the API server, the controllers, the scheduler and CoreDNS.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use k8s_openapi::ByteString;
use serde_json::json;

use crate::cluster::certificates::{
    ACCOUNTS, ACCOUNTS_PUBLIC, AUTHORITY, CERTIFICATE, Certificates, KEY, TOKENS,
};
use crate::cluster::dns;
use crate::cluster::member::ClusterNode;
use crate::cluster::network::{self, API_SERVICE, SERVICES};
use crate::cluster::programs::Programs;
use crate::companion::Companion;
use crate::daemon::write;
use crate::error::{Error, Result};

/// The programs of a running control plane.
#[derive(Debug)]
pub(crate) struct Control(Vec<Companion>);

/// The port of the API server.
pub(crate) const PORT: u16 = 6443;
/// The kubeconfig for the parts of the cluster, which reach the API server by its own address.
pub(crate) const INSIDE: &str = "kubeconfig-inside";
/// What is off by default, and shown by our suite: it tells a container's two streams apart.
pub(crate) const FEATURES: &str = "PodLogsQuerySplitStreams";

impl Control {
    /// Starts it in `node`, with its files in `folder`; it serves some time later.
    pub(crate) fn start(
        node: &ClusterNode,
        programs: &Programs,
        folder: &Path,
    ) -> Result<(Self, Certificates)> {
        let address = network::address(node.number()).to_string();
        let names = ["127.0.0.1", "localhost", "kubernetes.default.svc", API_SERVICE, &address];
        let certificates = Certificates::make(folder, &names)?;
        let inside = kubeconfig(&format!("https://{address}:{PORT}"), &certificates);
        write(&folder.join(INSIDE), &inside)?;
        write(&folder.join(COREFILE), &dns::corefile(&folder.join(INSIDE)))?;
        let start = |name: &str, arguments: Vec<String>| {
            let mut command = Command::new(programs.program(name));
            command.args(arguments);
            node.start(command, &folder.join(format!("{name}.log")))
        };
        let parts = vec![
            start("etcd", etcd(folder))?,
            start("kube-apiserver", api_server(folder, &address))?,
            start("kube-controller-manager", controllers(folder))?,
            start("kube-scheduler", scheduler(folder))?,
            start("coredns", vec![format!("-conf={}", folder.join(COREFILE).display())])?,
        ];
        Ok((Self(parts), certificates))
    }

    /// Fails where a part has ended, with the end of its log.
    pub(crate) fn check(&self) -> Result<()> {
        for part in &self.0 {
            if part.has_ended()? {
                return Err(part.failed("has ended"));
            }
        }
        Ok(())
    }
}

/// Where the API server listens, in the cluster's network.
pub(crate) fn server() -> SocketAddr {
    (network::address(1), PORT).into()
}

/// What a client of the API server has to know, as the file that all of them read. JSON is YAML.
pub(crate) fn kubeconfig(server: &str, certificates: &Certificates) -> String {
    let authority = ByteString(certificates.authority.clone().into_bytes());
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "shimmer",
            "cluster": { "server": server, "certificate-authority-data": authority } }],
        "users": [{ "name": "admin", "user": { "token": certificates.token } }],
        "contexts": [{ "name": "shimmer", "context": { "cluster": "shimmer", "user": "admin" } }],
        "current-context": "shimmer",
    })
    .to_string()
}

fn etcd(folder: &Path) -> Vec<String> {
    let data = folder.join("etcd").display().to_string();
    let url = ETCD.to_owned();
    // What is lost with the machine is lost anyway.
    ["--unsafe-no-fsync".into(), format!("--data-dir={data}"), format!("--listen-client-urls={url}")]
        .into_iter()
        .chain([format!("--advertise-client-urls={url}"), "--listen-peer-urls=http://127.0.0.1:2380".into()])
        .collect()
}

fn api_server(folder: &Path, address: &str) -> Vec<String> {
    let file = |name: &str| folder.join(name).display().to_string();
    vec![
        format!("--etcd-servers={ETCD}"),
        format!("--bind-address={address}"),
        format!("--advertise-address={address}"),
        format!("--secure-port={PORT}"),
        format!("--tls-cert-file={}", file(CERTIFICATE)),
        format!("--tls-private-key-file={}", file(KEY)),
        format!("--token-auth-file={}", file(TOKENS)),
        format!("--service-account-key-file={}", file(ACCOUNTS_PUBLIC)),
        format!("--service-account-signing-key-file={}", file(ACCOUNTS)),
        "--service-account-issuer=https://kubernetes.default.svc".into(),
        "--authorization-mode=RBAC".into(),
        format!("--service-cluster-ip-range={SERVICES}"),
        "--allow-privileged=true".into(),
        "--kubelet-preferred-address-types=InternalIP".into(),
        format!("--feature-gates={FEATURES}=true"),
        // Certificates of its own that it would make beside those that it was given.
        format!("--cert-dir={}", file("api-server")),
    ]
}

fn controllers(folder: &Path) -> Vec<String> {
    let file = |name: &str| folder.join(name).display().to_string();
    vec![
        format!("--kubeconfig={}", file(INSIDE)),
        format!("--service-account-private-key-file={}", file(ACCOUNTS)),
        format!("--root-ca-file={}", file(AUTHORITY)),
        "--use-service-account-credentials=false".into(),
        "--leader-elect=false".into(),
        "--bind-address=127.0.0.1".into(),
        format!("--cert-dir={}", file("controllers")),
    ]
}

fn scheduler(folder: &Path) -> Vec<String> {
    vec![
        format!("--kubeconfig={}", folder.join(INSIDE).display()),
        "--leader-elect=false".into(),
        "--bind-address=127.0.0.1".into(),
        format!("--cert-dir={}", folder.join("scheduler").display()),
    ]
}

const COREFILE: &str = "Corefile";
const ETCD: &str = "http://127.0.0.1:2379";

/// A control plane that cannot be reached any more, in the words of whoever waited for it.
pub(crate) fn unreachable(what: &str, why: impl std::fmt::Display) -> Error {
    Error::new(crate::ErrorKind::Timeout, format!("the cluster's API server {what}: {why}"))
}
