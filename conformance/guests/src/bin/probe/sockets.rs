//! The network, for runtimes that have one: WASI preview 1 answers that it is unsupported.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::{
    IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket,
};

use crate::outcome::report;

const LONGEST_DATAGRAM: usize = 65_536;

pub fn run(words: &[&str]) -> Option<u8> {
    let code = match words {
        ["tcp-connect", address, text] => report(address, tcp_connect(address, text)),
        ["tcp-serve", address] => report(address, tcp_serve(address)),
        ["udp", address, text] => report(address, udp(address, text)),
        ["resolve", name] => report(name, resolve(name)),
        _ => return None,
    };
    Some(code)
}

/// Sends the text, closes that direction, and prints the answer.
fn tcp_connect(address: &str, text: &str) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(text.as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    io::stdout().write_all(&answer)
}

/// Sends back what the first connection sends, until it ends.
fn tcp_serve(address: &str) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    println!("listening on {}", listener.local_addr()?);
    io::stdout().flush()?;
    let (mut stream, _) = listener.accept()?;
    let mut block = [0; 4096];
    loop {
        match stream.read(&mut block)? {
            0 => return Ok(()),
            length => stream.write_all(&block[..length])?,
        }
    }
}

/// Sends a datagram and prints the one that comes back.
fn udp(address: &str, text: &str) -> io::Result<()> {
    let peer = address.to_socket_addrs()?.next().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    let any = if peer.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
    socket.send_to(text.as_bytes(), peer)?;
    let mut answer = vec![0; LONGEST_DATAGRAM];
    let (length, _) = socket.recv_from(&mut answer)?;
    io::stdout().write_all(&answer[..length])
}

/// Prints the addresses that a name stands for.
fn resolve(name: &str) -> io::Result<()> {
    let addresses: BTreeSet<IpAddr> = (name, 0).to_socket_addrs()?.map(|address| address.ip()).collect();
    addresses.iter().try_for_each(|address| writeln!(io::stdout(), "{address}"))
}
