//! What this machine offers: containerd, runc, the CNI plugins and our rights. The only file of this crate
//! that reads environment variables: `SHIMMER_CONTAINERD`, a containerd binary or the folder it is in, `PATH`, and
//! `XDG_CACHE_HOME` or `HOME`, below which Kubernetes and virtual machines are built.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Error, ErrorKind, Result};

/// The programs a node is made of, found and identified.
#[derive(Clone, Debug)]
pub(crate) struct Environment {
    pub(crate) containerd: PathBuf,
    pub(crate) version: Version,
    /// PATH of the node: the shims first, then the folders of containerd, runc and the CNI plugins.
    pub(crate) path: OsString,
    pub(crate) cni: PathBuf,
    pub(crate) may_lower_oom_score: bool,
}

impl Environment {
    /// Finds everything, or says what to install.
    pub(crate) fn detect(containerd: Option<&Path>, shims: Option<&Path>) -> Result<Self> {
        require_root()?;
        let containerd = find_containerd(containerd)?;
        let runc = find("runc").ok_or_else(|| missing("runc", "in PATH"))?;
        let cni = cni_folder()?;
        let folders = [containerd.parent(), runc.parent(), Some(cni)];
        let path =
            env::join_paths(shims.into_iter().chain(folders.into_iter().flatten())).map_err(|error| {
                Error::new(ErrorKind::Environment, format!("a folder cannot be put into PATH: {error}"))
            })?;
        if in_folders(&path, RUNC_SHIM).is_none() {
            return Err(missing(RUNC_SHIM, &format!("beside {}", containerd.display())));
        }
        let version = Version::of(&containerd)?;
        let may_lower_oom_score = has_capability(CAP_SYS_RESOURCE)?;
        Ok(Self { containerd, version, path, cni: cni.to_owned(), may_lower_oom_score })
    }
}

/// The programs that a node is made of, to be copied to another machine: containerd with its client, its shim and runc,
/// the CNI plugins, and busybox; each with its place there.
pub(crate) fn programs() -> Result<Vec<(PathBuf, PathBuf)>> {
    let containerd = find_containerd(None)?;
    let beside =
        |name: &str| containerd.parent().map(|folder| folder.join(name)).filter(|file| is_executable(file));
    let named = |name: &str| beside(name).or_else(|| find(name)).ok_or_else(|| missing(name, "in PATH"));
    let others = ["ctr", RUNC_SHIM, "runc"].into_iter().map(named).collect::<Result<Vec<_>>>()?;
    let busybox = find("busybox").ok_or_else(|| missing("busybox, static,", "in PATH"))?;
    let placed = |folder: &'static str| {
        move |file: PathBuf| {
            let place = Path::new(folder).join(file.file_name().unwrap_or_default());
            (file, place)
        }
    };
    let cni = cni_folder()?;
    let plugins = CNI_PLUGINS.iter().map(|plugin| cni.join(plugin)).map(placed(CNI_FOLDERS[1]));
    let programs = others.into_iter().chain([containerd.clone(), busybox]).map(placed("/usr/bin"));
    Ok(programs.chain(plugins).collect())
}

/// The folder in which this user keeps what machines are made of, which any run can make again.
///
/// # Errors
/// [`Environment`](ErrorKind::Environment) for a user without a home.
pub fn machine_folder() -> Result<PathBuf> {
    Ok(cache()?.join("machine"))
}

/// A version of containerd, as far as its configuration depends on it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Version {
    pub(crate) major: u32,
    pub(crate) minor: u32,
}

impl Version {
    fn of(containerd: &Path) -> Result<Self> {
        let output = Command::new(containerd)
            .arg("--version")
            .env_clear()
            .stdin(Stdio::null())
            .output()
            .map_err(|error| Error::io(format!("run {} --version", containerd.display()), error))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let version = Self::parse(&text).ok_or_else(|| {
            let said = text.trim();
            let message = format!("{} --version says {said:?}, which is no version", containerd.display());
            Error::new(ErrorKind::Environment, message)
        })?;
        if version < OLDEST {
            let message = format!(
                "{} is containerd {}.{}, older than the oldest supported one, {}.{}: install a newer one or name it \
                 in SHIMMER_CONTAINERD",
                containerd.display(),
                version.major,
                version.minor,
                OLDEST.major,
                OLDEST.minor
            );
            return Err(Error::new(ErrorKind::Environment, message));
        }
        Ok(version)
    }

    /// Reads `containerd <module path> [v]1.7.24~ds1 <revision>`.
    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split_whitespace().nth(2)?.trim_start_matches('v').split('.');
        let mut number = || numbers.next()?.parse().ok();
        Some(Self { major: number()?, minor: number()? })
    }
}

/// The shim of `runc`, which containerd brings along.
///
/// # Errors
/// [`Environment`](ErrorKind::Environment) where it is not in `PATH`.
pub fn runc_shim() -> Result<PathBuf> {
    find(RUNC_SHIM).ok_or_else(|| missing(RUNC_SHIM, "in PATH"))
}

/// A dockerd, and the PATH in which it finds runc and `ps`.
#[derive(Clone, Debug)]
pub(crate) struct Dockerd {
    pub(crate) file: PathBuf,
    pub(crate) path: OsString,
}

impl Dockerd {
    /// Finds it, or says what to install.
    pub(crate) fn detect() -> Result<Self> {
        let place = "in PATH, in version 25 or newer (Debian's package docker.io),";
        let file = find("dockerd").ok_or_else(|| missing("dockerd", place))?;
        let output = Command::new(&file).arg("--version").env_clear().stdin(Stdio::null()).output();
        let output = output.map_err(|error| Error::io(format!("run {} --version", file.display()), error))?;
        if !serves_containerd(&String::from_utf8_lossy(&output.stdout)) {
            return Err(missing("dockerd", place));
        }
        let programs = [Some(file.clone()), find("runc"), find("ps")].into_iter().flatten();
        let folders = programs.filter_map(|program| program.parent().map(Path::to_owned));
        let path = env::join_paths(folders).map_err(|error| {
            Error::new(ErrorKind::Environment, format!("a folder cannot be put into PATH: {error}"))
        })?;
        Ok(Self { file, path })
    }
}

/// Whether dockerd keeps images in containerd, where shims look for them, by its `Docker version 28.5.2+dfsg4, build …`.
fn serves_containerd(said: &str) -> bool {
    let version = said.split_whitespace().nth(2).unwrap_or_default();
    version.split('.').next().and_then(|major| major.parse::<u32>().ok()).is_some_and(|major| major >= 25)
}

/// The runtime handlers that the shims of `folder` provide: `wasmtime` for `containerd-shim-wasmtime-v1`.
///
/// # Errors
/// [`Io`](ErrorKind::Io) where the folder cannot be read.
pub fn runtime_handlers(folder: &Path) -> Result<Vec<String>> {
    let describe = |error| Error::io(format!("read the folder of shims, {}", folder.display()), error);
    let mut handlers = Vec::new();
    for entry in fs::read_dir(folder).map_err(describe)? {
        let entry = entry.map_err(describe)?;
        let name = entry.file_name();
        let handler =
            name.to_str().and_then(|name| name.strip_prefix("containerd-shim-")?.strip_suffix("-v1"));
        if let Some(handler) = handler.filter(|_| is_executable(&entry.path())) {
            handlers.push(handler.to_owned());
        }
    }
    handlers.sort();
    Ok(handlers)
}

/// A program of the system's that a node needs besides.
///
/// # Errors
/// [`Environment`](ErrorKind::Environment) where it is not in `PATH`.
pub(crate) fn program(name: &str) -> Result<PathBuf> {
    find(name).ok_or_else(|| missing(name, "in PATH"))
}

/// A program that may be in one of these folders, too, which are separated as those of PATH are.
pub(crate) fn program_or_in(name: &str, folders: &str) -> Option<PathBuf> {
    find(name).or_else(|| in_folders(folders.as_ref(), name))
}

/// A node's own PATH, and the folders of the system's programs behind it.
pub(crate) fn extended(node: &OsStr) -> Result<OsString> {
    let folders = env::split_paths(node).chain(env::split_paths(SYSTEM));
    env::join_paths(folders)
        .map_err(|error| Error::new(ErrorKind::Environment, format!("PATH cannot be extended: {error}")))
}

/// Where this project may keep files of its own that any run can make again.
pub(crate) fn cache() -> Result<PathBuf> {
    let given = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
    let home = || Some(env::home_dir().filter(|folder| folder.is_absolute())?.join(".cache"));
    let message = "this user has no home folder to keep files in: set HOME or XDG_CACHE_HOME";
    let cache = given.or_else(home).ok_or_else(|| Error::new(ErrorKind::Environment, message))?;
    Ok(cache.join("shimmer"))
}

/// Looks for what a cluster takes besides a node, so that it is missed before minutes have passed.
pub(crate) fn require_for_cluster() -> Result<()> {
    require_root()?;
    ["ip", "iptables", "mount"].into_iter().try_for_each(|name| program(name).map(drop))
}

const SYSTEM: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const OLDEST: Version = Version { major: 1, minor: 7 };
const RUNC_SHIM: &str = "containerd-shim-runc-v2";
const CNI_FOLDERS: [&str; 3] = ["/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni"];
/// Those that networks of pods are made with.
const CNI_PLUGINS: [&str; 3] = ["bridge", "host-local", "loopback"];
const CAP_SYS_RESOURCE: u32 = 24;

fn require_root() -> Result<()> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Environment,
        "a node needs root: containers, mounts and cgroups are made; use sudo",
    ))
}

/// Cgroups of version 2 alone are what systemd can be asked for.
pub(crate) fn require_systemd() -> Result<()> {
    let is_version_2 = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    if is_version_2 && Path::new("/run/systemd/system").is_dir() {
        return Ok(());
    }
    let message =
        "systemd is to make the cgroups of pods, which takes a machine that it runs on, with cgroup v2 alone";
    Err(Error::new(ErrorKind::Environment, message))
}

fn find_containerd(given: Option<&Path>) -> Result<PathBuf> {
    let named = given.map(Path::to_owned).or_else(|| env::var_os("SHIMMER_CONTAINERD").map(PathBuf::from));
    let Some(named) = named else {
        return find("containerd")
            .ok_or_else(|| missing("containerd", "in PATH, or named by SHIMMER_CONTAINERD"));
    };
    let file = if named.is_dir() { named.join("containerd") } else { named };
    let file = file.canonicalize().map_err(|error| Error::io(format!("find {}", file.display()), error))?;
    if is_executable(&file) {
        return Ok(file);
    }
    Err(Error::new(ErrorKind::Environment, format!("{} is not an executable containerd", file.display())))
}

fn cni_folder() -> Result<&'static Path> {
    let folder = CNI_FOLDERS.iter().map(Path::new).find(|folder| folder.join(CNI_PLUGINS[0]).exists());
    folder.ok_or_else(|| missing("the CNI plugins", &format!("in {}", CNI_FOLDERS.join(" or "))))
}

/// Looks in PATH, and in the folders of system programs, which a PATH may lack.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    in_folders(&system_path(), program)
}

/// PATH, with the folders of system programs, which it may lack.
pub(crate) fn system_path() -> OsString {
    let mut path = env::var_os("PATH").unwrap_or_default();
    path.push(":");
    path.push(SYSTEM);
    path
}

fn in_folders(path: &std::ffi::OsStr, program: &str) -> Option<PathBuf> {
    env::split_paths(path).map(|folder| folder.join(program)).find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

fn missing(what: &str, place: &str) -> Error {
    let message = format!("{what} is needed {place} and is not there: run `cargo xtask setup`");
    Error::new(ErrorKind::Environment, message)
}

fn has_capability(number: u32) -> Result<bool> {
    let status = fs::read_to_string("/proc/self/status")
        .map_err(|error| Error::io("read our capabilities from /proc/self/status", error))?;
    Ok(effective_capabilities(&status).is_some_and(|set| set & (1 << number) != 0))
}

fn effective_capabilities(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_versions_that_distributions_print() {
        let cases = [
            ("containerd github.com/containerd/containerd/v2 2.1.9+unknown abc\n", (2, 1)),
            ("containerd github.com/containerd/containerd 1.7.24~ds1 1.7.24~ds1-6\n", (1, 7)),
            ("containerd github.com/containerd/containerd/v2 v2.0.5 fb4c30d\n", (2, 0)),
        ];
        for (text, (major, minor)) in cases {
            assert_eq!(Version::parse(text), Some(Version { major, minor }), "{text}");
        }
        assert_eq!(Version::parse("containerd"), None, "no version at all");
    }

    #[test]
    fn takes_a_dockerd_that_keeps_images_in_containerd() {
        assert!(serves_containerd("Docker version 28.5.2+dfsg4, build 3ef3c07"), "a new one");
        assert!(!serves_containerd("Docker version 20.10.24+dfsg1, build 297e128"), "an old one");
        assert!(!serves_containerd(""), "none");
    }

    #[test]
    fn reads_effective_capabilities() {
        let set = effective_capabilities("CapPrm:\t0\nCapEff:\t000001fffeffffff\n").expect("a CapEff line");
        assert_eq!(set & (1 << CAP_SYS_RESOURCE), 0, "CAP_SYS_RESOURCE is absent in {set:x}");
        assert_ne!(set & 1, 0, "CAP_CHOWN is present in {set:x}");
    }

    #[test]
    fn makes_a_handler_of_each_executable_shim() {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, mode) in [
            ("containerd-shim-wasmtime-v1", 0o755),
            ("containerd-shim-broken-v1", 0o644),
            ("containerd-shim-runc-v2", 0o755),
            ("unrelated", 0o755),
        ] {
            let file = folder.path().join(name);
            fs::write(&file, "").expect("a file");
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("its mode");
        }
        assert_eq!(runtime_handlers(folder.path()).expect("handlers"), ["wasmtime"]);
    }
}
