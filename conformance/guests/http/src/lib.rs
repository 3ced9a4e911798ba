//! A `wasi:http/incoming-handler` whose paths show what the host gives a handler: environment, arguments,
//! files, standard streams, time, a way out, and what happens when it traps. README.md lists the paths.

mod body;
mod outbound;

use std::time::Duration;
use std::{env, fs, thread};

use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{Fields, IncomingRequest, OutgoingResponse, ResponseOutparam};

struct Handler;

wasip2::http::proxy::export!(Handler);

impl Guest for Handler {
    fn handle(request: IncomingRequest, response: ResponseOutparam) {
        reply(&answer(&request), response);
    }
}

struct Answer {
    status: u16,
    body: Vec<u8>,
}

impl Answer {
    fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, body: body.into() }
    }

    fn failed(status: u16, message: impl Into<Vec<u8>>) -> Self {
        Self { status, body: message.into() }
    }
}

fn answer(request: &IncomingRequest) -> Answer {
    let target = request.path_with_query().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let (topic, rest) =
        path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
    match topic {
        "" => Answer::ok("hello from wasm\n"),
        "env" => env::var(rest).map_or_else(|error| Answer::failed(404, error.to_string()), Answer::ok),
        "args" => Answer::ok(arguments()),
        "file" => file(rest),
        "print" => print(rest),
        "slow" => slow(),
        "trap" => core::arch::wasm32::unreachable(),
        "fetch" => fetch(query),
        "echo" => {
            body::receive(request.consume()).map_or_else(|error| Answer::failed(400, error), Answer::ok)
        }
        _ => Answer::failed(404, format!("nothing is at {path}\n")),
    }
}

fn arguments() -> String {
    env::args().enumerate().map(|(i, argument)| format!("argv[{i}]={argument}\n")).collect()
}

fn file(path: &str) -> Answer {
    let path = format!("/{path}");
    fs::read(&path).map_or_else(|error| Answer::failed(404, format!("{path}: {error}\n")), Answer::ok)
}

fn print(text: &str) -> Answer {
    println!("{text}");
    eprintln!("err:{text}");
    Answer::ok("printed\n")
}

fn slow() -> Answer {
    thread::sleep(Duration::from_secs(1));
    Answer::ok("slept for a second\n")
}

fn fetch(url: &str) -> Answer {
    match outbound::fetch(url) {
        Ok((status, body)) => Answer { status, body },
        Err(error) => Answer::failed(502, format!("{url}: {error}\n")),
    }
}

/// A client that hangs up early is no failure of the guest, so that what cannot be sent is dropped.
fn reply(answer: &Answer, response: ResponseOutparam) {
    let outgoing = OutgoingResponse::new(Fields::new());
    let accepted = outgoing.set_status_code(answer.status);
    let body = outgoing.body().expect("the body of a new response was not taken before");
    ResponseOutparam::set(response, Ok(outgoing));
    if accepted.is_ok()
        && let Err(error) = body::send(body, &answer.body)
    {
        eprintln!("http: the response was cut off: {error}");
    }
}
