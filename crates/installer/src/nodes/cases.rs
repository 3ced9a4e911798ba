//! The nodes, and where each is written to.

use std::path::Path;

use super::Files;
use crate::distribution::Distribution::{self, Containerd, K0s, K3s, Microk8s, Rke2};
use crate::distribution::{Declared, Node, Placement, Site};
use crate::schema::Schema::{self, V2, V3, V4};
use crate::schema::Version;

const OLD: Version = Version::new(1, 7, 24);
const NEW: Version = Version::new(2, 1, 9);
const NEWEST: Version = Version::new(2, 3, 2);

const PLAIN: &[&str] = &["/usr/bin/containerd", "/run/containerd/containerd.sock"];
const K3S: &[&str] =
    &["/var/lib/rancher/k3s/data/current/bin/containerd", "/run/k3s/containerd/containerd.sock"];
const RKE2: &[&str] = &["/var/lib/rancher/rke2/bin/containerd", "/run/k3s/containerd/containerd.sock"];
const K0S: &[&str] = &["/var/lib/k0s/bin/containerd", "/run/k0s/containerd.sock"];
const MICROK8S: &[&str] = &["/snap/microk8s/current/bin/containerd"];

/// A folder in `tests/nodes`.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) empty: &'static [&'static str],
    pub(super) version: Version,
    pub(super) distribution: Distribution,
    pub(super) kind: &'static str,
    pub(super) file: &'static str,
    pub(super) schema: Schema,
}

pub(super) fn all() -> Vec<Case> {
    let rows = PLAIN_NODES.iter().chain(OTHER_NODES);
    rows.map(|&(name, empty, version, distribution, kind, file, schema)| Case {
        name,
        empty,
        version,
        distribution,
        kind,
        file,
        schema,
    })
    .collect()
}

type Row = (&'static str, &'static [&'static str], Version, Distribution, &'static str, &'static str, Schema);

const CONFIG: &str = "/etc/containerd/config.toml";

const PLAIN_NODES: &[Row] = &[
    ("kubeadm-v2", PLAIN, OLD, Containerd, "edit", CONFIG, V2),
    ("kubeadm-v2", PLAIN, NEW, Containerd, "edit", CONFIG, V2),
    ("kubeadm-v3", PLAIN, NEW, Containerd, "edit", CONFIG, V3),
    ("conf-d-v3", PLAIN, NEW, Containerd, "drop-in", "/etc/containerd/conf.d/50-shimmer.toml", V3),
    ("conf-d-v4", PLAIN, NEWEST, Containerd, "drop-in", "/etc/containerd/conf.d/50-shimmer.toml", V4),
    ("eks-al2023", PLAIN, NEW, Containerd, "drop-in", "/etc/containerd/config.d/50-shimmer.toml", V3),
    ("eks-al2", PLAIN, OLD, Containerd, "edit", CONFIG, V2),
    ("eks-al2", PLAIN, NEW, Containerd, "drop-in", "/etc/containerd/config.d/50-shimmer.toml", V2),
    ("imported-v2", PLAIN, OLD, Containerd, "edit", "/etc/containerd/conf.d/20-cri.toml", V2),
    ("aks", PLAIN, OLD, Containerd, "edit", CONFIG, V2),
    ("crlf", PLAIN, NEW, Containerd, "edit", CONFIG, V3),
    ("inline", PLAIN, OLD, Containerd, "edit", CONFIG, V2),
    ("dotted", PLAIN, NEW, Containerd, "edit", CONFIG, V3),
    ("gke-ubuntu", PLAIN, OLD, Containerd, "edit", CONFIG, V2),
    ("defaults", PLAIN, OLD, Containerd, "new", CONFIG, V2),
    ("defaults", PLAIN, NEW, Containerd, "new", CONFIG, V3),
    ("bare-v2", PLAIN, OLD, Containerd, "edit", CONFIG, V2),
    ("comments-only", PLAIN, NEW, Containerd, "edit", CONFIG, V3),
];

const OTHER_NODES: &[Row] = &[
    (
        "k3s-v3",
        K3S,
        NEW,
        K3s,
        "drop-in",
        "/var/lib/rancher/k3s/agent/etc/containerd/config-v3.toml.d/50-shimmer.toml",
        V3,
    ),
    ("k3s-v2", K3S, OLD, K3s, "template", "/var/lib/rancher/k3s/agent/etc/containerd/config.toml.tmpl", V2),
    (
        "k3s-v3-template",
        K3S,
        NEW,
        K3s,
        "template",
        "/var/lib/rancher/k3s/agent/etc/containerd/config-v3.toml.tmpl",
        V3,
    ),
    (
        "k3s-foreign",
        K3S,
        OLD,
        K3s,
        "foreign",
        "/var/lib/rancher/k3s/agent/etc/containerd/config.toml.tmpl",
        V2,
    ),
    (
        "rke2-v3",
        RKE2,
        NEW,
        Rke2,
        "drop-in",
        "/var/lib/rancher/rke2/agent/etc/containerd/config-v3.toml.d/50-shimmer.toml",
        V3,
    ),
    ("k0s-v2", K0S, OLD, K0s, "drop-in", "/etc/k0s/containerd.d/50-shimmer.toml", V2),
    ("k0s-v3", K0S, NEW, K0s, "drop-in", "/etc/k0s/containerd.d/50-shimmer.toml", V3),
    ("k0s-own", K0S, NEW, K0s, "edit", "/etc/k0s/containerd.toml", V3),
    (
        "microk8s",
        MICROK8S,
        OLD,
        Microk8s,
        "edit",
        "/var/snap/microk8s/current/args/containerd-template.toml",
        V2,
    ),
];

#[test]
fn every_node_is_known_for_what_it_is() {
    for case in all() {
        let files = Files::of(case.name, case.empty);
        let host = files.host();
        let site = Site::detect(&Node::new(&host), &Declared::default(), &|_| Ok(case.version)).unwrap();
        let kind = match &site.placement {
            Placement::DropIn(_) => "drop-in",
            Placement::Edit(_) => "edit",
            Placement::New(_) => "new",
            Placement::Template(_) => "template",
            Placement::Foreign(_) => "foreign",
        };
        let name = case.name;
        assert_eq!(
            (site.distribution, kind, site.schema),
            (case.distribution, case.kind, case.schema),
            "{name}"
        );
        assert_eq!(site.placement.file(), Path::new(case.file), "{name}");
        assert_eq!(site.is_watched(), matches!(name, "k0s-v2" | "k0s-v3"), "{name}");
        assert_eq!(site.containerd, Path::new(case.empty[0]), "{name}");
        let socket = match (case.distribution, name) {
            (_, "conf-d-v4") => "/run/containerd/other.sock",
            (Distribution::Microk8s, _) => "/var/snap/microk8s/common/run/containerd.sock",
            _ => case.empty[1],
        };
        assert_eq!(site.socket, Path::new(socket), "{name}");
        assert_eq!(
            site.rendered.is_some(),
            matches!(name, "k3s-v2" | "k3s-v3-template" | "k3s-foreign" | "k0s-v2" | "microk8s"),
            "{name}"
        );
    }
}
