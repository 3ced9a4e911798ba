use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// One end of a conversation in messages of JSON, each of which may carry descriptors.
///
/// It is a socket of the type SOCK_SEQPACKET: a message arrives whole or not at all, so that a reader never waits for
/// the rest of one.
#[derive(Debug)]
pub struct Connection(OwnedFd);

/// The most descriptors that a message carries: three streams.
const DESCRIPTORS: usize = 3;
/// The longest message, in bytes. A longer error text is cut where it is made.
const LONGEST: usize = 64 << 10;

impl Connection {
    /// Connects to the socket at `path`.
    ///
    /// # Errors
    ///
    /// Those of socket(2) and connect(2); `NotFound` or `ConnectionRefused` where nobody serves.
    pub fn to(path: &Path) -> io::Result<Self> {
        let socket = socket()?;
        rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
        Ok(Self(socket))
    }

    /// Listens at `path`, at which nothing may exist yet.
    ///
    /// # Errors
    ///
    /// Those of socket(2), bind(2) and listen(2).
    pub(crate) fn listen(path: &Path) -> io::Result<OwnedFd> {
        const BACKLOG: i32 = 1024;
        let socket = socket()?;
        rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
        rustix::net::listen(&socket, BACKLOG)?;
        Ok(socket)
    }

    /// Takes the next connection of a listening socket.
    ///
    /// # Errors
    ///
    /// Those of accept4(2).
    pub(crate) fn accept(listener: impl AsFd) -> io::Result<Self> {
        Ok(Self(rustix::net::accept_with(listener, SocketFlags::CLOEXEC)?))
    }

    /// Sends a message, with descriptors that the other side gets copies of.
    ///
    /// # Errors
    ///
    /// Those of sendmsg(2); `BrokenPipe` where the other side is gone.
    pub fn send(&self, message: &impl Serialize, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let bytes = serde_json::to_vec(message)?;
        if bytes.len() > LONGEST || descriptors.len() > DESCRIPTORS {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the message is too long"));
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the message has too many descriptors"));
        }
        rustix::net::sendmsg(&self.0, &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// Waits for the next message; none where the other side has ended the conversation.
    ///
    /// # Errors
    ///
    /// Those of recvmsg(2), `InvalidData` where the message makes no sense.
    pub fn receive<M: DeserializeOwned>(&self) -> io::Result<Option<(M, Vec<OwnedFd>)>> {
        self.receive_as(RecvFlags::empty())
    }

    /// Takes the next message if there is one already.
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive), and `WouldBlock` where there is none yet.
    pub fn try_receive<M: DeserializeOwned>(&self) -> io::Result<Option<(M, Vec<OwnedFd>)>> {
        self.receive_as(RecvFlags::DONTWAIT)
    }

    fn receive_as<M: DeserializeOwned>(&self, flags: RecvFlags) -> io::Result<Option<(M, Vec<OwnedFd>)>> {
        // How long it is, so that no process keeps a buffer for the longest.
        let look = RecvFlags::PEEK | RecvFlags::TRUNC;
        let (_, length) = retry(|| rustix::net::recv(&self.0, [0_u8; 0].as_mut_slice(), flags | look))?;
        if length > LONGEST {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the message is too long"));
        }
        let mut bytes = vec![0; length];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = flags | RecvFlags::CMSG_CLOEXEC;
        let mut buffers = [IoSliceMut::new(&mut bytes)];
        let received = retry(|| rustix::net::recvmsg(&self.0, &mut buffers, &mut control, flags))?;
        let mut descriptors = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(received) = message {
                descriptors.extend(received);
            }
        }
        if received.bytes == 0 {
            return Ok(None);
        }
        Ok(Some((serde_json::from_slice(&bytes)?, descriptors)))
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Connection {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl From<Connection> for OwnedFd {
    fn from(connection: Connection) -> Self {
        connection.0
    }
}

impl Connection {
    /// A pair that speaks with itself.
    ///
    /// # Errors
    ///
    /// Those of socketpair(2).
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Self(one), Self(other)))
    }
}

fn socket() -> io::Result<OwnedFd> {
    Ok(rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// A signal that a process handles elsewhere is no reason to give up.
fn retry<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> rustix::io::Result<T> {
    loop {
        match call() {
            Err(rustix::io::Errno::INTR) => {}
            answer => return answer,
        }
    }
}

/// Takes over a descriptor that was handed on by number, as the listening socket of a zygote is.
///
/// # Safety
///
/// `number` is open, and nobody else in this process owns it.
pub(crate) unsafe fn inherited(number: RawFd) -> OwnedFd {
    // SAFETY: the caller's.
    unsafe { OwnedFd::from_raw_fd(number) }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;

    use super::*;

    #[test]
    fn messages_arrive_whole_with_their_descriptors() {
        let (one, other) = Connection::pair().expect("a pair");
        let (mut reader, writer) = io::pipe().expect("a pipe");
        one.send(&"first", &[]).expect("it is sent");
        one.send(&"second", &[writer.as_fd()]).expect("it is sent");
        let (first, none) = other.receive::<String>().expect("readable").expect("there is one");
        assert_eq!((first.as_str(), none.len()), ("first", 0));
        let (second, mut descriptors) = other.receive::<String>().expect("readable").expect("there is one");
        assert_eq!(second, "second");
        drop(writer);
        io::Write::write_all(&mut File::from(descriptors.remove(0)), b"x").expect("it is the pipe's end");
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("it ends when all writers are gone");
        assert_eq!(text, "x");
    }

    #[test]
    fn an_end_is_no_error_and_no_message_is_one() {
        let (one, other) = Connection::pair().expect("a pair");
        let nothing = other.try_receive::<String>().expect_err("nothing was sent");
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
        drop(one);
        assert!(other.receive::<String>().expect("it is an end").is_none());
    }

    #[test]
    fn what_is_too_long_is_refused_by_the_sender() {
        let (one, _other) = Connection::pair().expect("a pair");
        let error = one.send(&"x".repeat(LONGEST), &[]).expect_err("it is too long");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}
