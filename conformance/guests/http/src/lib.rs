//! A `wasi:http/incoming-handler` whose paths show what the host gives a handler: environment, arguments,
//! files, standard streams, time, the request, a way out, and what happens when it traps. README.md lists the
//! paths.

mod body;
mod outbound;

use std::time::Duration;
use std::{env, fs, thread};

use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{Fields, IncomingRequest, Method, OutgoingResponse, ResponseOutparam};

use crate::body::Body;

struct Handler;

wasip2::http::proxy::export!(Handler);

impl Guest for Handler {
    fn handle(request: IncomingRequest, response: ResponseOutparam) {
        reply(&answer(&request), response);
    }
}

struct Answer {
    status: u16,
    body: Body,
}

impl Answer {
    fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::of(200, body)
    }

    fn of(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, body: Body::Whole(body.into()) }
    }

    fn streamed(piece: impl Into<Vec<u8>>, pieces: usize) -> Self {
        Self { status: 200, body: Body::Repeated(piece.into(), pieces) }
    }
}

fn answer(request: &IncomingRequest) -> Answer {
    let target = request.path_with_query().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let (topic, rest) =
        path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
    match topic {
        "" => Answer::ok("hello from wasm\n"),
        "env" => env::var(rest).map_or_else(|error| Answer::of(404, error.to_string()), Answer::ok),
        "args" => Answer::ok(arguments()),
        "file" => file(rest),
        "print" => print(rest),
        "method" => Answer::ok(format!("{}\n", method(&request.method()))),
        "header" => header(&request.headers(), rest),
        "status" => status(rest),
        "big" => big(rest),
        "stream" => Answer { status: 200, body: Body::Ticks },
        "slow" => slow(),
        "trap" => core::arch::wasm32::unreachable(),
        "fetch" => fetch(query),
        "echo" => body::receive(request.consume()).map_or_else(|error| Answer::of(400, error), Answer::ok),
        _ => Answer::of(404, format!("nothing is at {path}\n")),
    }
}

fn arguments() -> String {
    env::args().enumerate().map(|(i, argument)| format!("argv[{i}]={argument}\n")).collect()
}

fn file(path: &str) -> Answer {
    let path = format!("/{path}");
    fs::read(&path).map_or_else(|error| Answer::of(404, format!("{path}: {error}\n")), Answer::ok)
}

fn print(text: &str) -> Answer {
    println!("{text}");
    eprintln!("err:{text}");
    Answer::ok("printed\n")
}

fn method(method: &Method) -> &str {
    match method {
        Method::Connect => "CONNECT",
        Method::Delete => "DELETE",
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Options => "OPTIONS",
        Method::Other(name) => name,
        Method::Patch => "PATCH",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Trace => "TRACE",
    }
}

fn header(headers: &Fields, name: &str) -> Answer {
    match headers.get(name).into_iter().next() {
        Some(value) => Answer::ok(value),
        None => Answer::of(404, format!("the request has no header {name}\n")),
    }
}

fn status(number: &str) -> Answer {
    match number.parse() {
        Ok(status @ 200..=599) => Answer::of(status, format!("status {status}\n")),
        _ => Answer::of(400, format!("{number} is no status from 200 to 599\n")),
    }
}

/// Lines of 64 bytes, 16 in each KiB.
fn big(kibibytes: &str) -> Answer {
    const LINE: usize = 64;
    let kibibyte = format!("{}\n", "x".repeat(LINE - 1)).repeat(1024 / LINE);
    match kibibytes.parse() {
        Ok(count) => Answer::streamed(kibibyte, count),
        Err(_) => Answer::of(400, format!("{kibibytes} is no number of KiB\n")),
    }
}

fn slow() -> Answer {
    thread::sleep(Duration::from_secs(1));
    Answer::ok("slept for a second\n")
}

fn fetch(url: &str) -> Answer {
    match outbound::fetch(url) {
        Ok((status, body)) => Answer::of(status, body),
        Err(error) => Answer::of(502, format!("{url}: {error}\n")),
    }
}

/// A client that hangs up early is no failure of the guest, so that what cannot be sent is dropped.
fn reply(answer: &Answer, response: ResponseOutparam) {
    let outgoing = OutgoingResponse::new(Fields::new());
    let accepted = outgoing.set_status_code(answer.status);
    let body = outgoing.body().expect("the body of a new response was not taken before");
    ResponseOutparam::set(response, Ok(outgoing));
    if accepted.is_ok()
        && let Err(error) = answer.body.send(body)
    {
        eprintln!("http: the response was cut off: {error}");
    }
}
