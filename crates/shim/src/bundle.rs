use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use serde::Deserialize;
use shimmer_oci::Process;

use crate::error::{Error, Kind, Result};

/// What the shim itself reads of a container's specification. The rest is libcontainer's, in another process.
#[derive(Debug, Deserialize)]
pub(crate) struct Definition {
    #[serde(default)]
    pub(crate) annotations: HashMap<String, String>,
    #[serde(default)]
    mounts: Vec<Destination>,
    process: Option<Program>,
}

#[derive(Debug, Deserialize)]
struct Destination {
    destination: PathBuf,
}

#[derive(Debug, Deserialize)]
struct Program {
    #[serde(default)]
    args: Option<Vec<String>>,
    #[serde(default)]
    env: Option<Vec<String>>,
    cwd: String,
    #[serde(default)]
    user: User,
}

/// Who a process runs as.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct User {
    #[serde(default)]
    pub(crate) uid: u32,
    #[serde(default)]
    pub(crate) gid: u32,
}

impl Definition {
    /// Reads `config.json` of a bundle.
    ///
    /// # Errors
    ///
    /// Those of the file, and [`Kind::Invalid`] where it makes no sense.
    pub(crate) fn read(bundle: &Path) -> Result<Self> {
        let path = bundle.join("config.json");
        let file =
            File::open(&path).map_err(|error| Error::from(error).during(&path.display().to_string()))?;
        serde_json::from_reader(BufReader::new(file)).map_err(|error| {
            Error::new(Kind::Invalid, format!("{} is no OCI runtime specification: {error}", path.display()))
        })
    }

    /// The pod that the container belongs to: its shim serves all of them, as runc's does.
    pub(crate) fn group(&self) -> Option<&str> {
        const NAMES: [&str; 2] = ["io.containerd.runc.v2.group", "io.kubernetes.cri.sandbox-id"];
        NAMES.iter().find_map(|name| self.annotations.get(*name)).map(String::as_str)
    }

    /// Whether it holds a pod's namespaces, and nothing else.
    pub(crate) fn is_sandbox(&self) -> bool {
        self.annotations.get("io.kubernetes.cri.container-type").is_some_and(|kind| kind == "sandbox")
    }

    pub(crate) fn user(&self) -> User {
        self.process.as_ref().map(|process| process.user).unwrap_or_default()
    }

    /// Whether it certainly runs a native program, which needs no engine. Where that cannot be told from outside, as with
    /// a program in a mount, it may.
    pub(crate) fn is_native(&self, root: &Path) -> bool {
        self.is_sandbox() || self.native_program(root).unwrap_or(false)
    }

    fn native_program(&self, root: &Path) -> Option<bool> {
        let program = self.process.as_ref()?;
        let process = Process {
            args: program.args.as_deref().unwrap_or_default(),
            env: program.env.as_deref().unwrap_or_default(),
            cwd: &program.cwd,
        };
        let environment = process.environment().ok()?;
        let root = File::open(root).ok()?;
        for path in process.entrypoint().ok()?.candidates(&environment, process.cwd) {
            let mounted = |mount: &Destination| {
                mount.destination != Path::new("/") && path.starts_with(&mount.destination)
            };
            if self.mounts.iter().any(mounted) {
                return None;
            }
            let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
            let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
            let Ok(file) = rustix::fs::openat2(&root, &path, flags, Mode::empty(), resolve) else { continue };
            return is_executable(File::from(file));
        }
        None
    }
}

fn is_executable(mut file: File) -> Option<bool> {
    let metadata = file.metadata().ok()?;
    if !metadata.is_file() || metadata.permissions().mode() & 0o111 == 0 {
        return Some(false);
    }
    let mut magic = [0; 4];
    file.read_exact(&mut magic).ok()?;
    Some(magic == *b"\x7fELF" || magic.starts_with(b"#!"))
}
