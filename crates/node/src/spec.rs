//! What a container is to be, and the OCI runtime spec that says so to a runtime.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::archive::Process;
use crate::error::{Error, ErrorKind, Result};
use crate::image::Image;

/// A container to be made from an image; everything but the id, the image and the runtime has a default.
#[derive(Clone, Debug)]
pub struct ContainerSpec {
    pub(crate) id: String,
    pub(crate) image: Image,
    pub(crate) runtime: String,
    pub(crate) stdin: Option<Vec<u8>>,
    pub(crate) timeout: Duration,
    args: Option<Vec<String>>,
    env: Vec<String>,
    cwd: Option<String>,
    mounts: Vec<Mount>,
    user: Option<(u32, u32)>,
    memory: Option<u64>,
    annotations: BTreeMap<String, String>,
    shares_network: bool,
}

impl ContainerSpec {
    /// A container `id` of `image`, run by `runtime`, for example `io.containerd.runc.v2`.
    pub fn new(id: impl Into<String>, image: &Image, runtime: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            image: image.clone(),
            runtime: runtime.into(),
            stdin: None,
            timeout: Duration::from_secs(120),
            args: None,
            env: Vec::new(),
            cwd: None,
            mounts: Vec::new(),
            user: None,
            memory: None,
            annotations: BTreeMap::new(),
            shares_network: false,
        }
    }

    /// The command line, in place of the image's entrypoint and command.
    #[must_use]
    pub fn args<A: Into<String>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args = Some(args.into_iter().map(Into::into).collect());
        self
    }

    /// One more environment variable; it wins over the image's.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push(format!("{name}={value}"));
        self
    }

    /// The working directory, in place of the image's.
    #[must_use]
    pub fn cwd(mut self, folder: impl Into<String>) -> Self {
        self.cwd = Some(folder.into());
        self
    }

    /// One more folder or file of this machine, to be seen at `target`.
    #[must_use]
    pub fn mount(mut self, source: &Path, target: &str, access: Access) -> Self {
        self.mounts.push(Mount { source: source.to_owned(), target: target.to_owned(), access });
        self
    }

    /// The user and group, in place of the image's.
    #[must_use]
    pub fn user(mut self, user: u32, group: u32) -> Self {
        self.user = Some((user, group));
        self
    }

    /// The memory limit in bytes; without it there is none.
    #[must_use]
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// What the program reads on its standard input, to the end; without it there is nothing to read.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// How long [`Node::run`](crate::Node::run) waits for its end; 120 seconds without it.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// One more annotation of the OCI runtime spec.
    #[must_use]
    pub fn annotation(mut self, name: &str, value: &str) -> Self {
        self.annotations.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Uses this machine's network in place of an empty one, so that a server in it can be reached.
    #[must_use]
    pub fn host_network(mut self) -> Self {
        self.shares_network = true;
        self
    }

    /// The OCI runtime spec; `parent` is the cgroup that all containers of the node are in.
    pub(crate) fn oci(&self, parent: &str) -> Result<Value> {
        let image = &self.image.process;
        let args = self.args.clone().unwrap_or_else(|| command(image));
        if args.is_empty() {
            return Err(self.invalid("its image has no entrypoint, so it needs args"));
        }
        let (uid, gid) = self.identity()?;
        let cwd = self.cwd.as_deref().or(image.working_dir.as_deref()).filter(|cwd| !cwd.is_empty());
        let capabilities: Vec<_> = CAPABILITIES.iter().map(|name| format!("CAP_{name}")).collect();
        Ok(json!({
            "ociVersion": "1.0.2",
            "hostname": self.id,
            "root": { "path": "rootfs" },
            "process": {
                "user": { "uid": uid, "gid": gid },
                "args": args,
                "env": self.environment(),
                "cwd": cwd.unwrap_or("/"),
                "noNewPrivileges": true,
                "capabilities": { "bounding": capabilities, "effective": capabilities, "permitted": capabilities },
                "rlimits": [{ "type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024 }],
            },
            "mounts": self.all_mounts(),
            "annotations": self.annotations,
            "linux": self.linux(parent),
        }))
    }

    fn linux(&self, parent: &str) -> Value {
        let kinds = ["pid", "ipc", "uts", "mount", "network"];
        let wanted = kinds.iter().filter(|kind| !self.shares_network || **kind != "network");
        let namespaces: Vec<_> = wanted.map(|kind| json!({ "type": kind })).collect();
        let mut resources = json!({ "devices": devices() });
        if let Some(limit) = self.memory {
            resources["memory"] = json!({ "limit": limit });
        }
        json!({
            "cgroupsPath": format!("/{parent}/{}", self.id),
            "namespaces": namespaces,
            "resources": resources,
            "maskedPaths": MASKED,
            "readonlyPaths": READ_ONLY,
        })
    }

    fn environment(&self) -> Vec<String> {
        let mut environment = self.image.process.env.clone().unwrap_or_default();
        if !environment.iter().any(|entry| entry.starts_with("PATH=")) {
            environment.insert(0, DEFAULT_PATH.into());
        }
        for entry in &self.env {
            let name = entry.split('=').next().unwrap_or_default();
            environment.retain(|old| old.split('=').next() != Some(name));
            environment.push(entry.clone());
        }
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

    fn all_mounts(&self) -> Value {
        let mut mounts = vec![
            mount("proc", "proc", "/proc", &["nosuid", "noexec", "nodev"]),
            mount("tmpfs", "tmpfs", "/dev", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
            mount(
                "devpts",
                "devpts",
                "/dev/pts",
                &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
            ),
            mount("tmpfs", "shm", "/dev/shm", &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
            mount("mqueue", "mqueue", "/dev/mqueue", &["nosuid", "noexec", "nodev"]),
            mount("sysfs", "sysfs", "/sys", &["nosuid", "noexec", "nodev", "ro"]),
        ];
        mounts.extend(self.mounts.iter().map(Mount::oci));
        Value::Array(mounts)
    }

    fn invalid(&self, why: impl AsRef<str>) -> Error {
        Error::new(
            ErrorKind::Spec,
            format!("the container {} cannot be described: {}", self.id, why.as_ref()),
        )
    }
}

/// What a container may do with a mount.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Access {
    /// Read only.
    Read,
    /// Read and write.
    Write,
}

#[derive(Clone, Debug)]
struct Mount {
    source: PathBuf,
    target: String,
    access: Access,
}

impl Mount {
    fn oci(&self) -> Value {
        let access = match self.access {
            Access::Read => "ro",
            Access::Write => "rw",
        };
        json!({ "type": "bind", "source": self.source, "destination": self.target, "options": ["rbind", access] })
    }
}

fn command(image: &Process) -> Vec<String> {
    let parts = [&image.entrypoint, &image.cmd];
    parts.into_iter().flatten().flatten().cloned().collect()
}

fn mount(kind: &str, source: &str, target: &str, options: &[&str]) -> Value {
    json!({ "type": kind, "source": source, "destination": target, "options": options })
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

const MASKED: [&str; 9] = [
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

const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

#[cfg(test)]
mod tests {
    use super::*;

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
}
