//! Nodes on which it is better to do nothing.

use std::path::Path;

use super::{Files, wanted};
use crate::distribution::{Declared, Distribution, Node, Site};
use crate::error::ErrorKind;
use crate::schema::Version;

const PLAIN: [&str; 2] = ["/usr/bin/containerd", "/run/containerd/containerd.sock"];
const CONFIG: &str = "/etc/containerd/config.toml";
const K3S: &str = "/var/lib/rancher/k3s/agent/etc/containerd/config.toml";
const NEW: Version = Version::new(2, 1, 9);

fn detect(files: &Files, declared: &Declared, version: Version) -> Result<Site, String> {
    let host = files.host();
    Site::detect(&Node::new(&host), declared, &|_| Ok(version)).map_err(|error| {
        assert_eq!(error.kind(), ErrorKind::Refused);
        error.to_string()
    })
}

/// What is said of a plain node with this configuration.
fn said_of(config: &str, version: Version) -> String {
    let files = Files::of("", &PLAIN);
    files.put(Path::new(CONFIG), config.as_bytes());
    detect(&files, &Declared::default(), version).unwrap_err()
}

#[test]
fn refuses_configurations_that_are_not_what_they_should_be() {
    let old = Version::new(1, 7, 24);
    for (config, version, said) in [
        ("version = 1\n", NEW, "migrate"),
        ("[plugins.cri]\n", NEW, "says no version"),
        ("version = 9\n", NEW, "newer installer"),
        ("version = 2.5\n", NEW, "newer installer"),
        ("version = '3'\n", NEW, "says no version"),
        ("version = 3\n", old, "cannot read"),
        ("version = 4\n", NEW, "cannot read"),
        ("version = 2\ndisabled_plugins = [\"cri\"]\n", NEW, "turns CRI off"),
        ("version = 3\ndisabled_plugins = ['x', 'io.containerd.grpc.v1.cri']\n", NEW, "turns CRI off"),
        ("version = 3\nimports = '/etc/*.toml'\n", NEW, "no list of paths"),
        ("this is no TOML", NEW, "is not TOML"),
    ] {
        let error = said_of(config, version);
        assert!(error.contains(said) && error.contains(CONFIG), "{config}: {error}");
    }
}

#[test]
fn refuses_bytes_that_are_no_text() {
    let files = Files::of("", &PLAIN);
    files.put(Path::new(CONFIG), b"version = 3\n# \xff\n");
    assert!(detect(&files, &Declared::default(), NEW).unwrap_err().contains("is not TOML"));
}

#[test]
fn refuses_systems_whose_files_are_made_elsewhere() {
    for (id, said) in
        [("bottlerocket", "Bottlerocket"), ("talos", "system extension"), ("cos", "UBUNTU_CONTAINERD")]
    {
        let files = Files::of("kubeadm-v2", &PLAIN);
        files.put(Path::new("/etc/os-release"), format!("NAME=x\nID=\"{id}\"\n").as_bytes());
        assert!(detect(&files, &Declared::default(), NEW).unwrap_err().contains(said));
    }
}

#[test]
fn refuses_defaults_that_are_hidden() {
    let flatcar = Files::of("", &["/usr/bin/containerd"]);
    flatcar.put(Path::new("/etc/os-release"), b"ID=flatcar\n");
    let imported = Files::of("", &["/usr/bin/containerd", "/etc/containerd/conf.d/10-x.toml"]);
    for files in [flatcar, imported] {
        assert!(detect(&files, &Declared::default(), NEW).unwrap_err().contains("another configuration"));
    }
}

#[test]
fn a_docker_beside_k3s_is_usual_and_no_doubt() {
    let files = Files::of("k3s-v3", &[PLAIN[0], PLAIN[1], "/run/k3s/containerd/containerd.sock"]);
    files.put(Path::new(CONFIG), b"version = 2\ndisabled_plugins = [\"cri\"]\n");
    files.put(Path::new("/var/lib/rancher/k3s/data/current/bin/containerd"), b"");
    assert_eq!(detect(&files, &Declared::default(), NEW).unwrap().distribution, Distribution::K3s);
}

#[test]
fn refuses_when_two_could_be_meant() {
    let kubeadm = Files::of(
        "k3s-v3",
        &[PLAIN[0], "/etc/kubernetes/kubelet.conf", "/run/k3s/containerd/containerd.sock"],
    );
    let left_over = Files::of("k3s-v3", &PLAIN);
    let two = Files::of("k3s-v3", &["/etc/k0s/containerd.toml"]);
    for files in [kubeadm, left_over, two] {
        let error = detect(&files, &Declared::default(), NEW).unwrap_err();
        assert!(
            error.contains("--distribution") && error.contains("k3s") && error.contains(" and "),
            "{error}"
        );
    }
}

#[test]
fn refuses_what_is_declared_and_not_there() {
    let declared = |distribution| Declared { distribution: Some(distribution), ..Declared::default() };
    let files = Files::of("kubeadm-v2", &PLAIN);
    let error = detect(&files, &declared(Distribution::K3s), NEW).unwrap_err();
    assert!(error.contains("k3s was declared") && error.contains(CONFIG), "{error}");
    let files = Files::of("k3s-v3", &[PLAIN[0], "/run/k3s/containerd/containerd.sock"]);
    assert!(
        detect(&files, &declared(Distribution::Containerd), NEW)
            .unwrap_err()
            .contains("something else serves")
    );
    let files = Files::of("", &[]);
    assert!(detect(&files, &Declared::default(), NEW).unwrap_err().contains("no containerd was found"));
    let elsewhere = Declared { config: Some("/srv/none.toml".into()), ..Declared::default() };
    assert!(detect(&files, &elsewhere, NEW).unwrap_err().contains("/srv/none.toml"));
}

#[test]
fn what_is_declared_wins_over_what_is_usual() {
    let files = Files::of("k3s-v2", &["/srv/k3s/data/current/bin/containerd"]);
    let config = Path::new("/srv/k3s/agent/etc/containerd/config.toml");
    files.put(config, &files.read(Path::new(K3S)).unwrap());
    let declared = Declared {
        distribution: Some(Distribution::K3s),
        config: Some(config.into()),
        socket: Some("/run/other.sock".into()),
    };
    let site = detect(&files, &declared, NEW).unwrap();
    assert_eq!(site.placement.file(), Path::new("/srv/k3s/agent/etc/containerd/config.toml.tmpl"));
    assert_eq!(site.containerd, Path::new("/srv/k3s/data/current/bin/containerd"));
    assert_eq!(site.socket, Path::new("/run/other.sock"));
}

#[test]
fn refuses_a_handler_that_is_somebody_elses() {
    let files = Files::of("kubeadm-v2", &PLAIN);
    let error = files.plan(&Declared::default(), NEW, None, &wanted(&["wasmtime", "runc"])).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Refused);
    let error = error.to_string();
    assert!(
        error.contains("runtime runc") && error.contains("io.containerd.runc.v2") && error.contains(CONFIG),
        "{error}"
    );
}

#[test]
fn refuses_a_drop_in_of_our_name_that_is_not_ours() {
    let files = Files::of("conf-d-v3", &PLAIN);
    files.put(Path::new("/etc/containerd/conf.d/50-shimmer.toml"), b"version = 3\n");
    let error =
        files.plan(&Declared::default(), NEW, None, &wanted(&["wasmtime"])).err().unwrap().to_string();
    assert!(error.contains("50-shimmer.toml has something in it"), "{error}");
}

#[test]
fn refuses_a_file_that_is_made_anew_at_every_start() {
    let files = Files::of("k3s-v3", &["/srv/k3s/agent/etc/containerd/config.toml"]);
    let at = |config: &str, distribution| {
        let declared = Declared { config: Some(config.into()), distribution, socket: None };
        detect(&files, &declared, NEW)
    };
    assert!(at("/srv/k3s/agent/etc/containerd/config.toml", None).unwrap_err().contains("--distribution"));
    assert!(at(K3S, Some(Distribution::Rke2)).unwrap_err().contains("is k3s's"));
    assert!(at(K3S, None).unwrap_err().contains("data/current/bin/containerd"));
}

#[test]
fn refuses_handlers_that_kubernetes_would_not_take() {
    let files = Files::of("conf-d-v3", &PLAIN);
    for handlers in [&["Wasm"][..], &["{{ . }}"], &[""], &["a", "a"], &["a\nb"]] {
        let error = files.plan(&Declared::default(), NEW, None, &wanted(handlers)).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    }
}
