//! What servers of HTTP answer: a component under every shim that serves one, beside the engine's own command and beside
//! a server without a guest.
//!
//! runc is not among them: busybox's server, the native twin at hand, closes the connection after each answer.

mod answer;
mod load;
mod server;

use shimmer_benches::progress::{self, Progress};
use shimmer_benches::results::containers::{Http, NOT_INSTALLED};
use shimmer_benches::results::target::FLOOR;
use shimmer_benches::summary::Summary;
use shimmer_node::Node;

use crate::arguments::Plan;
use crate::http::load::Round;
use crate::http::server::Server;
use crate::target::{Kind, Target};
use crate::{Result, chance, turn};

/// Asks every server in every round. All of them are there from the beginning: one that nobody asks does nothing.
pub(crate) fn measure(node: &Node, plan: &Plan, targets: &[Target]) -> (Vec<Http>, Option<String>) {
    let (mut rows, mut cases) = (Vec::new(), Vec::new());
    let servers = servers(node, targets);
    for (name, server) in &servers {
        match server {
            Ok(server) => cases.extend(plan.clients.iter().map(|&clients| Case::new(name, server, clients))),
            Err(error) => rows.push(refusal(name, &error.to_string())),
        }
    }
    ask(plan, &mut cases);
    rows.splice(0..0, cases.into_iter().map(Case::row));
    let ids = servers.iter().filter_map(|(_, server)| server.as_ref().ok()?.id());
    let ids: Vec<String> = ids.collect();
    drop(servers);
    (rows, turn::settle(node, &ids).err().map(|error| error.to_string()))
}

fn servers(node: &Node, targets: &[Target]) -> Vec<(String, Result<Server>)> {
    let mut servers = Vec::new();
    for target in targets.iter().filter(|target| target.kind == Kind::Wasm) {
        progress::line(&format!("HTTP: starting {}", target.name));
        servers.push((target.name.clone(), chance::measured(target, || Server::in_container(node, target))));
    }
    progress::line("");
    match Server::of_wasmtime() {
        Ok(None) => {
            let reason = format!("no program called wasmtime is in PATH: {NOT_INSTALLED}");
            servers.push((WASMTIME_SERVE.to_owned(), Err(reason.into())));
        }
        Ok(Some(server)) => servers.push((WASMTIME_SERVE.to_owned(), Ok(server))),
        Err(error) => servers.push((WASMTIME_SERVE.to_owned(), Err(error))),
    }
    servers.push((FLOOR.to_owned(), Server::without_guest()));
    servers
}

fn ask(plan: &Plan, cases: &mut [Case<'_>]) {
    let mut progress = Progress::new("HTTP", (1 + plan.asks) * cases.len());
    for round in 0..=plan.asks {
        for place in turn::order(cases.len(), round) {
            progress.step(&format!("{}, clients: {}", cases[place].name, cases[place].clients));
            cases[place].ask(plan.requests);
        }
        // The first one is there to warm them up.
        if round == 0 {
            cases.iter_mut().for_each(|case| case.rounds.clear());
        }
    }
}

/// A server, and so many clients.
struct Case<'a> {
    name: &'a str,
    server: &'a Server,
    clients: usize,
    rounds: Vec<Round>,
    failure: Option<String>,
}

impl<'a> Case<'a> {
    fn new(name: &'a str, server: &'a Server, clients: usize) -> Self {
        Self { name, server, clients, rounds: Vec::new(), failure: None }
    }

    /// Once more, unless it has failed before.
    fn ask(&mut self, requests: usize) {
        if self.failure.is_some() {
            return;
        }
        match load::round(self.server.address(), self.clients, requests) {
            Ok(round) => self.rounds.push(round),
            Err(error) => self.failure = Some(error.to_string()),
        }
    }

    fn row(self) -> Http {
        let of = |part: fn(&Round) -> f64| Summary::of(self.rounds.iter().map(part).collect());
        Http {
            target: self.name.to_owned(),
            clients: self.clients,
            per_second: of(Round::per_second),
            latency: of(|round| round.percentile(0.5)),
            p99: of(|round| round.percentile(0.99)),
            failure: self.failure,
        }
    }
}

/// A shim may not serve HTTP.
fn refusal(name: &str, reason: &str) -> Http {
    let [per_second, latency, p99] = [(); 3].map(|()| Summary::of(Vec::new()));
    Http { target: name.to_owned(), clients: 0, per_second, latency, p99, failure: Some(reason.to_owned()) }
}

const WASMTIME_SERVE: &str = "wasmtime serve";
