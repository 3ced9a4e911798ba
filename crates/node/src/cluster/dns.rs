//! Names of Services for the cluster's pods: CoreDNS, which runs beside the control plane, behind a Service of its own.
//!
//! Names of the world outside are not resolved, since nothing of it can be reached.

use std::net::Ipv4Addr;
use std::path::Path;

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice};
use kube::api::ObjectMeta;

/// What all names end with.
pub(crate) const DOMAIN: &str = "cluster.local";
/// Where pods ask, which is an address of the network of Services.
pub(crate) const ADDRESS: &str = "10.97.0.10";
/// The namespace of the Service.
pub(crate) const NAMESPACE: &str = "kube-system";

/// The configuration of CoreDNS.
pub(crate) fn corefile(kubeconfig: &Path) -> String {
    format!(
        "{DOMAIN}:{PORT} in-addr.arpa:{PORT} {{\n    errors\n    cache 5\n    kubernetes {DOMAIN} in-addr.arpa {{\n        \
         kubeconfig {}\n    }}\n}}\n",
        kubeconfig.display()
    )
}

/// The Service that pods ask; nothing selects its endpoints.
pub(crate) fn service() -> Service {
    let port = |protocol: &str| ServicePort {
        name: Some(protocol.to_lowercase()),
        port: PORT.into(),
        protocol: Some(protocol.to_owned()),
        ..ServicePort::default()
    };
    Service {
        metadata: ObjectMeta { name: Some(NAME.into()), ..ObjectMeta::default() },
        spec: Some(ServiceSpec {
            cluster_ip: Some(ADDRESS.into()),
            ports: Some(PROTOCOLS.map(port).into()),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

/// Where the Service leads: to the node with the control plane.
pub(crate) fn endpoints(node: Ipv4Addr) -> EndpointSlice {
    let port = |protocol: &str| EndpointPort {
        name: Some(protocol.to_lowercase()),
        port: Some(PORT.into()),
        protocol: Some(protocol.to_owned()),
        ..EndpointPort::default()
    };
    let conditions = EndpointConditions { ready: Some(true), ..EndpointConditions::default() };
    EndpointSlice {
        metadata: ObjectMeta {
            name: Some(format!("{NAME}-1")),
            labels: Some([("kubernetes.io/service-name".to_owned(), NAME.to_owned())].into()),
            ..ObjectMeta::default()
        },
        address_type: "IPv4".into(),
        endpoints: Some(vec![Endpoint {
            addresses: vec![node.to_string()],
            conditions: Some(conditions),
            ..Endpoint::default()
        }]),
        ports: Some(PROTOCOLS.map(port).into()),
    }
}

const NAME: &str = "kube-dns";
const PORT: u16 = 53;
const PROTOCOLS: [&str; 2] = ["UDP", "TCP"];
