//! The guest `http` in a container: on this machine's loopback, or on the address of a pod of its own.

use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Instant;

use super::answer::Answer;
use crate::address::free_address;
use crate::failure::{Failure, Result, ensure};
use crate::guests::HTTP_COMPONENT;
use crate::patience::patience;
use crate::running::Running;
use crate::setup::Setup;
use crate::stage::Stage;

pub(super) const SIGTERM: u32 = 15;
/// Where a server listens that is told nothing.
const DEFAULT_PORT: u16 = 8080;

/// A server that answers.
pub(super) struct Server<'a> {
    pub(super) running: Running<'a>,
    pub(super) address: SocketAddr,
}

/// A connection of a client, for one request after the other.
pub(super) struct Connection(BufReader<TcpStream>);

/// For a container that shares this machine's network.
pub(super) fn setup() -> Setup {
    Setup::of(HTTP_COMPONENT).args(["argument"]).file("note", "content").network()
}

impl<'a> Server<'a> {
    pub(super) fn start(stage: &'a Stage<'a>) -> Result<Self> {
        let address = free_address()?;
        let setup = setup().env([("SHIMMER_HTTP_ADDR", &address.to_string()), ("GREETING", "good morning")]);
        Self::listening(stage.start(&setup)?, address)
    }

    /// In a pod with a network of its own, and without being told where to listen.
    pub(super) fn start_in_pod(stage: &'a Stage<'a>) -> Result<Self> {
        let mut running = stage.start(&Setup::of(HTTP_COMPONENT))?;
        let (_, pod) = running.in_pod()?;
        let ip = pod.ip().ok_or("the pod has no address")?;
        Self::listening(running, SocketAddr::new(ip, DEFAULT_PORT))
    }

    /// Fetches a path; the answer must start with `start` and have `part`.
    pub(super) fn expect(&self, path: &str, start: &str, part: &str) -> Result {
        let answer = self.connect()?.get(path)?;
        let body = String::from_utf8_lossy(&answer.body()).into_owned();
        ensure(answer.head.starts_with(&start.to_ascii_lowercase()) && body.contains(part), || {
            format!("expected {path} to answer {start:?} and {part:?}, but saw\n{}", answer.describe())
        })
    }

    pub(super) fn connect(&self) -> Result<Connection> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(patience()))?;
        Ok(Connection(BufReader::new(stream)))
    }

    pub(super) fn stop(self) -> Result {
        self.running.kill(SIGTERM)?;
        self.ended(128 + SIGTERM)
    }

    pub(super) fn ended(self, code: u32) -> Result {
        let ended = self.running.end()?;
        if ended.code == code {
            return Ok(());
        }
        Err(Failure(format!("expected status {code}, but saw {}", ended.describe())))
    }

    fn listening(running: Running<'a>, address: SocketAddr) -> Result<Self> {
        let begin = Instant::now();
        while TcpStream::connect(address).is_err() {
            ensure(begin.elapsed() < patience(), || format!("nobody listens on {address}"))?;
            thread::yield_now();
        }
        Ok(Self { running, address })
    }
}

impl Connection {
    /// Sends a request without a body and reads its answer; the connection stays open.
    pub(super) fn get(&mut self, path: &str) -> Result<Answer> {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n"))?;
        self.answer()
    }

    /// Begins to post `length` bytes to a path, and returns when the guest asks for them: then the request is in
    /// flight.
    pub(super) fn begin_post(&mut self, path: &str, length: usize) -> Result {
        let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n");
        self.send(&format!("{head}expect: 100-continue\r\n\r\n"))?;
        // The server says so when the guest begins to read the body.
        let head = Answer::head(&mut self.0)?;
        ensure(head.starts_with("http/1.1 100"), || format!("expected HTTP/1.1 100, but saw {head:?}"))
    }

    pub(super) fn send(&mut self, text: &str) -> Result {
        Ok(self.0.get_mut().write_all(text.as_bytes())?)
    }

    pub(super) fn answer(&mut self) -> Result<Answer> {
        Answer::read(&mut self.0)
    }
}
