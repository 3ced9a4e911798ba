//! Addresses of this machine's loopback for guests that share its network.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

use crate::failure::Result;

/// The next one is another case's.
static NEXT: AtomicU16 = AtomicU16::new(1);

/// An address on which nobody listens, and nobody else is going to: the port may be somebody's at another one.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((own_address(), 0))?.local_addr()?)
}

/// An address of the loopback for one use. The kernel gives a port that was let go to whoever asks next at the same one.
pub(crate) fn own_address() -> Ipv4Addr {
    let [high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    // By the process, since programs that play cases may do so at the same time; 127.0.0.0/16 is for everybody else.
    let [_, _, _, program] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, program | 0x80, high, low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_uses_have_one_address() {
        let (one, other) = (free_address().expect("one"), free_address().expect("another"));
        assert!(
            one.ip() != other.ip() && one.ip().is_loopback() && other.ip().is_loopback(),
            "{one} {other}"
        );
    }
}
