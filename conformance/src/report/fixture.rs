use std::collections::BTreeMap;

use super::{Cgroup, FORMAT, Fact, Machine, Outcome, Report, Shim, Verdict};
use crate::ground::Ground;
use crate::level::Level;
use crate::profile::{Keyword, Profile};

/// A report of an engine called like its shim, in version 1.2.3.
pub(super) fn report<const N: usize>(shim: &str, results: [Outcome; N]) -> Report {
    Report {
        version: FORMAT,
        suite: "0.1.0".into(),
        shim: Shim {
            name: shim.into(),
            runtime: Some(format!("io.containerd.{shim}.v1")),
            engine: Some(format!("{shim} 1.2.3")),
            sha256: None,
            version: None,
        },
        machine: Machine {
            containerd: Some("1.7.20".into()),
            docker: None,
            kubernetes: None,
            kernel: "6.1.0".into(),
            architecture: "x86_64".into(),
            cgroup: Cgroup::Hybrid,
            processors: 2,
            node: Ground::Host,
        },
        started: "2026-01-02T03:04:05Z".into(),
        seconds: 12.5,
        claims: vec!["components".into()],
        guests: BTreeMap::from([("probe.wasm".into(), "00".repeat(32))]),
        results: results.into(),
        left_out: Vec::new(),
    }
}

pub(super) fn passed(id: &str) -> Outcome {
    Outcome {
        id: id.into(),
        level: Level::Task,
        profile: Profile::Core,
        keyword: Keyword::Must,
        spec: "docs/behaviour.md".into(),
        claimed: true,
        verdict: Verdict::Passed,
        seconds: 0.25,
        message: None,
        facts: Vec::new(),
    }
}

pub(super) fn failed(id: &str, message: &str) -> Outcome {
    Outcome { verdict: Verdict::Failed, message: Some(message.into()), ..passed(id) }
}

pub(super) fn known(id: &str) -> Outcome {
    let verdict =
        Verdict::Known { reason: "the engine | cannot".into(), link: "docs/behaviour.md#limits".into() };
    Outcome { verdict, ..failed(id, "expected 134, seen 139") }
}

pub(super) fn mended(id: &str) -> Outcome {
    Outcome { verdict: Verdict::Mended { reason: "it crashed".into(), link: "docs".into() }, ..passed(id) }
}

pub(super) fn observed<const N: usize>(id: &str, facts: [(&str, &str); N]) -> Outcome {
    Outcome { facts: facts.map(|(name, value)| Fact::new(name, value)).into(), ..passed(id) }
}
