use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::FlockOperation;

use crate::connection::Connection;
use crate::zygote::LISTENER;
use crate::{seal, title};

/// Finds the zygote of a program on this node, or starts it.
#[derive(Clone, Debug)]
pub struct Launcher {
    folder: PathBuf,
    program: PathBuf,
}

/// The argument that makes a program a zygote; the socket's path and room for titles follow.
pub(crate) const ZYGOTE: &str = "zygote";

impl Launcher {
    /// For the zygote that `program` becomes, whose socket is in `folder`.
    pub fn new(folder: impl Into<PathBuf>, program: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), program: program.into() }
    }

    /// The program whose zygote this finds.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// A connection to a fresh fork of the zygote.
    ///
    /// # Errors
    ///
    /// `NotFound` where the program does not exist; those of sockets and of execve(2).
    pub fn connect(&self) -> io::Result<Connection> {
        let socket = self.socket()?;
        match Connection::to(&socket) {
            Ok(connection) => Ok(connection),
            Err(_nobody_serves) => self.launch(&socket),
        }
    }

    /// One zygote for each build of a program, in each PID and mount namespace: its forks must see what the shim names by
    /// numbers and paths.
    fn socket(&self) -> io::Result<PathBuf> {
        let program = fs::metadata(&self.program)?;
        let inode = |path: &str| fs::metadata(path).map(|metadata| metadata.ino());
        let parts = [
            program.dev(),
            program.ino(),
            program.mtime().unsigned_abs(),
            program.mtime_nsec().unsigned_abs(),
            inode("/proc/self/ns/pid")?,
            inode("/proc/self/ns/mnt")?,
        ];
        let hash =
            parts.iter().flat_map(|part| part.to_le_bytes()).fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3_u64)
            });
        Ok(self.folder.join(format!("{hash:016x}.sock")))
    }

    fn launch(&self, socket: &Path) -> io::Result<Connection> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let _one_at_a_time = lock(socket)?;
        if let Ok(connection) = Connection::to(socket) {
            return Ok(connection);
        }
        match fs::remove_file(socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = Connection::listen(socket)?;
        self.execute(listener, socket)?;
        Connection::to(socket)
    }

    /// Executes the program with nothing of this process but the listening socket: no environment, no folder, no stream.
    fn execute(&self, listener: OwnedFd, socket: &Path) -> io::Result<()> {
        let number = listener.as_raw_fd();
        // Guests are never executed, so that `/proc/1/exe` of a container leads to this program.
        let sealed = File::open(&self.program).and_then(seal::read_only).ok();
        let path =
            sealed.as_ref().map(|sealed| PathBuf::from(format!("/proc/self/fd/{}", sealed.as_raw_fd())));
        let mut command = Command::new(path.as_deref().unwrap_or(&self.program));
        command.arg0(self.program.file_name().unwrap_or_default());
        command.arg(ZYGOTE).arg(socket).arg(" ".repeat(title::ROOM)).env_clear().current_dir("/");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // SAFETY: between fork and execve only system calls are made. setsid(2) keeps signals to the shim's group away;
        // dup2(2) onto another number clears FD_CLOEXEC, fcntl(2) does where the number is the right one already.
        unsafe {
            command.pre_exec(move || {
                libc::setsid();
                let handed_on = if number == LISTENER {
                    libc::fcntl(number, libc::F_SETFD, 0)
                } else {
                    libc::dup2(number, LISTENER)
                };
                if handed_on < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
            });
        }
        // Nobody waits for it: it outlives the shim, whose children are reaped by the kernel.
        command.spawn().map(drop)
    }
}

/// Makes launchers and a zygote that retires wait for each other.
pub(crate) fn lock(socket: &Path) -> io::Result<File> {
    let lock = File::options().create(true).append(true).mode(0o600).open(socket.with_extension("lock"))?;
    rustix::fs::flock(&lock, FlockOperation::LockExclusive)?;
    Ok(lock)
}
