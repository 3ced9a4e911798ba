mod answer;
mod server;

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use self::server::{Connection, SIGTERM, Server};
use super::row;
use crate::address::own_address;
use crate::case::Case;
use crate::failure::{Result, ensure};
use crate::guests::HTTP_COMPONENT;
use crate::profile::Profile;
use crate::setup::Setup;
use crate::stage::Stage;

/// What a guest ends with that was loaded and did not get to run, for a reason that is not its own.
const HOSTS_FAULT: u32 = 125;

pub(super) fn cases() -> Vec<Case> {
    [answers(), requests(), addresses(), signals()].concat()
}

fn served(id: &'static str, steps: fn(&Stage<'_>) -> Result) -> Case {
    Case::container(id, server::setup(), steps).needs(&["http"])
}

fn answers() -> Vec<Case> {
    row(
        "http",
        Profile::Http,
        [
            served("http/answers", |stage| {
                with_server(stage, |server| {
                    server.expect("/", "HTTP/1.1 200", "hello from wasm")?;
                    server.expect("/args", "HTTP/1.1 200", "argv[0]=/http.component.wasm\nargv[1]=argument\n")
                })
            }),
            served("http/sees-env-and-files", |stage| {
                with_server(stage, |server| {
                    server.expect("/env/GREETING", "HTTP/1.1 200", "good morning")?;
                    server.expect("/file/data/note", "HTTP/1.1 200", "content")
                })
            }),
            served("http/prints", |stage| {
                with_server(stage, |server| {
                    server.expect("/print/something", "HTTP/1.1 200", "")?;
                    server.running.wait_for("something\n")?;
                    server.running.wait_for("err:something\n")
                })
            }),
            served("http/survives-a-trap", |stage| {
                with_server(stage, |server| {
                    server.expect("/trap", "HTTP/1.1 500", "")?;
                    server.running.wait_for("unreachable")?;
                    server.expect("/", "HTTP/1.1 200", "hello from wasm")
                })
            }),
            served("http/fetches", |stage| with_server(stage, fetches)),
        ],
    )
}

fn requests() -> Vec<Case> {
    row(
        "http-requests",
        Profile::Http,
        [
            served("http/status-is-the-guests", |stage| {
                with_server(stage, |server| {
                    server.expect("/status/201", "HTTP/1.1 201", "status 201\n")?;
                    server.expect("/status/503", "HTTP/1.1 503", "status 503\n")?;
                    server.expect("/no/such/path", "HTTP/1.1 404", "nothing is at /no/such/path\n")
                })
            }),
            served("http/sees-method-and-headers", |stage| with_server(stage, sees_method_and_headers)),
            served("http/a-big-body-arrives-whole", |stage| with_server(stage, a_big_body_arrives_whole)),
            served("http/streams-as-it-writes", |stage| with_server(stage, streams_as_it_writes)),
            served("http/keeps-connections", |stage| with_server(stage, keeps_connections)),
            served("http/twenty-at-once", |stage| with_server(stage, twenty_at_once)),
        ],
    )
}

fn addresses() -> Vec<Case> {
    row(
        "http-address",
        Profile::Http,
        [
            Case::cri("http/listens-on-the-pods-address", Setup::of(HTTP_COMPONENT), |stage| {
                let server = Server::start_in_pod(stage)?;
                server.expect("/", "HTTP/1.1 200", "hello from wasm")?;
                server.stop()
            })
            .needs(&["http"]),
            served("http/address-in-use", address_in_use),
        ],
    )
}

fn signals() -> Vec<Case> {
    row(
        "signals",
        Profile::Http,
        [
            Case::task("http/drains-on-term", server::setup(), drains_on_term).needs(&["http"]),
            served("http/idle-connections-do-not-delay-the-end", |stage| {
                let server = Server::start(stage)?;
                let mut connection = server.connect()?;
                connection.get("/")?;
                server.stop()
            }),
        ],
    )
}

fn with_server(stage: &Stage<'_>, talk: fn(&Server<'_>) -> Result) -> Result {
    let server = Server::start(stage)?;
    talk(&server)?;
    server.stop()
}

fn fetches(server: &Server<'_>) -> Result {
    let upstream = TcpListener::bind((own_address(), 0))?;
    let address = upstream.local_addr()?;
    let answering = thread::spawn(move || answer_once(&upstream));
    server.expect(&format!("/fetch?http://{address}/x"), "HTTP/1.1 200", "from upstream")?;
    answering.join().map_err(|_| "the upstream panicked")??;
    Ok(())
}

fn sees_method_and_headers(server: &Server<'_>) -> Result {
    let mut connection = server.connect()?;
    for (request, body) in [
        ("PUT /method HTTP/1.1\r\nhost: x\r\n\r\n", "PUT\n"),
        ("GET /header/x-color HTTP/1.1\r\nhost: x\r\nX-Color: green, blue\r\n\r\n", "green, blue"),
    ] {
        connection.send(request)?;
        let answer = connection.answer()?;
        ensure(answer.body() == body.as_bytes(), || {
            format!("expected {body:?} as the answer to {request:?}, but saw {}", answer.describe())
        })?;
    }
    Ok(())
}

fn a_big_body_arrives_whole(server: &Server<'_>) -> Result {
    let answer = server.connect()?.get("/big/256")?;
    let expected = format!("{}\n", "x".repeat(63)).repeat(256 * 16);
    ensure(answer.body() == expected.as_bytes(), || {
        format!("expected {} bytes, but saw {}", expected.len(), answer.describe())
    })
}

/// Each line leaves when it is flushed, as a piece of its own.
fn streams_as_it_writes(server: &Server<'_>) -> Result {
    let answer = server.connect()?.get("/stream")?;
    let whole = answer.body() == b"chunk 1\nchunk 2\nchunk 3\nchunk 4\nchunk 5\n";
    ensure(whole && answer.pieces.len() >= 5, || {
        format!("expected five pieces, but saw {}", answer.describe())
    })
}

fn keeps_connections(server: &Server<'_>) -> Result {
    let mut connection = server.connect()?;
    for path in ["/", "/status/404", "/args"] {
        connection.get(path)?;
    }
    let answer = connection.get("/")?;
    ensure(answer.body() == b"hello from wasm\n", || format!("the last answer was {}", answer.describe()))
}

/// All are in flight when the first is answered, and it is the last that was sent.
fn twenty_at_once(server: &Server<'_>) -> Result {
    let mut connections = (0..20).map(|_| server.connect()).collect::<Result<Vec<Connection>>>()?;
    for connection in &mut connections {
        connection.begin_post("/echo", "body 00".len())?;
    }
    for (number, connection) in connections.iter_mut().enumerate().rev() {
        let body = format!("body {number:02}");
        connection.send(&body)?;
        let answer = connection.answer()?;
        ensure(answer.body() == body.as_bytes(), || {
            format!("expected {body:?} to come back, but saw {}", answer.describe())
        })?;
    }
    Ok(())
}

fn address_in_use(stage: &Stage<'_>) -> Result {
    let listener = TcpListener::bind((own_address(), 0))?;
    let address = listener.local_addr()?.to_string();
    let ended = stage.start(&stage.setup().env([("SHIMMER_HTTP_ADDR", &address)]))?.end_unnoted()?;
    let says = ended.stderr();
    ensure(ended.code == HOSTS_FAULT && says.contains(&address) && says.contains("in use"), || {
        format!("expected status 125 and a word about {address}, but saw {}", ended.describe())
    })
}

/// A request whose body is still to come when SIGTERM arrives is answered; a new connection is not.
fn drains_on_term(stage: &Stage<'_>) -> Result {
    let server = Server::start(stage)?;
    let mut connection = server.connect()?;
    connection.begin_post("/echo", "body".len())?;
    server.running.kill(SIGTERM)?;
    while TcpStream::connect(server.address).is_ok() {
        thread::yield_now();
    }
    connection.send("body")?;
    let answer = connection.answer()?;
    ensure(answer.head.starts_with("http/1.1 200") && answer.body() == b"body", || {
        format!("expected HTTP/1.1 200 and the body, but saw {}", answer.describe())
    })?;
    server.ended(128 + SIGTERM)
}

fn answer_once(upstream: &TcpListener) -> std::io::Result<()> {
    let (mut stream, _) = upstream.accept()?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\nconnection: close\r\n\r\nfrom upstream")
}
