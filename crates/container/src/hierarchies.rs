//! The hierarchies of cgroups of version 1, for a container that shares the processes of another one: an ephemeral
//! container, or one of a pod with `shareProcessNamespace`.
//!
//! libcontainer mounts them itself, but looks for the cgroups of a process whose id it has in the namespace that is shared,
//! in a `/proc` of another one. Which process that is there, if it is any, is left to chance. So it is given plain mounts.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::{Failure, FailureKind};

/// Changes a bundle's specification so that its mount of cgroups is a mount of each hierarchy, for a container whose
/// cgroup this is; nothing to do where it has processes of its own.
///
/// # Errors
///
/// [`Invalid`](FailureKind::Invalid) for what is no specification, and what reading and writing it fails with.
pub(crate) fn mount_plainly(config: &Path, cgroup: &Path) -> Result<(), Failure> {
    let invalid = |error| Failure::new(FailureKind::Invalid, format!("{}: {error}", config.display()));
    let mut spec: Value = serde_json::from_slice(&fs::read(config)?).map_err(invalid)?;
    let names = names(Path::new(ROOT))?;
    if change(&mut spec, cgroup, &names) {
        fs::write(config, spec.to_string())?;
    }
    Ok(())
}

const ROOT: &str = "/sys/fs/cgroup";
/// The controllers that libcgroups makes a container's cgroup of.
const CONTROLLERS: [&str; 11] = [
    "blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "hugetlb", "memory", "net_cls", "net_prio",
    "pids",
];

/// The folders of those controllers.
fn names(root: &Path) -> Result<Vec<String>, Failure> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_known = name.split(',').any(|controller| CONTROLLERS.contains(&controller));
        names.extend((is_known && entry.file_type()?.is_dir()).then_some(name));
    }
    names.sort();
    Ok(names)
}

/// Whether anything was to be changed.
fn change(spec: &mut Value, cgroup: &Path, names: &[String]) -> bool {
    let namespaces = spec.pointer("/linux/namespaces").and_then(Value::as_array);
    let is_shared = |namespace: &Value| namespace["type"] == "pid" && namespace["path"].is_string();
    if !cgroup.is_absolute() || !namespaces.is_some_and(|all| all.iter().any(is_shared)) {
        return false;
    }
    let Some(mounts) = spec.get_mut("mounts").and_then(Value::as_array_mut) else { return false };
    let Some(position) = mounts.iter().position(|mount| mount["type"] == "cgroup") else { return false };
    let old = mounts.remove(position);
    let target = Path::new(old["destination"].as_str().unwrap_or(ROOT)).to_owned();
    let mut options = vec![json!("rbind")];
    options.extend(old["options"].as_array().into_iter().flatten().cloned());
    let own = cgroup.strip_prefix("/").unwrap_or(cgroup);
    let plain = |name: &String| {
        json!({
            "destination": target.join(name),
            "type": "bind",
            "source": Path::new(ROOT).join(name).join(own),
            "options": options,
        })
    };
    let folder = json!({ "destination": &target, "type": "tmpfs", "source": "tmpfs",
        "options": ["noexec", "nosuid", "nodev", "mode=755"] });
    let all: Vec<Value> = [folder].into_iter().chain(names.iter().map(plain)).collect();
    mounts.splice(position..position, all);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(namespace: &Value) -> Value {
        json!({
            "linux": { "namespaces": [{ "type": "mount" }, namespace] },
            "mounts": [
                { "destination": "/proc", "type": "proc" },
                { "destination": "/sys/fs/cgroup", "type": "cgroup", "options": ["ro", "nosuid"] },
                { "destination": "/data", "type": "bind" },
            ],
        })
    }

    #[test]
    fn a_container_that_shares_processes_has_a_mount_for_each_hierarchy() {
        let mut spec = spec(&json!({ "type": "pid", "path": "/proc/7/ns/pid" }));
        let names = ["cpu,cpuacct".to_owned(), "memory".to_owned()];
        assert!(change(&mut spec, Path::new("/pods/one"), &names));
        let mounts = spec["mounts"].as_array().expect("mounts");
        let targets: Vec<_> = mounts.iter().filter_map(|mount| mount["destination"].as_str()).collect();
        let expected =
            ["/proc", "/sys/fs/cgroup", "/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/memory", "/data"];
        assert_eq!(targets, expected);
        assert_eq!(mounts[1]["type"], "tmpfs");
        assert_eq!(mounts[3]["source"], "/sys/fs/cgroup/memory/pods/one");
        assert_eq!(mounts[3]["options"], json!(["rbind", "ro", "nosuid"]));
    }

    #[test]
    fn any_other_container_is_left_as_it_is() {
        for namespace in [json!({ "type": "pid" }), json!({ "type": "network", "path": "/run/net" })] {
            let mut changed = spec(&namespace);
            assert!(!change(&mut changed, Path::new("/pods/one"), &["memory".to_owned()]));
            assert_eq!(changed, spec(&namespace));
        }
    }

    #[test]
    fn only_controllers_that_a_container_has_are_mounted() {
        let root = tempfile::tempdir().expect("a folder");
        for name in ["cpu,cpuacct", "memory", "systemd", "unified"] {
            fs::create_dir(root.path().join(name)).expect("a folder");
        }
        std::os::unix::fs::symlink("cpu,cpuacct", root.path().join("cpu")).expect("a link");
        assert_eq!(names(root.path()).expect("it is read"), ["cpu,cpuacct", "memory"]);
    }
}
