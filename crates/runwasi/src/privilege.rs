use std::io;

/// The version of the structures below that has 64 capabilities: _LINUX_CAPABILITY_VERSION_3.
const VERSION: u32 = 0x2008_0522;
/// The kernel has fewer; it answers EINVAL for those that it does not know.
const CAPABILITIES: u32 = 64;

#[repr(C)]
struct Header {
    version: u32,
    pid: libc::c_int,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Data {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Takes from the calling thread, and from those that it starts, the capabilities that execve(2) takes from a user who is
/// not root: all but the ambient ones. A guest is not executed, so without this it would keep those of the container,
/// CAP_DAC_OVERRIDE among them, and read every file.
///
/// # Errors
///
/// Those of capset(2).
pub(crate) fn drop_as_execve_does() -> io::Result<()> {
    // SAFETY: both calls only tell who the process is.
    if unsafe { libc::getuid() == 0 || libc::geteuid() == 0 } {
        return Ok(());
    }
    let ambient =
        (0..CAPABILITIES).filter(|number| is_ambient(*number)).fold(0_u64, |set, number| set | 1 << number);
    let half = |shift: u32| {
        let bits = u32::try_from(ambient >> shift & u64::from(u32::MAX)).expect("the mask leaves 32 bits");
        Data { effective: bits, permitted: bits, inheritable: bits }
    };
    let (header, data) = (Header { version: VERSION, pid: 0 }, [half(0), half(32)]);
    // SAFETY: the structures are laid out as capset(2) of this version reads them, and live until it returns.
    let answer = unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn is_ambient(capability: u32) -> bool {
    let (none, capability) = (0, libc::c_ulong::from(capability));
    // SAFETY: PR_CAP_AMBIENT takes integers only.
    unsafe { libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_IS_SET, capability, none, none) == 1 }
}
