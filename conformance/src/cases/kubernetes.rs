//! What Kubernetes makes of containers: each topic is a file, and a row of `docs/behaviour.md`.

mod config;
mod crowd;
mod exec;
mod jobs;
mod lifecycle;
mod limits;
mod logs;
mod metrics;
mod pods;
mod probes;
mod resilience;
mod rollout;
mod scheduling;
mod security;
mod servers;
mod services;

use super::row;
use crate::case::Case;
use crate::images::Form;
use crate::kube::KubeStage;
use crate::profile::Profile;
use crate::setup::{Setup, probe};

pub(crate) use servers::servers;

pub(super) fn cases() -> Vec<Case> {
    [
        scheduling::cases(),
        services::cases(),
        probes::cases(),
        logs::cases(),
        exec::cases(),
        pods::cases(),
        config::cases(),
        jobs::cases(),
        limits::cases(),
        lifecycle::cases(),
        rollout::cases(),
        security::cases(),
        metrics::cases(),
        crowd::cases(),
        resilience::cases(),
    ]
    .concat()
}

/// The probe, in an image that has a shell besides.
fn guest<const N: usize>(args: [&str; N]) -> Setup {
    probe(args).form(Form::Userland)
}

/// The path of the probe in its image: what an exec of the guest's own program runs.
fn program(stage: &KubeStage<'_>) -> String {
    format!("/{}", stage.setup().name)
}

fn kubernetes<const N: usize>(topic: &str, cases: [Case; N]) -> Vec<Case> {
    row(&format!("kubernetes-{topic}"), Profile::Kubernetes, cases)
}
