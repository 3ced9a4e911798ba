//! Whole bodies in and out of WASI's streams.

use std::io::{Read, Write};

use wasip2::http::types::{IncomingBody, OutgoingBody};

/// Reads a body to its end; WASI hands it out once, which is the outer result.
pub fn receive(body: Result<IncomingBody, ()>) -> Result<Vec<u8>, String> {
    let taken = |()| "the body was taken before".to_owned();
    let body = body.map_err(taken)?;
    let mut stream = body.stream().map_err(taken)?;
    let mut content = Vec::new();
    stream.read_to_end(&mut content).map_err(|error| error.to_string())?;
    Ok(content)
}

/// Writes a body and says that it is complete.
pub fn send(body: OutgoingBody, content: &[u8]) -> Result<(), String> {
    let mut stream = body.write().map_err(|()| "the body was taken before".to_owned())?;
    stream.write_all(content).and_then(|()| Write::flush(&mut stream)).map_err(|error| error.to_string())?;
    // A stream is a child of its body, which can only be finished without children.
    drop(stream);
    OutgoingBody::finish(body, None).map_err(|error| error.to_string())
}
