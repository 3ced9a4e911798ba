//! What a setup says, in the words of each driver.

use shimmer_node::cri::CriContainerSpec;
use shimmer_node::docker::DockerSpec;
use shimmer_node::{Access, ContainerSpec};

use crate::setup::Setup;

pub(super) fn access(setup: &Setup) -> Access {
    if setup.read_only { Access::Read } else { Access::Write }
}

/// What a setup says, in the words of the task service.
pub(crate) fn described(spec: ContainerSpec, setup: &Setup) -> ContainerSpec {
    let mut spec = spec.stdin(setup.stdin.clone().unwrap_or_default());
    if !setup.left_to_the_image {
        spec = spec.args(setup.command()).cwd(setup.cwd);
    } else if !setup.args.is_empty() {
        spec = spec.args(setup.command());
    }
    for (name, value) in &setup.env {
        spec = spec.env(name, value);
    }
    if let Some((user, group)) = setup.user {
        spec = spec.user(user, group);
    }
    if let Some(bytes) = setup.memory {
        spec = spec.memory(bytes);
    }
    if let Some((quota, period)) = setup.cpu {
        spec = spec.cpu(quota, period);
    }
    if setup.read_only_root {
        spec = spec.read_only_root();
    }
    if let Some(change) = setup.in_task {
        spec = change(spec);
    }
    if setup.network { spec.host_network() } else { spec }
}

/// What a setup says, in the words of CRI.
pub(super) fn cri_spec(spec: CriContainerSpec, setup: &Setup) -> CriContainerSpec {
    let mut spec = if setup.left_to_the_image {
        spec.args(setup.args.clone())
    } else {
        spec.command(setup.command()).cwd(setup.cwd)
    };
    for (name, value) in &setup.env {
        spec = spec.env(name, value);
    }
    if let Some((user, group)) = setup.user {
        spec = spec.user(user, group);
    }
    if let Some(bytes) = setup.memory {
        spec = spec.memory(bytes);
    }
    if let Some((quota, period)) = setup.cpu {
        spec = spec.cpu(quota, period);
    }
    if let Some(change) = setup.in_pod {
        spec = change(spec);
    }
    if setup.read_only_root { spec.read_only_root() } else { spec }
}

/// What a setup says, in the words of Docker.
pub(crate) fn docker_spec(spec: DockerSpec, setup: &Setup) -> DockerSpec {
    let mut spec = match setup.command().split_first() {
        Some((program, args)) if !setup.left_to_the_image => {
            spec.entrypoint(program).args(args).cwd(setup.cwd)
        }
        _ if setup.args.is_empty() => spec,
        _ => spec.args(&setup.args),
    };
    for (name, value) in &setup.env {
        spec = spec.env(name, value);
    }
    if let Some(stdin) = &setup.stdin {
        spec = spec.stdin(stdin.clone());
    }
    if let Some((user, group)) = setup.user {
        spec = spec.user(user, group);
    }
    if let Some(bytes) = setup.memory {
        spec = spec.memory(bytes);
    }
    if let Some((quota, period)) = setup.cpu {
        spec = spec.cpu(quota, period);
    }
    if let Some(change) = setup.in_docker {
        spec = change(spec);
    }
    if setup.read_only_root {
        spec = spec.read_only_root();
    }
    if setup.network { spec.host_network() } else { spec }
}
