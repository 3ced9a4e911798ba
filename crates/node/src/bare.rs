//! A bare node: a machine as its administrator finds it before anything of ours is installed.
//!
//! Its containerd has no handler but runc's, and stands where kubeadm puts it: it reads `/etc/containerd/config.toml`, and
//! serves at `/run/containerd/containerd.sock`. `/etc` and `/opt` are the machine's below an overlay, so that whatever is
//! written there is the node's own and goes with it; of the machine's `/etc/containerd` nothing shows. The overlay is in
//! memory: on some filesystems, another overlay among them, there can be none. `/var/lib` is empty, and all else of the
//! machine's root filesystem but `/tmp` can only be read, so that nobody who tries an installer risks it.

use std::ffi::{CStr, CString};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rustix::fs::{Mode, OFlags, XattrFlags, chmod, mkdir, open, setxattr};
use rustix::mount::{MountFlags, mount, mount_bind, mount_bind_recursive, mount_remount};

use crate::Node;
use crate::companion;
use crate::daemon::c_string;
use crate::error::{Error, Result};
use crate::process::Process;

/// How a bare node's containerd is configured at first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bare {
    /// Whether its configuration imports others.
    pub(crate) imports: bool,
}

impl Bare {
    /// The files that its configuration imports: those that containerd 2.2 imports by default.
    pub(crate) fn imports(self) -> Option<&'static str> {
        self.imports.then_some("/etc/containerd/conf.d/*.toml")
    }
}

/// The socket, where containerd has it.
pub(crate) const SOCKET: &str = "/run/containerd/containerd.sock";
/// The same below the node's folder, where the machine has it.
pub(crate) const OUTER_SOCKET: &str = "run/containerd.sock";

impl Node {
    /// The root folder of the node, as a path of this machine: below it is what the node's programs see, which is where
    /// another `/etc` and `/opt` can be read and written that a [bare](crate::NodeBuilder::bare) node has.
    ///
    /// An absolute symbolic link in there leads to a file of this machine's, since who follows it is not in the node.
    ///
    /// # Errors
    /// [`Daemon`](crate::ErrorKind::Daemon) where the node has ended.
    pub fn root(&self) -> Result<PathBuf> {
        Ok(format!("/proc/{}/root", self.init()?).into())
    }

    /// Runs a program of this machine in the node to its end, and gives what it printed and how it ended: in its mounts,
    /// network and process ids, but in the environment and cgroup of the caller. It has no input. One that a signal
    /// ended has the exit code 1.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io) where it cannot be executed.
    pub fn execute(&self, command: Command) -> Result<Output> {
        let name = command.get_program().to_string_lossy().into_owned();
        let folder = c_string(command.get_current_dir().unwrap_or_else(|| Path::new("/")))?;
        let executed = companion::run(self.init()?, command, folder);
        let executed = executed.map_err(|error| Error::io(format!("execute {name} in the node"), error));
        executed.map(|(output, _took)| output)
    }

    /// The process of containerd, while there is one.
    ///
    /// # Errors
    /// [`NotPrivate`](crate::ErrorKind::NotPrivate) where it is somebody else's.
    pub fn containerd(&self) -> Result<Option<Process>> {
        self.host.private("the process of containerd is known")?.containerd()
    }
}

/// What a bare node has of its own where its programs look for the host's.
#[derive(Clone, Debug)]
pub(crate) struct OwnHost {
    /// A folder of the node's, in which the layers are kept in memory.
    memory: CString,
    layers: Vec<Layer>,
    /// The folder of the node's that containerd's sockets are in.
    run: CString,
    config: Vec<u8>,
}

/// What a node has written into a folder of the machine's.
#[derive(Clone, Debug)]
struct Layer {
    place: &'static CStr,
    upper: CString,
    work: CString,
    /// A folder in the upper one, instead of the machine's of that name.
    fresh: Option<CString>,
    options: CString,
}

impl OwnHost {
    /// Describes what is made below `folder`; containerd reads `config`.
    pub(crate) fn new(folder: &Path, config: String) -> Result<Self> {
        let memory = folder.join("host");
        let etc = Layer::new(c"/etc", &memory.join("etc"), Some("containerd"))?;
        let opt = Layer::new(c"/opt", &memory.join("opt"), None)?;
        let run = c_string(&folder.join("run"))?;
        Ok(Self { memory: c_string(&memory)?, layers: vec![etc, opt], run, config: config.into_bytes() })
    }

    /// Makes it, in a node's mount namespace with a `/run` of its own. Called between fork and exec: it makes system calls
    /// only.
    pub(crate) fn mount(&self) -> rustix::io::Result<()> {
        // The node's folder is in there.
        mount_bind_recursive(c"/tmp", c"/tmp")?;
        make_folder(&self.memory)?;
        mount(c"tmpfs", self.memory.as_c_str(), c"tmpfs", MountFlags::empty(), Some(c"mode=755"))?;
        for layer in &self.layers {
            layer.mount()?;
        }
        write(c"/etc/containerd/config.toml", &self.config)?;
        for folder in [self.run.as_c_str(), c"/run/containerd"] {
            make_folder(folder)?;
        }
        mount_bind(self.run.as_c_str(), c"/run/containerd")?;
        mount(c"tmpfs", c"/var/lib", c"tmpfs", MountFlags::empty(), Some(c"mode=755"))?;
        // Of this mount, which the node alone has; its filesystem stays as it is.
        mount_remount(c"/", MountFlags::BIND | MountFlags::RDONLY, c"")
    }
}

impl Layer {
    /// The layer of `place` that is kept in a folder.
    fn new(place: &'static CStr, folder: &Path, fresh: Option<&str>) -> Result<Self> {
        let (upper, work) = (folder.with_extension("upper"), folder.with_extension("work"));
        let lower = place.to_string_lossy();
        let options = format!("lowerdir={lower},upperdir={},workdir={}", upper.display(), work.display());
        let fresh = fresh.map(|name| c_string(&upper.join(name))).transpose()?;
        let (upper, work, options) = (c_string(&upper)?, c_string(&work)?, c_string(Path::new(&options))?);
        Ok(Self { place, upper, work, fresh, options })
    }

    fn mount(&self) -> rustix::io::Result<()> {
        for folder in [&self.upper, &self.work].into_iter().chain(&self.fresh) {
            make_folder(folder)?;
        }
        if let Some(fresh) = &self.fresh {
            // What overlayfs itself marks a folder with that was removed and made again.
            setxattr(fresh.as_c_str(), c"trusted.overlay.opaque", b"y", XattrFlags::empty())?;
        }
        mount(c"overlay", self.place, c"overlay", MountFlags::empty(), Some(self.options.as_c_str()))
    }
}

/// Makes a folder that everybody can read, whatever the caller's umask.
fn make_folder(path: &CStr) -> rustix::io::Result<()> {
    mkdir(path, READABLE)?;
    chmod(path, READABLE)
}

const READABLE: Mode = Mode::from_raw_mode(0o755);

fn write(path: &CStr, content: &[u8]) -> rustix::io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file = open(path, flags, Mode::from_raw_mode(0o644))?;
    let mut rest = content;
    while !rest.is_empty() {
        let written = rustix::io::write(&file, rest)?;
        rest = rest.get(written..).unwrap_or_default();
    }
    Ok(())
}
