//! The one thing a node makes in the host's network: the bridge of its pods.

use std::ffi::CStr;

/// Takes the bridge down and removes it; nothing to do where no pod ever ran. Does not allocate.
pub(crate) fn remove_bridge(name: &CStr) {
    let mut request = Request { name: [0; libc::IFNAMSIZ], flags: 0, padding: [0; 22] };
    for (to, from) in request.name.iter_mut().zip(name.to_bytes()) {
        *to = *from;
    }
    // SAFETY: plain system calls. SIOCSIFFLAGS reads an `ifreq`, which `Request` is laid out as; SIOCBRDELBR
    // reads a name of IFNAMSIZ bytes, with which `Request` begins. Both outlive the calls, and the socket is
    // closed once.
    unsafe {
        let socket = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        if socket < 0 {
            return;
        }
        if libc::ioctl(socket, libc::SIOCSIFFLAGS as _, &raw const request) == 0 {
            libc::ioctl(socket, SIOCBRDELBR as _, &raw const request);
        }
        libc::close(socket);
    }
}

const SIOCBRDELBR: libc::c_ulong = 0x89a1;

/// `struct ifreq` with its flags (all off: the interface goes down).
#[repr(C)]
struct Request {
    name: [u8; libc::IFNAMSIZ],
    flags: libc::c_short,
    padding: [u8; 22],
}
