use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// Makes stdin end when its last writer has gone.
///
/// `containerd-shim-wasm` opens the named pipe for reading and writing, so the guest itself would be a writer of its own
/// input, and wait for it for ever. A guest whose user may not open the pipe, or which has no `/proc`, keeps what it has.
///
/// # Errors
///
/// Those of dup2(2).
pub(crate) fn let_end() -> io::Result<()> {
    // SAFETY: F_GETFL reads the flags of a descriptor and touches no memory.
    let flags = unsafe { libc::fcntl(libc::STDIN_FILENO, libc::F_GETFL) };
    if flags < 0 || flags & libc::O_ACCMODE != libc::O_RDWR {
        return Ok(());
    }
    // It is the guest's own descriptor that makes this return at once instead of waiting for a writer.
    let Ok(reader) = File::open("/proc/self/fd/0") else { return Ok(()) };
    // SAFETY: both descriptors are open; stdin's old description is closed, which nobody in this process refers to.
    if unsafe { libc::dup2(reader.as_raw_fd(), libc::STDIN_FILENO) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
