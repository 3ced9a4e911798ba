//! Plays one case on one driver, whatever calls for it.

use std::time::Instant;

use crate::case::{Case, Play};
use crate::claims::Claims;
use crate::engine::EngineHost;
use crate::expected::Expected;
use crate::failure::{Failure, Result};
use crate::guests;
use crate::kube::{Cluster, KubeStage};
use crate::level::Level;
use crate::official;
use crate::report::Fact;
use crate::shim::Shim;
use crate::stage::Stage;

/// What a case is played on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Subject<'a> {
    Engine(&'a EngineHost),
    Shim(&'a Shim, Level),
    Cluster(&'a Cluster),
}

/// What came of a case.
#[derive(Debug)]
pub(crate) struct Played {
    pub(crate) result: std::result::Result<(), String>,
    pub(crate) facts: Vec<Fact>,
    pub(crate) seconds: f64,
}

impl Subject<'_> {
    pub(crate) fn level(self) -> Level {
        match self {
            Self::Engine(_) => Level::Engine,
            Self::Shim(_, level) => level,
            Self::Cluster(_) => Level::Kube,
        }
    }

    /// The name of the engine or shim.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Engine(host) => host.name(),
            Self::Shim(shim, _) => &shim.name,
            Self::Cluster(cluster) => &cluster.runtime_class,
        }
    }

    pub(crate) fn claims(&self) -> Claims {
        match self {
            Self::Engine(host) => host.claims(),
            Self::Shim(shim, _) => shim.claims.clone(),
            Self::Cluster(cluster) => cluster.claims.clone(),
        }
    }

    /// Why a case that means something here cannot be played all the same.
    pub(crate) fn misses(self, case: &Case) -> Option<&'static str> {
        match self {
            Self::Shim(shim, _) if case.private && !shim.is_private() => {
                Some("it takes a private containerd, which `--shim` starts")
            }
            Self::Cluster(cluster) if case.private && !cluster.is_private() => {
                Some("it looks below the API server, and takes a cluster of this machine")
            }
            _ => None,
        }
    }

    /// The cases that mean something here.
    pub(crate) fn is_for(self, case: &Case) -> bool {
        let native = match self {
            Self::Engine(_) => false,
            Self::Shim(shim, _) => shim.is_native(),
            Self::Cluster(cluster) => cluster.is_native(),
        };
        case.is_for(self.level(), native)
    }
}

/// Plays a case; a shim's log of the time is added to a failure.
pub(crate) fn play(case: &Case, subject: Subject<'_>) -> Played {
    let begin = Instant::now();
    let (result, facts) = match subject {
        Subject::Engine(host) => on_engine(case, host),
        Subject::Shim(shim, level) => on_shim(case, shim, level),
        Subject::Cluster(cluster) => on_cluster(case, cluster),
    };
    let result = result.map_err(|Failure(sentence)| sentence);
    Played { result, facts, seconds: begin.elapsed().as_secs_f64() }
}

fn on_engine(case: &Case, host: &EngineHost) -> (Result, Vec<Fact>) {
    let Play::Once { expected, .. } = &case.play else {
        return (Err(Failure("it has steps, which an engine by itself cannot play".into())), Vec::new());
    };
    let expected = if host.claims().cover(case.needs) { expected.clone() } else { refusal_of(case) };
    let mut facts = Vec::new();
    for form in case.forms() {
        let seen = match host.observe(&case.setup, *form) {
            Ok(seen) => seen,
            Err(Failure(why)) => return (Err(Failure(format!("as {form:?}: {why}"))), facts),
        };
        if let Err(why) = expected.compare(&seen) {
            return (Err(Failure(format!("as {form:?}: {why}"))), facts);
        }
        if facts.is_empty() {
            facts = seen.facts();
        }
    }
    (Ok(()), facts)
}

fn on_shim(case: &Case, shim: &Shim, level: Level) -> (Result, Vec<Fact>) {
    // A containerd that is not ours keeps its log to itself.
    let mark = shim.node.log_len().ok();
    let stage = Stage::new(shim, level, case);
    let result = match &case.play {
        _ if !shim.claims.cover(case.needs) => once(&stage, None, &refusal_of(case)),
        Play::Once { signal, expected } if shim.is_native() => {
            once(&stage, *signal, &expected.clone().renamed(guests::PROBE.name, guests::PROBE_TWIN.0))
        }
        Play::Once { signal, expected } => once(&stage, *signal, expected),
        Play::Steps(steps) => steps(&stage),
        Play::Cluster(_) => Err(Failure("it has steps for a Kubernetes only".into())),
        Play::Official(script) => official::play(&stage, script),
    };
    let result = result.map_err(|Failure(sentence)| Failure(with_log(&sentence, shim, mark)));
    (result, stage.facts())
}

fn on_cluster(case: &Case, cluster: &Cluster) -> (Result, Vec<Fact>) {
    let mut marks = Vec::new();
    let nodes = cluster.nodes.as_deref();
    nodes.map(|nodes| nodes.logged(&mut marks));
    let stage = KubeStage::new(cluster, case);
    let once = |expected: &Expected| {
        let seen = stage.observe(&stage.setup(), expected)?;
        Ok(expected.compare(&seen)?)
    };
    let result = match &case.play {
        _ if !cluster.claims.cover(case.needs) && !cluster.is_native() => once(&refusal_of(case)),
        Play::Once { expected, .. } if cluster.is_native() => {
            once(&expected.clone().renamed(guests::PROBE.name, guests::PROBE_TWIN.0))
        }
        Play::Once { expected, .. } => once(expected),
        Play::Cluster(steps) => steps(&stage),
        Play::Steps(_) | Play::Official(_) => Err(Failure("no pod of a Kubernetes can play it".into())),
    };
    let result = result.map_err(|Failure(sentence)| {
        // A node's log has much that nobody asks for; what went wrong says so.
        let log = nodes.map(|nodes| nodes.logged(&mut marks)).unwrap_or_default();
        let wrong: Vec<&str> = log.lines().filter(|line| !line.contains("level=info")).collect();
        Failure(with_lines(&sentence, &wrong))
    });
    (result, stage.facts())
}

fn once(stage: &Stage<'_>, signal: Option<u32>, expected: &Expected) -> Result {
    let seen = stage.observe(&stage.setup(), signal)?;
    Ok(expected.compare(&seen)?)
}

/// What must be seen of a program that takes a capability which is not claimed.
fn refusal_of(case: &Case) -> Expected {
    Expected::Refused { says: vec!["does not provide".into(), case.setup.name.clone()] }
}

/// Adds what containerd and the shim have logged since `mark`.
fn with_log(sentence: &str, shim: &Shim, mark: Option<u64>) -> String {
    let Some(mark) = mark else { return sentence.to_owned() };
    let log = shim.node.log_since(mark).unwrap_or_else(|error| error.to_string());
    with_lines(sentence, &log.lines().filter(|line| !line.is_empty()).collect::<Vec<_>>())
}

/// Adds the last of these lines.
fn with_lines(sentence: &str, lines: &[&str]) -> String {
    const LINES: usize = 12;
    if lines.is_empty() {
        return sentence.to_owned();
    }
    let end = lines[lines.len().saturating_sub(LINES)..].join("\n");
    format!("{sentence}\nmeanwhile containerd and the shim logged\n{end}")
}
