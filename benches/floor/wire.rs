//! ttrpc's frames: a length, the id of a call, and one message.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

use containerd_shim_protos::protobuf::Message;
use containerd_shim_protos::ttrpc::proto::{
    MESSAGE_HEADER_LENGTH, MESSAGE_LENGTH_MAX, MessageHeader, Request, Response,
};

/// Reads a frame; nothing where the other side has closed the connection.
pub(crate) fn read<M: Message>(connection: &mut UnixStream) -> io::Result<Option<(u32, M)>> {
    let mut header = [0; MESSAGE_HEADER_LENGTH];
    match connection.read_exact(&mut header) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let header = MessageHeader::from(header);
    let length = usize::try_from(header.length).unwrap_or(usize::MAX);
    if length > MESSAGE_LENGTH_MAX {
        return Err(io::Error::other(format!("a message of {length} bytes")));
    }
    let mut message = vec![0; length];
    connection.read_exact(&mut message)?;
    Ok(Some((header.stream_id, M::parse_from_bytes(&message).map_err(io::Error::other)?)))
}

/// Answers the call `id`.
pub(crate) fn answer(connection: &mut UnixStream, id: u32, answer: &dyn Answer) -> io::Result<()> {
    let message = Response { payload: answer.bytes()?, ..Response::default() }.bytes()?;
    send(connection, MessageHeader::new_response(id, length(&message)?), &message)
}

/// Makes the call `id`, whose answer is another matter.
pub(crate) fn call(connection: &mut UnixStream, id: u32, request: &Request) -> io::Result<()> {
    let message = request.bytes()?;
    send(connection, MessageHeader::new_request(id, length(&message)?), &message)
}

/// Any message.
pub(crate) trait Answer {
    fn bytes(&self) -> io::Result<Vec<u8>>;
}

impl<M: Message> Answer for M {
    fn bytes(&self) -> io::Result<Vec<u8>> {
        self.write_to_bytes().map_err(io::Error::other)
    }
}

/// In one piece: the other side is woken once.
fn send(connection: &mut UnixStream, header: MessageHeader, message: &[u8]) -> io::Result<()> {
    let mut frame = Vec::from(header);
    frame.extend_from_slice(message);
    connection.write_all(&frame)
}

fn length(message: &[u8]) -> io::Result<u32> {
    u32::try_from(message.len()).map_err(io::Error::other)
}
