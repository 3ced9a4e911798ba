//! The OCI runtime spec that tells a runtime what a container is to be.

use serde_json::{Value, json};

use crate::archive::Process;
use crate::error::{Error, ErrorKind, Result};
use crate::mount::Mount;
use crate::spec::ContainerSpec;

impl ContainerSpec {
    /// The OCI runtime spec; `parent` is the cgroup that all containers of the node are in.
    pub(crate) fn oci(&self, parent: &str) -> Result<Value> {
        let mounts: Vec<_> = Mount::usual().iter().chain(&self.mounts).map(Mount::oci).collect();
        let mut spec = json!({
            "ociVersion": "1.0.2",
            "hostname": self.hostname.as_ref().unwrap_or(&self.id),
            "root": { "path": "rootfs", "readonly": self.has_read_only_root },
            "process": self.process()?,
            "mounts": mounts,
            "annotations": self.annotations,
            "linux": self.linux(parent),
        });
        if !self.hooks.is_empty() {
            spec["hooks"] = json!(self.hooks);
        }
        Ok(spec)
    }

    fn process(&self) -> Result<Value> {
        let image = &self.image.process;
        let args = self.args.clone().unwrap_or_else(|| command(image));
        if args.is_empty() {
            return Err(self.invalid("its image has no entrypoint, so it needs args"));
        }
        let (uid, gid) = self.identity()?;
        let cwd = self.cwd.as_deref().or(image.working_dir.as_deref()).filter(|cwd| !cwd.is_empty());
        let capabilities = self.capability_names();
        let rlimits = self.rlimits.iter();
        let rlimits: Vec<_> =
            rlimits.map(|(kind, limit)| json!({ "type": kind, "hard": limit, "soft": limit })).collect();
        let mut user = json!({ "uid": uid, "gid": gid });
        if !self.groups.is_empty() {
            user["additionalGids"] = json!(self.groups);
        }
        Ok(json!({
            "terminal": self.terminal,
            "user": user,
            "args": args,
            "env": self.environment(),
            "cwd": cwd.unwrap_or("/"),
            "noNewPrivileges": !self.may_gain_privileges,
            "capabilities": { "bounding": capabilities, "effective": capabilities, "permitted": capabilities },
            "rlimits": rlimits,
        }))
    }

    fn linux(&self, parent: &str) -> Value {
        let kinds = ["pid", "ipc", "uts", "mount", "network"];
        let wanted = kinds.iter().filter(|kind| !self.shares_network || **kind != "network");
        let namespaces: Vec<_> = wanted.map(|kind| json!({ "type": kind })).collect();
        let mut resources = self.resources.oci();
        resources["devices"] = devices();
        let mut linux = json!({
            "cgroupsPath": format!("/{parent}/{}", self.id),
            "namespaces": namespaces,
            "resources": resources,
            "maskedPaths": MASKED,
            "readonlyPaths": READ_ONLY,
        });
        if let Some(filter) = &self.seccomp {
            linux["seccomp"] = filter.clone();
        }
        linux
    }

    fn capability_names(&self) -> Vec<String> {
        let name = |name: &str| format!("CAP_{name}");
        let usual = || CAPABILITIES.iter().map(|usual| name(usual)).collect();
        self.capabilities.as_ref().map_or_else(usual, |exact| exact.iter().map(|exact| name(exact)).collect())
    }

    fn environment(&self) -> Vec<String> {
        if self.has_exact_env {
            return self.env.clone();
        }
        let mut environment = self.image.process.env.clone().unwrap_or_default();
        if !environment.iter().any(|entry| entry.starts_with("PATH=")) {
            environment.insert(0, DEFAULT_PATH.into());
        }
        override_env(&mut environment, &self.env);
        environment
    }

    /// A name in an image's `USER` would have to be looked up inside the image; only numbers are understood.
    fn identity(&self) -> Result<(u32, u32)> {
        if let Some(identity) = self.user {
            return Ok(identity);
        }
        let text = self.image.process.user.as_deref().unwrap_or_default();
        if text.is_empty() {
            return Ok((0, 0));
        }
        let (user, group) = text.split_once(':').unwrap_or((text, "0"));
        let numbers = user.parse().ok().zip(group.parse().ok());
        numbers.ok_or_else(|| self.invalid(format!("its image's user {text:?} is no number; give one")))
    }

    fn invalid(&self, why: impl AsRef<str>) -> Error {
        Error::new(
            ErrorKind::Spec,
            format!("the container {} cannot be described: {}", self.id, why.as_ref()),
        )
    }
}

/// Lets the entries of `newer` win over those of the same name.
pub(crate) fn override_env(environment: &mut Vec<String>, newer: &[String]) {
    for entry in newer {
        let name = entry.split('=').next();
        environment.retain(|old| old.split('=').next() != name);
        environment.push(entry.clone());
    }
}

fn command(image: &Process) -> Vec<String> {
    let parts = [&image.entrypoint, &image.cmd];
    parts.into_iter().flatten().flatten().cloned().collect()
}

/// No device but the harmless ones: null, full, zero, random, urandom, tty, console, ptmx and pseudo
/// terminals.
fn devices() -> Value {
    let character = |major: u32, minor: Option<u32>| {
        let mut device = json!({ "allow": true, "type": "c", "major": major, "access": "rwm" });
        if let Some(minor) = minor {
            device["minor"] = minor.into();
        }
        device
    };
    let memory = [3, 5, 7, 8, 9].map(|minor| character(1, Some(minor)));
    let terminals = [0, 1, 2].map(|minor| character(5, Some(minor)));
    let mut rules = vec![json!({ "allow": false, "access": "rwm" }), character(136, None)];
    rules.extend(memory.into_iter().chain(terminals));
    Value::Array(rules)
}

const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const CAPABILITIES: [&str; 14] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

pub(crate) const MASKED: [&str; 9] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/sys/firmware",
];

pub(crate) const READ_ONLY: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Image;

    fn image(process: Process) -> Image {
        Image::fake(process)
    }

    fn oci(spec: &ContainerSpec) -> Value {
        spec.oci("shimmer-x").expect("a spec")
    }

    #[test]
    fn takes_command_environment_and_folder_from_the_image() {
        let image = image(Process {
            entrypoint: Some(vec!["/a".into()]),
            cmd: Some(vec!["b".into()]),
            env: Some(vec!["X=1".into(), "Y=2".into()]),
            working_dir: Some("/w".into()),
            user: Some("7:8".into()),
        });
        let process = &oci(&ContainerSpec::new("c", &image, "r").env("X", "3"))["process"];
        assert_eq!(process["args"], json!(["/a", "b"]));
        assert_eq!(process["env"], json!([DEFAULT_PATH, "Y=2", "X=3"]));
        assert_eq!(process["cwd"], json!("/w"));
        assert_eq!(process["user"], json!({ "uid": 7, "gid": 8 }));
    }

    #[test]
    fn gives_nothing_but_an_exact_environment() {
        let image = image(Process { env: Some(vec!["X=1".into()]), ..Process::default() });
        let spec = ContainerSpec::new("c", &image, "r").args(["x"]).env("Y", "2");
        assert_eq!(oci(&spec.exact_env())["process"]["env"], json!(["Y=2"]));
    }

    #[test]
    fn refuses_a_container_without_a_command() {
        let error =
            ContainerSpec::new("c", &image(Process::default()), "r").oci("p").expect_err("no command");
        assert_eq!(error.kind(), &ErrorKind::Spec);
        assert!(error.to_string().contains("needs args"), "{error}");
    }

    #[test]
    fn refuses_a_user_by_name() {
        let image = image(Process { user: Some("nobody".into()), ..Process::default() });
        let error = ContainerSpec::new("c", &image, "r").args(["x"]).oci("p").expect_err("no number");
        assert!(error.to_string().contains("\"nobody\""), "{error}");
    }

    #[test]
    fn puts_every_container_below_the_nodes_cgroup() {
        let spec = oci(&ContainerSpec::new("c", &image(Process::default()), "r").args(["x"]).memory(1 << 20));
        assert_eq!(spec["linux"]["cgroupsPath"], json!("/shimmer-x/c"));
        assert_eq!(spec["linux"]["resources"]["memory"]["limit"], json!(1 << 20));
    }

    #[test]
    fn gives_exactly_the_capabilities_that_are_named() {
        let spec = ContainerSpec::new("c", &image(Process::default()), "r").args(["x"]);
        let usual = &oci(&spec)["process"]["capabilities"]["bounding"];
        assert_eq!(usual.as_array().expect("a list").len(), CAPABILITIES.len());
        let exact = &oci(&spec.clone().capabilities(&["KILL"]))["process"]["capabilities"];
        assert_eq!(exact["effective"], json!(["CAP_KILL"]));
        assert_eq!(oci(&spec.capabilities(&[]))["process"]["capabilities"]["bounding"], json!([]));
    }
}
