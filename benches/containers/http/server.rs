//! Those who are asked: each on a port of this machine's loopback.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use shimmer_benches::results::containers::Form;
use shimmer_node::{Container, ContainerSpec, Node, State, Task};
use tempfile::TempDir;

use crate::Result;
use crate::http::load::{self, BODY};
use crate::images::import;
use crate::program::{self, HTTP};
use crate::target::Target;

/// A server that answers. Dropped, it ends.
#[derive(Debug)]
pub(super) struct Server {
    address: SocketAddr,
    kind: Kind,
}

/// What is dropped first stands first.
#[derive(Debug)]
enum Kind {
    Container(Box<(Task, Container)>),
    Program { child: Child, _folder: TempDir },
    Thread { is_over: Arc<AtomicBool> },
}

impl Server {
    /// The component in a container that has the machine's network.
    pub(super) fn in_container(node: &Node, target: &Target) -> Result<Self> {
        let address = free_address()?;
        let image = import(
            node,
            &format!("shimmer.bench/{}/http:{}", target.name, Form::Artifact),
            program::http(target),
        )?;
        let spec = ContainerSpec::new(format!("{}-http", target.name), &image, target.runtime());
        let spec = spec.args(["/http.wasm"]).host_network().env("SHIMMER_HTTP_ADDR", &address.to_string());
        let container = node.container(spec)?;
        let mut task = container.create()?;
        task.start()?;
        let ended = await_answer(address, || Ok(task.state()? == State::Stopped))?;
        if !ended {
            return Ok(Self { address, kind: Kind::Container(Box::new((task, container))) });
        }
        task.wait(PATIENCE)?;
        let output = task.delete()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let said = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("nothing");
        Err(format!("it ended with {} and said {said}", output.code).into())
    }

    /// `wasmtime serve`, if it is installed.
    pub(super) fn of_wasmtime() -> Result<Option<Self>> {
        let (address, folder) = (free_address()?, TempDir::new()?);
        let component = folder.path().join("http.wasm");
        std::fs::write(&component, HTTP)?;
        let mut command = Command::new("wasmtime");
        command.args(["serve", "-Scli", "--addr", &address.to_string()]).arg(component);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = match child {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            child => child?,
        };
        let mut server = Self { address, kind: Kind::Program { child, _folder: folder } };
        let Kind::Program { child, .. } = &mut server.kind else { return Ok(None) };
        let ended = await_answer(address, || Ok(child.try_wait()?.is_some()))?;
        if ended { Err("it has ended at once".into()) } else { Ok(Some(server)) }
    }

    /// The same answer from a thread of this process: what clients and the loopback take by themselves.
    pub(super) fn without_guest() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let (address, is_over) = (listener.local_addr()?, Arc::new(AtomicBool::new(false)));
        let theirs = Arc::clone(&is_over);
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept()
                && !theirs.load(Ordering::Relaxed)
            {
                // A client that goes in the middle is one that has seen enough.
                thread::spawn(|| drop(answer_all(stream)));
            }
        });
        Ok(Self { address, kind: Kind::Thread { is_over } })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The container's id, if it is one.
    pub(super) fn id(&self) -> Option<String> {
        let Kind::Container(container) = &self.kind else { return None };
        Some(container.1.id().to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A destructor has nobody to report to.
        match &mut self.kind {
            Kind::Container(container) => drop(container.0.kill(SIGKILL)),
            Kind::Program { child, .. } => drop(child.kill().and_then(|()| child.wait())),
            Kind::Thread { is_over } => {
                is_over.store(true, Ordering::Relaxed);
                drop(TcpStream::connect(self.address));
            }
        }
    }
}

/// Waits until a server answers, or has ended: then it gives true.
#[expect(clippy::disallowed_methods, reason = "nobody says when a server listens")]
fn await_answer(address: SocketAddr, mut has_ended: impl FnMut() -> Result<bool>) -> Result<bool> {
    let begin = Instant::now();
    loop {
        match load::connect(address) {
            Ok(_) => return Ok(false),
            Err(_) if has_ended()? => return Ok(true),
            Err(error) if begin.elapsed() > PATIENCE => {
                return Err(format!("nobody answers on {address} within {PATIENCE:?}: {error}").into());
            }
            Err(_) => thread::sleep(PAUSE),
        }
    }
}

fn answer_all(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{BODY}", BODY.len());
    let (mut buffer, mut request) = ([0; 4096], Vec::new());
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            length => request.extend_from_slice(&buffer[..length]),
        }
        // Nobody sends a body, or two requests at once.
        if request.ends_with(b"\r\n\r\n") {
            request.clear();
            stream.write_all(answer.as_bytes())?;
        }
    }
}

/// An address on which nobody listens; the kernel does not give it to another soon.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

const SIGKILL: u32 = 9;
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_without_a_guest_answers_all_clients() {
        let server = Server::without_guest().expect("a port");
        let round = load::round(server.address(), 3, 30).expect("answers");
        assert!(round.per_second() > 0.0 && round.percentile(0.5) > 0.0);
    }

    #[test]
    fn nobody_waits_for_a_server_that_has_ended() {
        // Where no other test has a server.
        let listener = TcpListener::bind((Ipv4Addr::new(127, 9, 9, 9), 0)).expect("a port");
        let address = listener.local_addr().expect("its address");
        drop(listener);
        assert!(await_answer(address, || Ok(true)).expect("an end"));
    }
}
