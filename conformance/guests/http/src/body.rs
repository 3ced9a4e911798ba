//! Whole bodies in and out of WASI's streams.

use std::io::{self, Read, Write};
use std::thread;
use std::time::Duration;

use wasip2::http::types::{IncomingBody, OutgoingBody};

const TICKS: u32 = 5;
const TICK: Duration = Duration::from_millis(100);

/// What a response brings, and how.
pub enum Body {
    Whole(Vec<u8>),
    /// A piece so many times, of which only one is ever in memory.
    Repeated(Vec<u8>, usize),
    /// Numbered lines that leave one by one, with time between them.
    Ticks,
}

impl Body {
    /// Writes a body and says that it is complete.
    pub fn send(&self, outgoing: OutgoingBody) -> Result<(), String> {
        let mut stream = outgoing.write().map_err(|()| "the body was taken before".to_owned())?;
        self.write(&mut stream).map_err(|error| error.to_string())?;
        // A stream is a child of its body, which can only be finished without children.
        drop(stream);
        OutgoingBody::finish(outgoing, None).map_err(|error| error.to_string())
    }

    fn write(&self, stream: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Whole(content) => stream.write_all(content)?,
            Self::Repeated(piece, count) => (0..*count).try_for_each(|_| stream.write_all(piece))?,
            Self::Ticks => (1..=TICKS).try_for_each(|number| {
                thread::sleep(TICK);
                writeln!(stream, "chunk {number}")?;
                stream.flush()
            })?,
        }
        stream.flush()
    }
}

/// Reads a body to its end; WASI hands it out once, which is the outer result.
pub fn receive(body: Result<IncomingBody, ()>) -> Result<Vec<u8>, String> {
    let taken = |()| "the body was taken before".to_owned();
    let body = body.map_err(taken)?;
    let mut stream = body.stream().map_err(taken)?;
    let mut content = Vec::new();
    stream.read_to_end(&mut content).map_err(|error| error.to_string())?;
    Ok(content)
}
