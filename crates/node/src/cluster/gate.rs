//! The way from this machine into a cluster's network: a port of the loopback, whose connections are carried to the API
//! server.
//!
//! A socket belongs to the network in which it was made. So one thread that has left for the cluster's can accept from a
//! socket of the host's, and connect to what only the cluster sees.

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crate::cluster::network;
use crate::error::{Error, Result};

/// An open gate. Dropped, it closes; connections that have passed go on until one of their ends closes.
#[derive(Debug)]
pub(crate) struct Gate {
    address: SocketAddr,
    closing: Arc<AtomicBool>,
    porter: Option<JoinHandle<()>>,
}

impl Gate {
    /// Opens a gate to `target` in the network of the process `init`.
    pub(crate) fn open(init: u32, target: SocketAddr) -> Result<Self> {
        let describe = |error| Error::io("open a port of the loopback for the API server", error);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(describe)?;
        let address = listener.local_addr().map_err(describe)?;
        let closing = Arc::new(AtomicBool::new(false));
        let is_closing = closing.clone();
        let porter = thread::spawn(move || {
            // Where the network is gone the cluster is, and who connects is turned away.
            let is_inside = network::enter(init).is_ok();
            while let Ok((client, _)) = listener.accept() {
                if is_closing.load(Ordering::SeqCst) {
                    return;
                }
                if is_inside && let Ok(server) = TcpStream::connect(target) {
                    carry(client, server);
                }
            }
        });
        Ok(Self { address, closing, porter: Some(porter) })
    }

    /// Where it is on this machine.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::SeqCst);
        // The porter notices at the next connection.
        if TcpStream::connect(self.address).is_ok()
            && let Some(porter) = self.porter.take()
        {
            // It does not panic, and there is nothing it could tell.
            let _ended = porter.join();
        }
    }
}

/// Carries bytes in both directions until both have ended.
fn carry(client: TcpStream, server: TcpStream) {
    let (Ok(other_client), Ok(other_server)) = (client.try_clone(), server.try_clone()) else { return };
    thread::spawn(move || one_way(&client, &server));
    thread::spawn(move || one_way(&other_server, &other_client));
}

/// An end of one side is told to the other; so is a failure, which has no other words.
fn one_way(mut from: &TcpStream, mut to: &TcpStream) {
    let copied = io::copy(&mut from, &mut to);
    let how = if copied.is_ok() { Shutdown::Write } else { Shutdown::Both };
    // One that is closed already needs no telling.
    let _closed = to.shutdown(how);
}
