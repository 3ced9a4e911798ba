//! What came of the cases, as a report.

use std::fs;
use std::path::Path;
use std::process::Command;

use shimmer_oci::Digest;

use crate::case::Case;
use crate::engine::EngineHost;
use crate::error::{Error, Result};
use crate::expectations::Expectations;
use crate::failure::{self, Failure};
use crate::ground::Ground;
use crate::guests;
use crate::kube::{Cluster, Private};
use crate::level::Level;
use crate::player::{Played, Subject};
use crate::report::{self, FORMAT, Machine, Outcome, Report};
use crate::shim::Shim;

/// A report to which the results are still to come.
pub(crate) fn opened(
    host: Option<&EngineHost>,
    shim: Option<&Shim>,
    cluster: Option<&Cluster>,
    expectations: &Expectations,
    ground: Ground,
) -> Result<Report> {
    let claims = shim
        .map(|shim| shim.claims.names())
        .or_else(|| host.map(|host| host.claims().names()))
        .or_else(|| cluster.map(|cluster| cluster.claims.names()));
    Ok(Report {
        version: FORMAT,
        suite: env!("CARGO_PKG_VERSION").to_owned(),
        shim: described(host, shim, cluster, expectations)?,
        machine: match cluster {
            Some(cluster) => cluster.machine(Machine::detect(None, ground)?),
            None => Machine::detect(shim.map(|shim| shim.node.version()), ground)?,
        },
        started: report::now(),
        seconds: 0.0,
        claims: claims.unwrap_or_default(),
        guests: guests::checksums(),
        results: Vec::new(),
        left_out: Vec::new(),
    })
}

/// What is known of a cluster that was started for the run, beyond what its API server tells.
pub(crate) fn add_private(report: &mut Report, private: &Private) -> Result<()> {
    let Report { shim, machine, .. } = report;
    shim.sha256 = Some(checksum(&private.binary)?);
    if let Some((version, engine)) = versions(&private.binary) {
        shim.version = Some(version);
        shim.engine = engine.or_else(|| shim.engine.take());
    }
    machine.containerd.get_or_insert_with(|| private.containerd().to_owned());
    Ok(())
}

/// What a case that was played means.
pub(crate) fn outcome(
    case: &Case,
    subject: Subject<'_>,
    played: Played,
    expectations: &Expectations,
) -> Outcome {
    let Played { result, facts, seconds } = played;
    Outcome {
        id: case.id.to_string(),
        level: subject.level(),
        profile: case.profile,
        keyword: case.keyword,
        spec: case.spec.clone(),
        claimed: subject.claims().cover(case.needs),
        verdict: expectations.judge(&case.id, subject.level(), subject.name(), &result),
        seconds,
        message: result.err(),
        facts,
    }
}

/// What it means that a node left something on the machine when it was ended, or a run something in a cluster, or nothing.
pub(crate) fn remains(
    shim: &str,
    level: Level,
    ended: failure::Result,
    expectations: &Expectations,
) -> Outcome {
    let case = crate::cases::nothing_is_left();
    let result = ended.map_err(|Failure(sentence)| sentence);
    Outcome {
        verdict: expectations.judge(&case.id, level, shim, &result),
        id: case.id.into_owned(),
        level,
        profile: case.profile,
        keyword: case.keyword,
        spec: case.spec,
        claimed: true,
        seconds: 0.0,
        message: result.err(),
        facts: Vec::new(),
    }
}

fn described(
    host: Option<&EngineHost>,
    shim: Option<&Shim>,
    cluster: Option<&Cluster>,
    expectations: &Expectations,
) -> Result<report::Shim> {
    let name = shim
        .map(|shim| shim.name.as_str())
        .or_else(|| host.map(EngineHost::name))
        .or_else(|| cluster.map(|cluster| cluster.runtime_class.as_str()))
        .unwrap_or_default();
    let binary = shim.and_then(|shim| shim.binary.as_deref());
    let versions = binary.and_then(versions);
    let engine =
        host.map(EngineHost::engine).or_else(|| versions.as_ref().and_then(|(_, engine)| engine.clone()));
    Ok(report::Shim {
        name: name.to_owned(),
        runtime: shim.map(|shim| shim.runtime.clone()),
        engine: engine.or_else(|| expectations.engine().map(str::to_owned)),
        sha256: binary.map(checksum).transpose()?,
        version: versions.map(|(version, _)| version),
    })
}

/// What `--version` tells of a shim of ours: its own version, and the engine's. Others say what they like.
fn versions(binary: &Path) -> Option<(String, Option<String>)> {
    let output = Command::new(binary).arg("--version").env_clear().output().ok()?;
    let text = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
    let mut lines = text.lines();
    let version = lines.next()?.split_whitespace().last()?.to_owned();
    Some((version, lines.find_map(|line| line.strip_prefix("engine: ")).map(str::to_owned)))
}

fn checksum(binary: &Path) -> Result<String> {
    let bytes = fs::read(binary).map_err(|error| Error::io(format!("read {}", binary.display()), error))?;
    Ok(Digest::of(&bytes).hex().to_owned())
}
