//! What in the node's settings would break WebAssembly images or pods, and what sets it right.
//!
//! Lists of pod annotations (`pod_annotations`, `container_annotations`) are no matter here: our shims read only those that
//! CRI itself sets, and it passes these on whatever the lists say.

use std::fmt;
use std::path::Path;

use serde_json::Value;

use crate::check::Dump;
use crate::config::Wanted;
use crate::distribution::{Node, Site};
use crate::error::Result;

/// A warning.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Advice {
    pub(crate) kind: Kind,
    /// What is wrong, what comes of it, and what to do.
    pub(crate) text: String,
}

/// What a warning is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// Images are pulled by the transfer service: `--fix` sets `Settings::local_image_pull`.
    Transfer,
    /// runc, our shims and the kubelet do not make their cgroups in the same way. `--systemd-cgroup` says how ours do.
    Cgroups,
}

impl fmt::Display for Advice {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

/// All warnings for `wanted`; `before` is the configuration without it, in which `old` of an earlier install may be.
pub(crate) fn advise(
    node: &Node<'_>,
    site: &Site,
    before: &Dump,
    old: &Wanted,
    wanted: &Wanted,
) -> Result<Vec<Advice>> {
    let mut all = Vec::new();
    all.extend(transfer(site, before, old, wanted));
    let runc = before.systemd_cgroup().unwrap_or(false);
    let mut cgroups = |text| all.push(Advice { kind: Kind::Cgroups, text });
    for runtime in &wanted.runtimes {
        if runtime.systemd_cgroup.unwrap_or(false) != runc {
            cgroups(format!(
                "the runtime {} gets SystemdCgroup = {}, and runc has {runc}: pods of the two would have their cgroups in \
                 different trees. Leave out --systemd-cgroup",
                runtime.handler,
                runtime.systemd_cgroup.unwrap_or(false),
            ));
        }
    }
    if let Some((file, driver)) = driver(node)?
        && (driver == "systemd") != runc
    {
        cgroups(format!(
            "{file} says cgroupDriver: {driver}, and containerd's runc has SystemdCgroup = {runc}: pods would not be limited as \
             they should. Set SystemdCgroup = {} for runc, and install again",
            driver == "systemd"
        ));
    }
    Ok(all)
}

/// From 2.1 on the transfer service pulls, and does not unpack images of a platform that is not the node's.
fn transfer(site: &Site, before: &Dump, old: &Wanted, wanted: &Wanted) -> Option<Advice> {
    // What an earlier install has turned off is on again without it.
    let is_on = before.pulls_locally() == Some(false) || old.settings.local_image_pull;
    let transfers = site.version.transfers() && is_on;
    (transfers && !wanted.settings.local_image_pull).then(|| Advice {
        kind: Kind::Transfer,
        text: format!(
            "containerd {} pulls images by its transfer service, which does not unpack those of the platform wasi/wasm (pods \
             then fail with \"parent snapshot does not exist\"); images that say linux work. --fix sets use_local_image_pull",
            site.version
        ),
    })
}

/// What the kubelet's configuration says, where there is one and it says it. Newer ones ask containerd instead.
fn driver(node: &Node<'_>) -> Result<Option<(&'static str, String)>> {
    for file in KUBELETS {
        let Some(bytes) = node.read(Path::new(file))? else { continue };
        let text = String::from_utf8_lossy(&bytes);
        let found = match serde_json::from_str::<Value>(&text) {
            Ok(json) => json.get("cgroupDriver").and_then(Value::as_str).map(str::to_owned),
            Err(_) => yaml(&text),
        };
        if let Some(driver) = found {
            return Ok(Some((file, driver)));
        }
    }
    Ok(None)
}

/// Of kubeadm, and of EKS.
const KUBELETS: [&str; 3] = [
    "/var/lib/kubelet/config.yaml",
    "/etc/kubernetes/kubelet/config.json",
    "/etc/kubernetes/kubelet/kubelet-config.json",
];

/// A key of the outermost mapping: it begins its line.
fn yaml(text: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.strip_prefix("cgroupDriver:"))?;
    let value = value.split(" #").next().unwrap_or_default().trim().trim_matches(['"', '\'']);
    (!value.is_empty()).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distribution::Declared;
    use crate::nodes::{Files, wanted};
    use crate::schema::Version;

    /// What is said on a node of this name, whose runc has `SystemdCgroup` or not.
    fn said(name: &str, systemd: bool, pull: bool, wanted: &Wanted) -> Vec<Kind> {
        let files = Files::of(name, &["/usr/bin/containerd"]);
        let host = files.host();
        let node = Node::new(&host);
        let site = Site::detect(&node, &Declared::default(), &|_| Ok(Version::new(2, 1, 9))).unwrap();
        let dump = format!(
            "version = 3\n[plugins.'io.containerd.cri.v1.images']\nuse_local_image_pull = {pull}\n\
             [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]\nSystemdCgroup = {systemd}\n"
        );
        let before = Dump::parse(dump.as_bytes()).unwrap();
        advise(&node, &site, &before, &Wanted::default(), wanted)
            .unwrap()
            .into_iter()
            .map(|advice| advice.kind)
            .collect()
    }

    #[test]
    fn warns_of_the_transfer_service_until_it_is_turned_off() {
        let mut ours = wanted(&["wasmtime"]);
        assert_eq!(said("conf-d-v3", true, false, &ours), [Kind::Transfer]);
        assert_eq!(said("conf-d-v3", true, true, &ours), []);
        ours.settings.local_image_pull = true;
        assert_eq!(said("conf-d-v3", true, false, &ours), []);
    }

    #[test]
    fn warns_of_cgroups_that_do_not_fit_together() {
        let ours = wanted(&["wasmtime"]);
        // Ours and runc, ours and runc and the kubelet, runc and the kubelet.
        assert_eq!(said("conf-d-v3", false, true, &ours), [Kind::Cgroups]);
        assert_eq!(said("eks-al2023", false, true, &ours), [Kind::Cgroups, Kind::Cgroups]);
        assert_eq!(said("kubeadm-v3", true, true, &ours), [Kind::Cgroups]);
        assert_eq!(said("kubeadm-v2", true, true, &ours), []);
    }

    #[test]
    fn reads_the_kubelets_driver_from_its_own_line_only() {
        let text =
            "# cgroupDriver: a\napiVersion: v1\nx:\n  cgroupDriver: b\ncgroupDriver: \"systemd\" # why\n";
        assert_eq!(yaml(text).as_deref(), Some("systemd"));
        assert_eq!(yaml("kind: KubeletConfiguration\n"), None);
    }
}
