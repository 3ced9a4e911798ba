use std::fs;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};

/// Where the master of a container's terminal arrives: libcontainer makes the pair inside of the container, and sends the
/// master to a socket.
#[derive(Debug)]
pub(crate) struct Console {
    listener: UnixListener,
    path: PathBuf,
}

impl Console {
    /// Listens in `folder` under `name`.
    ///
    /// # Errors
    ///
    /// Those of chdir(2) and of sockets.
    pub(crate) fn listen(folder: &Path, name: &str) -> io::Result<Self> {
        // A bundle's path may be longer than a socket's may be, so the name is bound from inside of the folder.
        std::env::set_current_dir(folder)?;
        let listener = UnixListener::bind(name);
        std::env::set_current_dir("/")?;
        Ok(Self { listener: listener?, path: folder.join(name) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The master of the pair, once the container has been made.
    ///
    /// # Errors
    ///
    /// Those of accept(2) and recvmsg(2), and `InvalidData` where no descriptor came.
    pub(crate) fn master(&self) -> io::Result<OwnedFd> {
        let (stream, _) = self.listener.accept()?;
        let mut name = [0; 256];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC;
        rustix::net::recvmsg(&stream, &mut [IoSliceMut::new(&mut name)], &mut control, flags)?;
        let masters = control.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        });
        let no_master = || io::Error::new(io::ErrorKind::InvalidData, "the container sent no terminal");
        masters.flatten().next().ok_or_else(no_master)
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // It is in the bundle, which is removed as a whole.
        let _ = fs::remove_file(&self.path);
    }
}
