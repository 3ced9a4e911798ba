//! Clients that ask without a pause.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::http::answer::{Answer, Connection};

/// What all clients together have seen.
#[derive(Debug)]
pub(super) struct Round {
    taken: Duration,
    /// How long each answer took, the shortest first.
    latencies: Vec<Duration>,
}

impl Round {
    fn new(taken: Duration, mut latencies: Vec<Duration>) -> Self {
        latencies.sort_unstable();
        Self { taken, latencies }
    }

    pub(super) fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.taken.as_secs_f64()
    }

    /// The time within which this part of the answers came, in milliseconds.
    pub(super) fn percentile(&self, part: f64) -> f64 {
        let rank = (part * self.latencies.len() as f64).ceil() as usize;
        let latency = self.latencies.get(rank.saturating_sub(1));
        latency.map_or(f64::NAN, |latency| latency.as_secs_f64() * 1000.0)
    }
}

/// Lets so many clients ask for about so many answers; connecting does not count.
pub(super) fn round(address: SocketAddr, clients: usize, requests: usize) -> io::Result<Round> {
    let mut connections = (0..clients).map(|_| connect(address)).collect::<io::Result<Vec<_>>>()?;
    let begin = Instant::now();
    let latencies = thread::scope(|scope| {
        let count = requests.div_ceil(clients);
        let clients: Vec<_> =
            connections.iter_mut().map(|connection| scope.spawn(move || asked(connection, count))).collect();
        let latencies = clients
            .into_iter()
            .map(|client| client.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        latencies.collect::<io::Result<Vec<_>>>()
    })?;
    Ok(Round::new(begin.elapsed(), latencies.concat()))
}

/// A connection that has had its first answer.
pub(super) fn connect(address: SocketAddr) -> io::Result<Connection<TcpStream>> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut connection = Connection::new(stream);
    check(&connection.fetch("/")?)?;
    Ok(connection)
}

fn asked(connection: &mut Connection<TcpStream>, count: usize) -> io::Result<Vec<Duration>> {
    let ask = |_| {
        let begin = Instant::now();
        let answer = connection.fetch("/")?;
        let latency = begin.elapsed();
        check(&answer).map(|()| latency)
    };
    (0..count).map(ask).collect()
}

fn check(answer: &Answer) -> io::Result<()> {
    if answer.status == 200 && answer.body == BODY.as_bytes() {
        return Ok(());
    }
    let body = String::from_utf8_lossy(&answer.body);
    Err(io::Error::other(format!("the server answered {} and {body:?}", answer.status)))
}

/// What the guest answers.
pub(super) const BODY: &str = "hello from wasm\n";
const PATIENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_answer_in_a_hundred_takes_longer_than_the_99th_percentile() {
        let latencies = (1..=200).rev().map(Duration::from_millis).collect();
        let round = Round::new(Duration::from_secs(4), latencies);
        assert_eq!((round.percentile(0.5), round.percentile(0.99)), (100.0, 198.0));
        assert_eq!(round.per_second(), 50.0);
        let none = Round::new(Duration::from_secs(1), Vec::new());
        assert!(none.percentile(0.5).is_nan());
    }
}
