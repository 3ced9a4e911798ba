//! The one thing a node makes in the host's network: the bridge of its pods.

use std::ffi::CStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

/// The network that a node's bridge is in.
#[derive(Debug)]
pub(crate) enum Network {
    /// Its own, in which its pods have these addresses.
    Own(String),
    /// The host's.
    Hosts(Subnet),
}

impl Network {
    /// The addresses of its pods, as in `10.88.1.0/24`.
    pub(crate) fn pods(&self) -> &str {
        match self {
            Self::Own(address) => address,
            Self::Hosts(subnet) => &subnet.address,
        }
    }
}

/// A network of pods, which no other node gets as long as this one has it: the bridges of several nodes share the host's
/// routes.
#[derive(Debug)]
pub(crate) struct Subnet {
    address: String,
    /// Nobody speaks here: it is a name that the kernel gives once, and takes back by itself.
    _name: UnixListener,
}

impl Subnet {
    /// A /24 of 10.128.0.0/9: that which follows from `unique`, or the next one that is free.
    pub(crate) fn reserve(unique: &str) -> io::Result<Self> {
        let hash = unique.bytes().fold(5381_u32, |hash, byte| hash.wrapping_mul(33) ^ u32::from(byte));
        let mut taken = io::Error::from(io::ErrorKind::AddrInUse);
        for number in (0..SUBNETS).map(|step| hash.wrapping_add(step) % SUBNETS) {
            let address = format!("10.{}.{}.0/24", 128 + number / 256, number % 256);
            let name = SocketAddr::from_abstract_name(format!("shimmer-pods-{address}"))?;
            match UnixListener::bind_addr(&name) {
                Ok(name) => return Ok(Self { address, _name: name }),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => taken = error,
                Err(error) => return Err(error),
            }
        }
        Err(taken)
    }
}

const SUBNETS: u32 = 128 * 256;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_two_nodes_two_subnets_and_one_again_that_is_free() {
        let reserve = || Subnet::reserve("shm-unit-test").expect("one is free");
        let (one, two) = (reserve(), reserve());
        assert_ne!(one.address, two.address);
        let first = one.address.clone();
        drop(one);
        assert_eq!(reserve().address, first);
    }
}
