//! What a server says, read from the wire.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;

use crate::failure::{Failure, Result};

/// One answer of several that a connection may bring.
pub(super) struct Answer {
    pub(super) head: String,
    /// The body in the pieces in which it came; in one, where its length was said before.
    pub(super) pieces: Vec<Vec<u8>>,
}

impl Answer {
    pub(super) fn read(stream: &mut BufReader<TcpStream>) -> Result<Self> {
        let head = Self::head(stream)?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        let mut pieces = Vec::new();
        if head.contains("transfer-encoding: chunked") {
            while let Some(piece) = chunk(stream)? {
                pieces.push(piece);
            }
        } else if let Some(length) = length {
            pieces.push(bytes(stream, length)?);
        } else {
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest)?;
            pieces.push(rest);
        }
        Ok(Self { head, pieces })
    }

    /// The line of the status and the headers, up to the empty line, in lower case.
    pub(super) fn head(stream: &mut BufReader<TcpStream>) -> Result<String> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head)? == 0 {
                return Err(Failure(format!("the connection ended within the head {head:?}")));
            }
        }
        Ok(head.to_ascii_lowercase())
    }

    pub(super) fn body(&self) -> Vec<u8> {
        self.pieces.concat()
    }

    /// The answer as a person reads it.
    pub(super) fn describe(&self) -> String {
        const SHOWN: usize = 500;
        let body = self.body();
        let start = String::from_utf8_lossy(&body[..body.len().min(SHOWN)]).into_owned();
        format!("{}{} bytes in {} pieces: {start}", self.head, body.len(), self.pieces.len())
    }
}

/// A piece of a body in chunks, or none at its end.
fn chunk(stream: &mut BufReader<TcpStream>) -> Result<Option<Vec<u8>>> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let length = usize::from_str_radix(line.trim_end(), 16)
        .map_err(|error| format!("{line:?} begins no chunk: {error}"))?;
    let piece = bytes(stream, length)?;
    bytes(stream, "\r\n".len())?;
    Ok((length > 0).then_some(piece))
}

fn bytes(stream: &mut BufReader<TcpStream>, length: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    stream
        .read_exact(&mut bytes)
        .map_err(|error| format!("the body ended before its {length} bytes: {error}"))?;
    Ok(bytes)
}
