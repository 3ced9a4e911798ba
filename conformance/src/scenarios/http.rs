use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use shimmer_node::{Access, Container, ErrorKind, Task};
use tempfile::TempDir;

use crate::Scenario;
use crate::guests::HTTP_COMPONENT;
use crate::images::Form;
use crate::task::{PATIENCE, Shim, end, text};

const SIGTERM: u32 = 15;

pub(super) fn scenarios() -> Vec<Scenario> {
    let served = |id, play| Scenario { id, program: HTTP_COMPONENT, needs: |c| c.http, play };
    vec![
        served("http/answers", |shim| {
            let server = Server::start(shim, "http/answers")?;
            expect(&server.fetch("/")?, "HTTP/1.1 200", "hello from wasm")?;
            expect(
                &server.fetch("/args")?,
                "HTTP/1.1 200",
                "argv[0]=/http.component.wasm\nargv[1]=argument\n",
            )?;
            server.stop()
        }),
        served("http/sees-env-and-files", |shim| {
            let server = Server::start(shim, "http/sees-env-and-files")?;
            expect(&server.fetch("/env/GREETING")?, "HTTP/1.1 200", "good morning")?;
            expect(&server.fetch("/file/data/note")?, "HTTP/1.1 200", "content")?;
            server.stop()
        }),
        served("http/prints", |shim| {
            let server = Server::start(shim, "http/prints")?;
            server.fetch("/print/something")?;
            server.task.wait_for("something\n", PATIENCE).map_err(text)?;
            server.task.wait_for("err:something\n", PATIENCE).map_err(text)?;
            server.stop()
        }),
        served("http/survives-a-trap", |shim| {
            let server = Server::start(shim, "http/survives-a-trap")?;
            expect(&server.fetch("/trap")?, "HTTP/1.1 500", "")?;
            server.task.wait_for("unreachable", PATIENCE).map_err(text)?;
            expect(&server.fetch("/")?, "HTTP/1.1 200", "hello from wasm")?;
            server.stop()
        }),
        served("http/fetches", |shim| {
            let server = Server::start(shim, "http/fetches")?;
            let upstream = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(text)?;
            let address = upstream.local_addr().map_err(text)?;
            let answering = thread::spawn(move || answer_once(&upstream));
            expect(&server.fetch(&format!("/fetch?http://{address}/x"))?, "HTTP/1.1 200", "from upstream")?;
            answering.join().map_err(|_| "the upstream panicked")?.map_err(text)?;
            server.stop()
        }),
        served("http/drains-on-term", drains_on_term),
    ]
}

/// A request whose body is still to come when SIGTERM arrives is answered; a new connection is not.
fn drains_on_term(shim: &Shim) -> Result<(), String> {
    const HEAD: &str = "POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 4\r\n";
    let server = Server::start(shim, "http/drains-on-term")?;
    let mut stream = TcpStream::connect(server.address).map_err(text)?;
    write!(stream, "{HEAD}expect: 100-continue\r\n\r\n").map_err(text)?;
    let mut reader = BufReader::new(stream.try_clone().map_err(text)?);
    let mut line = String::new();
    // The server says so when the guest begins to read the body: the request is in flight.
    reader.read_line(&mut line).map_err(text)?;
    expect(&line, "HTTP/1.1 100", "")?;
    server.task.kill(SIGTERM).map_err(text)?;
    while TcpStream::connect(server.address).is_ok() {
        thread::yield_now();
    }
    stream.write_all(b"body").map_err(text)?;
    let mut rest = String::new();
    reader.read_to_string(&mut rest).map_err(text)?;
    expect(rest.trim_start(), "HTTP/1.1 200", "body")?;
    server.ended(128 + SIGTERM)
}

/// The guest `http` in a container that shares this machine's loopback.
struct Server {
    container: Container,
    task: Task,
    address: SocketAddr,
    _data: TempDir,
}

impl Server {
    fn start(shim: &Shim, id: &str) -> Result<Self, String> {
        let data = TempDir::new().map_err(text)?;
        std::fs::write(data.path().join("note"), "content").map_err(text)?;
        let address = free_address()?;
        let image = shim.image(Form::Artifact, HTTP_COMPONENT.name, HTTP_COMPONENT.bytes).map_err(text)?;
        let spec = shim
            .container(id, &image)
            .args([format!("/{}", HTTP_COMPONENT.name).as_str(), "argument"])
            .env("SHIMMER_HTTP_ADDR", &address.to_string())
            .env("GREETING", "good morning")
            .mount(data.path(), "/data", Access::Read)
            .host_network();
        let (container, mut task) = shim.create(spec).map_err(text)?;
        task.start().map_err(text)?;
        // A connection is the event; waiting for the end in between notices a server that never comes.
        while TcpStream::connect(address).is_err() {
            match task.wait(Duration::from_millis(10)) {
                Ok(status) => return Err(format!("the server ended with {}", status.code)),
                Err(error) if matches!(error.kind(), ErrorKind::Timeout) => {}
                Err(error) => return Err(text(error)),
            }
        }
        Ok(Self { container, task, address, _data: data })
    }

    fn fetch(&self, path: &str) -> Result<String, String> {
        let mut stream = TcpStream::connect(self.address).map_err(text)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(text)?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").map_err(text)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map_err(text)?;
        Ok(answer)
    }

    fn stop(self) -> Result<(), String> {
        self.task.kill(SIGTERM).map_err(text)?;
        self.ended(128 + SIGTERM)
    }

    fn ended(self, code: u32) -> Result<(), String> {
        let output = end(self.task).map_err(text)?;
        self.container.delete().map_err(text)?;
        if output.code == code {
            Ok(())
        } else {
            Err(format!("expected status {code}, but saw {}", output.code))
        }
    }
}

fn answer_once(upstream: &TcpListener) -> std::io::Result<()> {
    let (mut stream, _) = upstream.accept()?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\nconnection: close\r\n\r\nfrom upstream")
}

/// An address on which nobody listens; the kernel does not give it to another soon.
fn free_address() -> Result<SocketAddr, String> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr()).map_err(text)
}

fn expect(answer: &str, start: &str, part: &str) -> Result<(), String> {
    if answer.starts_with(start) && answer.contains(part) {
        return Ok(());
    }
    Err(format!("expected an answer that starts with {start:?} and has {part:?}, but saw\n{answer}"))
}
