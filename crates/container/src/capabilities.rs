use std::collections::HashSet;
use std::io;

use oci_spec::runtime::{Capability, LinuxCapabilities};

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
#[derive(Clone, Copy, Default)]
struct Half {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Leaves the calling process exactly the capabilities that are listed, and none in a list that is missing: libcontainer
/// takes a missing list for all of them, and containerd's CRI writes `drop: ALL` so.
///
/// # Errors
///
/// Those of capset(2) and prctl(2).
pub(crate) fn limit(listed: Option<&LinuxCapabilities>) -> io::Result<()> {
    let of = |list: fn(&LinuxCapabilities) -> &Option<HashSet<Capability>>| {
        listed.map_or(0, |listed| mask(list(listed).as_ref()))
    };
    let bounding = of(LinuxCapabilities::bounding);
    for number in (0..CAPABILITIES).filter(|number| bounding & 1 << number == 0) {
        if is_bounding(number) {
            // SAFETY: PR_CAPBSET_DROP takes integers only.
            check(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(number), 0, 0, 0) })?;
        }
    }
    let held = held()?;
    set(&Sets {
        effective: of(LinuxCapabilities::effective) & held.permitted,
        permitted: of(LinuxCapabilities::permitted) & held.permitted,
        inheritable: of(LinuxCapabilities::inheritable) & held.inheritable,
    })
}

/// Takes from the calling thread, and from those that it starts, the capabilities that execve(2) takes from a user who is
/// not root: all but the ambient ones. A guest is not executed, so without this it would keep those of the container,
/// CAP_DAC_OVERRIDE among them, and read every file.
///
/// # Errors
///
/// Those of capset(2).
pub(crate) fn drop_as_execve_does() -> io::Result<()> {
    if rustix::process::getuid().is_root() || rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let ambient =
        (0..CAPABILITIES).filter(|number| is_ambient(*number)).fold(0_u64, |set, number| set | 1 << number);
    set(&Sets { effective: ambient, permitted: ambient, inheritable: ambient })
}

/// Leaves the calling process no capability at all.
///
/// # Errors
///
/// Those of capset(2).
pub(crate) fn drop_all() -> io::Result<()> {
    set(&Sets::default())
}

#[derive(Default)]
struct Sets {
    effective: u64,
    permitted: u64,
    inheritable: u64,
}

fn held() -> io::Result<Sets> {
    let header = Header { version: VERSION, pid: 0 };
    let mut halves = [Half::default(); 2];
    // SAFETY: the structures are laid out as capget(2) of this version writes them, and live until it returns.
    let answer = unsafe { libc::syscall(libc::SYS_capget, &raw const header, halves.as_mut_ptr()) };
    check(i32::try_from(answer).unwrap_or(-1))?;
    let whole = |part: fn(&Half) -> u32| u64::from(part(&halves[0])) | u64::from(part(&halves[1])) << 32;
    Ok(Sets {
        effective: whole(|half| half.effective),
        permitted: whole(|half| half.permitted),
        inheritable: whole(|half| half.inheritable),
    })
}

fn set(sets: &Sets) -> io::Result<()> {
    let half = |shift: u32| {
        let bits =
            |set: u64| u32::try_from(set >> shift & u64::from(u32::MAX)).expect("the mask leaves 32 bits");
        Half {
            effective: bits(sets.effective),
            permitted: bits(sets.permitted),
            inheritable: bits(sets.inheritable),
        }
    };
    let (header, halves) = (Header { version: VERSION, pid: 0 }, [half(0), half(32)]);
    // SAFETY: the structures are laid out as capset(2) of this version reads them, and live until it returns.
    let answer = unsafe { libc::syscall(libc::SYS_capset, &raw const header, halves.as_ptr()) };
    check(i32::try_from(answer).unwrap_or(-1))
}

fn mask(list: Option<&HashSet<Capability>>) -> u64 {
    list.into_iter().flatten().fold(0, |set, capability| set | 1 << number(*capability))
}

/// The number of a capability in capability.h: the specification's crate lists them in another order.
fn number(capability: Capability) -> u32 {
    match capability {
        Capability::Chown => 0,
        Capability::DacOverride => 1,
        Capability::DacReadSearch => 2,
        Capability::Fowner => 3,
        Capability::Fsetid => 4,
        Capability::Kill => 5,
        Capability::Setgid => 6,
        Capability::Setuid => 7,
        Capability::Setpcap => 8,
        Capability::LinuxImmutable => 9,
        Capability::NetBindService => 10,
        Capability::NetBroadcast => 11,
        Capability::NetAdmin => 12,
        Capability::NetRaw => 13,
        Capability::IpcLock => 14,
        Capability::IpcOwner => 15,
        Capability::SysModule => 16,
        Capability::SysRawio => 17,
        Capability::SysChroot => 18,
        Capability::SysPtrace => 19,
        Capability::SysPacct => 20,
        Capability::SysAdmin => 21,
        Capability::SysBoot => 22,
        Capability::SysNice => 23,
        Capability::SysResource => 24,
        Capability::SysTime => 25,
        Capability::SysTtyConfig => 26,
        Capability::Mknod => 27,
        Capability::Lease => 28,
        Capability::AuditWrite => 29,
        Capability::AuditControl => 30,
        Capability::Setfcap => 31,
        Capability::MacOverride => 32,
        Capability::MacAdmin => 33,
        Capability::Syslog => 34,
        Capability::WakeAlarm => 35,
        Capability::BlockSuspend => 36,
        Capability::AuditRead => 37,
        Capability::Perfmon => 38,
        Capability::Bpf => 39,
        Capability::CheckpointRestore => 40,
    }
}

fn is_ambient(capability: u32) -> bool {
    let (none, capability) = (0, libc::c_ulong::from(capability));
    // SAFETY: PR_CAP_AMBIENT takes integers only.
    unsafe { libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_IS_SET, capability, none, none) == 1 }
}

fn is_bounding(capability: u32) -> bool {
    // SAFETY: PR_CAPBSET_READ takes integers only.
    unsafe { libc::prctl(libc::PR_CAPBSET_READ, libc::c_ulong::from(capability), 0, 0, 0) == 1 }
}

fn check(answer: libc::c_int) -> io::Result<()> {
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_becomes_the_kernels_bits() {
        let list = HashSet::from([Capability::Chown, Capability::SysAdmin, Capability::CheckpointRestore]);
        assert_eq!(mask(Some(&list)), 1 | 1 << 21 | 1 << 40);
        assert_eq!(mask(None), 0);
    }
}
