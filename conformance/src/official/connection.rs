use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs, UdpSocket};

use crate::failure::{Failure, Result, ensure};
use crate::patience::patience;
use crate::testsuite::Protocol;

/// What a datagram may have in bytes.
const LARGEST_DATAGRAM: usize = 1 << 16;

/// A connection to where a program listens.
#[derive(Debug)]
pub(super) enum Connection {
    Tcp(TcpStream),
    Udp(UdpSocket),
}

impl Connection {
    /// `line` is what the program says of itself: `host:port`.
    pub(super) fn open(protocol: Protocol, line: &str) -> Result<Self> {
        let said = |error| Failure(format!("the program says that it listens on {line:?}: {error}"));
        let address = line.trim().to_socket_addrs().map_err(said)?.next();
        let address = address.ok_or_else(|| format!("{line:?} is no address"))?;
        match protocol {
            Protocol::Tcp => {
                let stream = TcpStream::connect_timeout(&address, patience()).map_err(said)?;
                stream.set_read_timeout(Some(patience()))?;
                Ok(Self::Tcp(stream))
            }
            Protocol::Udp => {
                let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
                let socket = UdpSocket::bind(any)?;
                socket.connect(address).map_err(said)?;
                socket.set_read_timeout(Some(patience()))?;
                Ok(Self::Udp(socket))
            }
        }
    }

    pub(super) fn send(&mut self, payload: &[u8]) -> Result {
        match self {
            Self::Tcp(stream) => Ok(stream.write_all(payload)?),
            Self::Udp(socket) => {
                let sent = socket.send(payload)?;
                ensure(sent == payload.len(), || format!("{sent} of {} bytes were sent", payload.len()))
            }
        }
    }

    /// Expects `payload` next: of a stream as many bytes, or one datagram.
    pub(super) fn receive(&mut self, payload: &[u8]) -> Result {
        let mut seen = Vec::new();
        match self {
            Self::Tcp(stream) => {
                // Where the other side has closed, what came until then is shown.
                stream.take(payload.len() as u64).read_to_end(&mut seen)?;
            }
            Self::Udp(socket) => {
                seen.resize(LARGEST_DATAGRAM, 0);
                let length = socket.recv(&mut seen)?;
                seen.truncate(length);
            }
        }
        ensure(seen == payload, || {
            let (expected, seen) = (String::from_utf8_lossy(payload), String::from_utf8_lossy(&seen));
            format!("expected {expected:?} to arrive, but saw {seen:?}")
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    #[test]
    fn compares_what_a_stream_brings_next() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let line = format!("{}\n", listener.local_addr().expect("its address"));
        let echo = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut bytes = [0; 4];
            stream.read_exact(&mut bytes).expect("what is sent");
            stream.write_all(&bytes).expect("an answer");
        });
        let mut connection = Connection::open(Protocol::Tcp, &line).expect("a connection");
        connection.send(b"ping").expect("sent");
        connection.receive(b"pi").expect("the first half");
        let Failure(why) = connection.receive(b"xy").expect_err("another half");
        assert_eq!(why, r#"expected "xy" to arrive, but saw "ng""#);
        echo.join().expect("the other side");
        let Failure(why) = connection.receive(b"more").expect_err("the end");
        assert!(why.contains(r#"saw """#), "{why}");
    }

    #[test]
    fn compares_whole_datagrams() {
        let other = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let line = other.local_addr().expect("its address").to_string();
        let mut connection = Connection::open(Protocol::Udp, &line).expect("a connection");
        connection.send(b"ping").expect("sent");
        let mut bytes = [0; 16];
        let (length, from) = other.recv_from(&mut bytes).expect("a datagram");
        for _ in 0..2 {
            other.send_to(&bytes[..length], from).expect("an answer");
        }
        connection.receive(b"ping").expect("the answer");
        connection.receive(b"pin").expect_err("a datagram that is longer");
    }

    #[test]
    fn shows_a_line_that_is_no_address() {
        let Failure(why) = Connection::open(Protocol::Tcp, "listening\n").expect_err("no address");
        assert!(why.contains("listening"), "{why}");
    }
}
