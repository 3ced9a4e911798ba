//! HTTP/1.1, as much of it as the tests speak.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::failure::{Failure, Result, ensure};
use crate::patience::patience;
use crate::testsuite::Response;

/// What is asked of a service.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) headers: &'a BTreeMap<String, String>,
    pub(super) body: &'a str,
}

impl Request<'_> {
    /// Sends it and compares the response.
    pub(super) fn send(&self, address: SocketAddr, expected: &Response) -> Result {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(patience()))?;
        write!(stream, "{} {} HTTP/1.1\r\n", self.method, self.path)?;
        if !self.headers.keys().any(|name| name.eq_ignore_ascii_case("host")) {
            write!(stream, "host: {address}\r\n")?;
        }
        for (name, value) in self.headers {
            write!(stream, "{name}: {value}\r\n")?;
        }
        write!(stream, "connection: close\r\ncontent-length: {}\r\n\r\n{}", self.body.len(), self.body)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        compare(&answer, expected).map_err(|Failure(why)| {
            let answer = String::from_utf8_lossy(&answer);
            Failure(format!("{} {}: {why}, in the answer\n{answer}", self.method, self.path))
        })
    }
}

fn compare(answer: &[u8], expected: &Response) -> Result {
    let (head, body) = split(answer, b"\r\n\r\n").ok_or("expected an answer in HTTP")?;
    let head = std::str::from_utf8(head)?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
    ensure(status == expected.status.to_string(), || {
        format!("expected status {}, but saw {status:?}", expected.status)
    })?;
    let headers: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(':')).collect();
    let has = |name: &str, value: &str| {
        headers.iter().any(|(key, seen)| key.eq_ignore_ascii_case(name) && seen.trim() == value)
    };
    for (name, value) in &expected.headers {
        ensure(has(name, value), || format!("expected the header `{name}: {value}`"))?;
    }
    let body = if has("transfer-encoding", "chunked") { &unchunked(body)? } else { body };
    ensure(body == expected.body.as_bytes(), || {
        format!("expected the body {:?}, but saw {:?}", expected.body, String::from_utf8_lossy(body))
    })
}

/// A body without the lengths of its chunks.
fn unchunked(mut body: &[u8]) -> Result<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let (length, rest) = split(body, b"\r\n").ok_or("expected one more chunk")?;
        let length = std::str::from_utf8(length)?.split(';').next().unwrap_or_default().trim();
        let length = usize::from_str_radix(length, 16)?;
        if length == 0 {
            return Ok(whole);
        }
        let (chunk, rest) = rest.split_at_checked(length).ok_or("expected a longer chunk")?;
        whole.extend_from_slice(chunk);
        body = rest.strip_prefix(b"\r\n").ok_or("expected the end of a chunk")?;
    }
}

fn split<'a>(bytes: &'a [u8], by: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(by.len()).position(|part| part == by)?;
    Some((&bytes[..at], &bytes[at + by.len()..]))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\ncontent-length: 4\r\n\r\nhey\n";

    fn expected() -> Response {
        let headers = BTreeMap::from([("content-type".to_owned(), "text/plain".to_owned())]);
        Response { status: 200, headers, body: "hey\n".to_owned() }
    }

    #[test]
    fn takes_the_answer_that_is_expected() {
        compare(ANSWER, &expected()).expect("as expected");
    }

    #[test]
    fn a_difference_in_any_part_of_an_answer_is_told() {
        let other = BTreeMap::from([("content-type".to_owned(), "text/html".to_owned())]);
        for (expected, told) in [
            (Response { status: 404, ..expected() }, "expected status 404, but saw \"200\""),
            (Response { headers: other, ..expected() }, "`content-type: text/html`"),
            (
                Response { body: "hey".to_owned(), ..expected() },
                "expected the body \"hey\", but saw \"hey\\n\"",
            ),
        ] {
            let Failure(why) = compare(ANSWER, &expected).expect_err(told);
            assert!(why.contains(told), "{why} does not tell {told}");
        }
        compare(b"hello", &expected()).expect_err("an answer that is not HTTP");
    }

    #[test]
    fn puts_chunks_together() {
        assert_eq!(
            unchunked(b"2\r\nhe\r\nB;x=y\r\nllo, chunks\r\n0\r\n\r\n").expect("a body"),
            b"hello, chunks"
        );
        for broken in [&b"5\r\nhe\r\n0\r\n\r\n"[..], b"2\r\nhe\r\n", b"x\r\n", b"", b"ffffffffffffffff\r\n"] {
            unchunked(broken).expect_err(&String::from_utf8_lossy(broken));
        }
    }

    #[test]
    fn sends_method_path_headers_and_body() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let address = listener.local_addr().expect("its address");
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut request = [0; 1024];
            let mut length = 0;
            while !request[..length].ends_with(b"\r\n\r\nbody") {
                length += stream.read(&mut request[length..]).expect("the request");
            }
            stream.write_all(ANSWER).expect("an answer");
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        let headers = BTreeMap::from([("x-a".to_owned(), "b".to_owned())]);
        let request = Request { method: "POST", path: "/p?q", headers: &headers, body: "body" };
        request.send(address, &expected()).expect("the answer");
        let sent = server.join().expect("the server");
        assert!(sent.starts_with("POST /p?q HTTP/1.1\r\n"), "{sent}");
        assert!(sent.contains("\r\nx-a: b\r\n") && sent.contains("content-length: 4\r\n"), "{sent}");
    }
}
