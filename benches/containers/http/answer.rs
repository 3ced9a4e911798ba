//! Asking for a path on a connection that is kept, and reading the answer.

use std::io::{self, Read, Write};

/// A connection of a client, for one request after the other.
#[derive(Debug)]
pub(super) struct Connection<S> {
    stream: S,
    /// What was read and belongs to nothing yet.
    bytes: Vec<u8>,
}

/// What a server says.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// By what a body ends.
enum Length {
    Bytes(usize),
    Chunks,
}

impl<S: Read + Write> Connection<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, bytes: Vec::new() }
    }

    /// Fetches a path; the connection stays open.
    pub(super) fn fetch(&mut self, path: &str) -> io::Result<Answer> {
        // In one piece: the server is woken once.
        self.stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n").as_bytes())?;
        self.answer()
    }

    fn answer(&mut self) -> io::Result<Answer> {
        let (status, length) = self.head()?;
        let body = match length {
            Length::Bytes(length) => self.take(length)?,
            Length::Chunks => self.chunks()?,
        };
        Ok(Answer { status, body })
    }

    fn head(&mut self) -> io::Result<(u16, Length)> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
            let mut response = httparse::Response::new(&mut headers);
            if let httparse::Status::Complete(length) =
                response.parse(&self.bytes).map_err(io::Error::other)?
            {
                let found = (response.code.unwrap_or_default(), body_length(response.headers)?);
                self.bytes.drain(..length);
                return Ok(found);
            }
            self.read()?;
        }
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let size = httparse::parse_chunk_size(&self.bytes);
            let size = size.map_err(|_invalid| io::Error::other("a chunk begins without its size"))?;
            let httparse::Status::Complete((start, size)) = size else {
                self.read()?;
                continue;
            };
            self.take(start)?;
            body.extend(self.take(usize::try_from(size).map_err(io::Error::other)?)?);
            if self.take(END.len())? != END {
                return Err(io::Error::other("a chunk is longer than its size, or trailers follow the last"));
            }
            if size == 0 {
                return Ok(body);
            }
        }
    }

    fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.bytes.len() < length {
            self.read()?;
        }
        Ok(self.bytes.drain(..length).collect())
    }

    fn read(&mut self) -> io::Result<()> {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer)? {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server has closed the connection")),
            length => {
                self.bytes.extend_from_slice(&buffer[..length]);
                Ok(())
            }
        }
    }
}

fn body_length(headers: &[httparse::Header<'_>]) -> io::Result<Length> {
    let find = |name: &str| {
        let header = headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        header.and_then(|header| str::from_utf8(header.value).ok())
    };
    if find("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
        return Err(io::Error::other("the server does not keep its connections"));
    }
    if find("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        return Ok(Length::Chunks);
    }
    let length = find("content-length").and_then(|value| value.parse().ok());
    length.map(Length::Bytes).ok_or_else(|| io::Error::other("nothing says where the answer ends"))
}

const MOST_HEADERS: usize = 32;
const END: &[u8] = b"\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that has said all already, of which each look shows a few bytes.
    struct Said(&'static [u8], usize);

    impl Read for Said {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = self.1.min(self.0.len()).min(buffer.len());
            buffer[..length].copy_from_slice(&self.0[..length]);
            self.0 = &self.0[length..];
            Ok(length)
        }
    }

    impl Write for Said {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn answers(said: &'static [u8], step: usize) -> Vec<io::Result<Answer>> {
        let mut connection = Connection::new(Said(said, step));
        (0..2).map(|_| connection.fetch("/")).collect()
    }

    #[test]
    fn reads_one_answer_after_the_other_in_whatever_pieces_they_come() {
        let said = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello\
            HTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
        for step in [1, 7, 4096] {
            let answers: Vec<_> =
                answers(said, step).into_iter().map(|answer| answer.expect("whole")).collect();
            assert_eq!(answers[0], Answer { status: 200, body: b"hello".into() });
            assert_eq!(answers[1], Answer { status: 404, body: b"hello world".into() });
        }
    }

    #[test]
    fn refuses_what_is_no_answer_on_a_kept_connection() {
        for (said, why) in [
            (&b"HTTP/1.1 200 OK\r\n\r\nhello"[..], "where the answer ends"),
            (b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello", "keep its connections"),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello", "closed the connection"),
            (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nhello", "longer than its size"),
            (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nhello\r\n", "without its size"),
            (b"SSH-2.0-OpenSSH\r\n", "version"),
        ] {
            let error = answers(said, 4096).remove(0).expect_err("no answer");
            assert!(error.to_string().contains(why), "{error}");
        }
    }
}
