use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::arguments::Arguments;
use crate::bundle::Definition;
use crate::error::{Error, Result};
use crate::{answer, server};

/// Where the sockets of all shims are, by containerd's convention.
const SOCKETS: &str = "/run/containerd/s";

/// Starts the shim of a pod, or finds the one that runs, and tells containerd its address.
///
/// The server is a fork of this process, which has one thread and has read nothing but the bundle's annotations: to
/// execute the shim once more would cost each pod twice what this does (docs/decisions).
///
/// # Errors
///
/// Those of the bundle, of sockets and of fork(2).
pub(crate) fn start(engine: &'static str, arguments: &Arguments) -> Result<()> {
    let bundle = std::env::current_dir()?;
    let definition = Definition::read(&bundle)?;
    let group = definition.group().unwrap_or(&arguments.id).to_owned();
    let socket = socket(arguments, &group);
    let address = format!("unix://{}", socket.display());
    if let Some(listener) = listen(&socket)? {
        // SAFETY: this process has one thread, so that its copy finds everything as it is.
        match unsafe { libc::fork() } {
            -1 => return Err(io::Error::last_os_error().into()),
            0 => {
                hurry_cgroups();
                let served = detach()
                    .map_err(Error::from)
                    .and_then(|()| server::serve(engine, arguments, &group, listener, &socket, &bundle));
                // SAFETY: _exit(2) ends this copy, whose other half has answered for both.
                unsafe { libc::_exit(i32::from(served.is_err())) }
            }
            _ => drop(listener),
        }
    }
    write_address(&bundle, &address)?;
    answer(address.as_bytes())
}

/// The socket of a pod's shim: one for each containerd, namespace and pod.
pub(crate) fn socket(arguments: &Arguments, group: &str) -> PathBuf {
    let mut hash = Sha256::new();
    for part in [&arguments.address, &arguments.namespace, group] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let name: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Path::new(SOCKETS).join(name)
}

/// Listens, unless somebody serves there already.
fn listen(socket: &Path) -> Result<Option<UnixListener>> {
    DirBuilder::new().recursive(true).mode(0o711).create(SOCKETS)?;
    match UnixListener::bind(socket) {
        Ok(listener) => Ok(Some(listener)),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => match UnixStream::connect(socket) {
            Ok(_somebody_serves) => Ok(None),
            Err(_it_is_left_by_a_crash) => {
                fs::remove_file(socket)?;
                Ok(Some(UnixListener::bind(socket)?))
            }
        },
        Err(error) => Err(Error::from(error).during(&socket.display().to_string())),
    }
}

/// Has the kernel begin what the container will have to wait for: before it moves a process to another cgroup, it waits
/// until no processor is in the middle of a fork, for up to 10 ms, and for the next moves it need not wait again. A copy of
/// this process that moves to where it is begins that while containerd is still on its way to `create`.
fn hurry_cgroups() {
    // SAFETY: this process has one thread, so that its copy finds everything as it is.
    if unsafe { libc::fork() } != 0 {
        return;
    }
    let memberships = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let moved = memberships.lines().any(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { return false };
        let mount = Path::new("/sys/fs/cgroup").join(controllers.trim_start_matches("name="));
        fs::write(mount.join(path.trim_start_matches('/')).join("cgroup.procs"), "0").is_ok()
    });
    // SAFETY: _exit(2) ends this copy. Where it could not move, containers wait as they would have.
    unsafe { libc::_exit(i32::from(!moved)) }
}

/// Leaves containerd's session and streams: it waits for the end of the answer.
fn detach() -> io::Result<()> {
    let nothing = OwnedFd::from(File::options().read(true).write(true).open("/dev/null")?);
    // SAFETY: setsid(2) takes nothing, dup2(2) integers; all three numbers are this process's own streams.
    unsafe {
        libc::setsid();
        for stream in 0..=2 {
            if libc::dup2(nothing.as_raw_fd(), stream) < 0 {
                return Err(io::Error::last_os_error());
            }
        }
    }
    std::env::set_current_dir("/")
}

/// Where containerd 1.x looks for the address when it starts again.
fn write_address(bundle: &Path, address: &str) -> io::Result<()> {
    let draft = bundle.join(".address");
    File::create(&draft)?.write_all(address.as_bytes())?;
    fs::rename(draft, bundle.join("address"))
}
