use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};

use shimmer_node::{ContainerSpec, State};

use super::connection::Connection;
use super::request::Request;
use crate::expected::{Ended, Seen};
use crate::failure::{Failure, Result, ensure};
use crate::patience::until;
use crate::running::Running;
use crate::stage::Stage;
use crate::testsuite::{Operation, Protocol, Response, Stream};

/// A program of a test, from its start to its end, and what was read of it.
#[derive(Debug)]
pub(super) struct Session<'a> {
    stage: &'a Stage<'a>,
    phase: Phase<'a>,
    /// Where it listens, if it is a service.
    address: Option<SocketAddr>,
    connections: BTreeMap<String, Connection>,
    read: Read,
    killed: Option<u32>,
}

#[derive(Debug)]
enum Phase<'a> {
    Runs(Box<Running<'a>>),
    Ended(Ended),
    /// A failed step, after which there is none.
    Lost,
}

/// What the steps have read: with exactly this both streams must begin.
#[derive(Debug, Default)]
struct Read {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl<'a> Session<'a> {
    pub(super) fn start(
        stage: &'a Stage<'a>,
        spec: &ContainerSpec,
        address: Option<SocketAddr>,
    ) -> Result<Self> {
        let mut running = stage.create_task(spec)?;
        running.start()?;
        let phase = Phase::Runs(Box::new(running));
        Ok(Self { stage, phase, address, connections: BTreeMap::new(), read: Read::default(), killed: None })
    }

    pub(super) fn perform(&mut self, operation: &Operation) -> Result {
        match operation {
            Operation::Write { payload, .. } => Ok(self.running()?.task()?.write(payload.as_bytes())?),
            Operation::Read { stream, payload, whole: true } => self.compare_whole(*stream, payload),
            Operation::Read { stream, payload, whole: false } => self.read(*stream, payload.as_bytes()),
            Operation::Connect { id, protocol } => self.connect(id, *protocol),
            Operation::Send { id, payload } => self.connection(id)?.send(payload.as_bytes()),
            Operation::Recv { id, payload } => self.connection(id)?.receive(payload.as_bytes()),
            Operation::Request { method, path, headers, body, response } => {
                self.request(Request { method, path, headers, body }, response)
            }
            Operation::Kill { signal } => {
                self.killed = Some(signal.number());
                self.running()?.kill(signal.number())
            }
            Operation::Wait { exit_code } => self.wait(*exit_code),
        }
    }

    /// Expects the next bytes of a stream. Of a program that has ended they may still be on their way: what is missing
    /// is looked for again when all of it is there.
    fn read(&mut self, stream: Stream, payload: &[u8]) -> Result {
        self.read.of(stream).extend_from_slice(payload);
        let read = std::mem::take(&mut self.read);
        let enough = |stdout: &[u8], stderr: &[u8]| read.is_decided(stdout, stderr);
        let patience = self.stage.shim.patience;
        let written = self.running().and_then(|running| Ok(running.task()?.read_until(patience, enough)?));
        self.read = read;
        let (stdout, stderr) = written?;
        ensure(self.read.may_become(&stdout, &stderr), || self.read.describe(&stdout, &stderr))
    }

    fn compare_whole(&self, stream: Stream, payload: &str) -> Result {
        let Phase::Ended(ended) = &self.phase else {
            return Err(Failure("the program has not ended, so that its output is not whole".into()));
        };
        let (name, seen) = match stream {
            Stream::Stdout => ("stdout", ended.stdout()),
            Stream::Stderr => ("stderr", ended.stderr()),
        };
        ensure(seen == payload, || format!("expected {name} to be {payload:?}, but saw {}", ended.describe()))
    }

    /// The line by which the program says where it listens counts as read.
    fn connect(&mut self, id: &str, protocol: Protocol) -> Result {
        let begin = self.read.stdout.len();
        let line = |stdout: &[u8]| -> Option<Vec<u8>> {
            let rest = stdout.get(begin..)?;
            Some(rest[..=rest.iter().position(|byte| *byte == b'\n')?].to_owned())
        };
        let patience = self.stage.shim.patience;
        let task = self.running()?.task()?;
        let (stdout, stderr) = task.read_until(patience, |stdout, _| line(stdout).is_some())?;
        let line = line(&stdout).ok_or_else(|| {
            format!("expected a line with an address, but saw {}", self.read.describe(&stdout, &stderr))
        })?;
        self.read(Stream::Stdout, &line)?;
        let connection = Connection::open(protocol, &String::from_utf8_lossy(&line))?;
        self.connections.insert(id.to_owned(), connection);
        Ok(())
    }

    fn connection(&mut self, id: &str) -> Result<&mut Connection> {
        Ok(self.connections.get_mut(id).ok_or_else(|| format!("there is no connection {id:?}"))?)
    }

    fn request(&mut self, request: Request<'_>, response: &Response) -> Result {
        let address = self.address.ok_or("a program that is no service is sent a request")?;
        let patience = self.stage.shim.patience;
        let task = self.running()?.task()?;
        until(patience, || {
            if TcpStream::connect(address).is_ok() {
                return Ok(None);
            }
            ensure(task.state()? != State::Stopped, || "the service has ended".into())?;
            Ok(Some(format!("nobody listens on {address}")))
        })?;
        request.send(address, response)
    }

    fn wait(&mut self, exit_code: u32) -> Result {
        let Phase::Runs(mut running) = std::mem::replace(&mut self.phase, Phase::Lost) else {
            return Err(Failure("it has ended already".into()));
        };
        // A shim that does not know the call, or has ended, holds no pipe: the program sees the end anyway.
        let _needless = running.task()?.close_stdin();
        let ended = running.end_unnoted()?;
        // What was said on connections has the port in it, which differs from run to run.
        if self.connections.is_empty() {
            self.stage.note_seen(&Seen::Ended(ended.clone()));
        }
        ensure(self.is_right(exit_code, ended.code), || {
            format!("expected status {exit_code}, but saw {}", ended.describe())
        })?;
        ensure(self.read.begins(&ended.stdout, &ended.stderr), || {
            self.read.describe(&ended.stdout, &ended.stderr)
        })?;
        self.phase = Phase::Ended(ended);
        Ok(())
    }

    /// A service does not end by itself: 0 says that its host, asked by a signal, ended in good order, for which
    /// containers have another number.
    fn is_right(&self, expected: u32, seen: u32) -> bool {
        let asked = self.address.and(self.killed).map(|signal| 128 + signal);
        seen == expected || (expected == 0 && Some(seen) == asked)
    }

    fn running(&mut self) -> Result<&mut Running<'a>> {
        match &mut self.phase {
            Phase::Runs(running) => Ok(running),
            Phase::Ended(_) | Phase::Lost => Err(Failure("the program has ended".into())),
        }
    }
}

impl Read {
    fn of(&mut self, stream: Stream) -> &mut Vec<u8> {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }

    /// Whether what was written has all that is expected, or cannot have it any more.
    fn is_decided(&self, stdout: &[u8], stderr: &[u8]) -> bool {
        self.begins(stdout, stderr) || !self.may_become(stdout, stderr)
    }

    fn begins(&self, stdout: &[u8], stderr: &[u8]) -> bool {
        stdout.starts_with(&self.stdout) && stderr.starts_with(&self.stderr)
    }

    fn may_become(&self, stdout: &[u8], stderr: &[u8]) -> bool {
        let fits = |read: &[u8], seen: &[u8]| read.iter().zip(seen).all(|(read, seen)| read == seen);
        fits(&self.stdout, stdout) && fits(&self.stderr, stderr)
    }

    fn describe(&self, stdout: &[u8], stderr: &[u8]) -> String {
        let text = String::from_utf8_lossy;
        format!(
            "expected stdout to begin with {:?} and stderr with {:?}, but saw stdout {:?} and stderr {:?}",
            text(&self.stdout),
            text(&self.stderr),
            text(stdout),
            text(stderr)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(stdout: &str, stderr: &str) -> Read {
        Read { stdout: stdout.into(), stderr: stderr.into() }
    }

    #[test]
    fn waits_for_more_only_as_long_as_it_can_be_right() {
        let read = read("one\n", "two\n");
        for (stdout, stderr) in [("", ""), ("one\n", ""), ("on", "two\n"), ("one\nmore", "tw")] {
            assert!(
                !read.is_decided(stdout.as_bytes(), stderr.as_bytes()),
                "{stdout:?} {stderr:?} may become right"
            );
        }
        for (stdout, stderr) in [("one\nmore", "two\n"), ("one\n", "two\n")] {
            assert!(read.begins(stdout.as_bytes(), stderr.as_bytes()), "{stdout:?} {stderr:?} is right");
        }
        for (stdout, stderr) in [("x", ""), ("one\n", "x"), ("one two", "two\n")] {
            let decided = read.is_decided(stdout.as_bytes(), stderr.as_bytes());
            assert!(
                decided && !read.begins(stdout.as_bytes(), stderr.as_bytes()),
                "{stdout:?} {stderr:?} is wrong"
            );
        }
    }

    #[test]
    fn says_what_both_streams_were_to_begin_with() {
        let said = read("one\n", "").describe(b"two\n", b"trap");
        assert!(
            said.contains(r#"stdout to begin with "one\n""#) && said.contains(r#"stderr "trap""#),
            "{said}"
        );
    }
}
