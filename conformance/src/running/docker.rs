//! Containers of Docker.

use shimmer_node::docker::{DockerContainer, DockerSpec};
use tempfile::TempDir;

use super::specification::{access, docker_spec};
use super::{Error, Execution, Kind, again, refused};
use crate::expected::{Ended, Entry};
use crate::failure::{Failure, Result};
use crate::setup::Setup;
use crate::shim::Shim;
use crate::stage::Stage;

impl Kind {
    pub(super) fn docker(
        stage: &Stage<'_>,
        setup: &Setup,
        data: &TempDir,
    ) -> std::result::Result<Self, Error> {
        let mut spec = stage.docker_spec(setup)?.mount(data.path(), "/data", access(setup));
        for (file, target) in &setup.mounts {
            spec = spec.mount(&data.path().join(file), target, access(setup));
        }
        Self::of_docker(stage, &spec)
    }

    pub(super) fn of_docker(stage: &Stage<'_>, spec: &DockerSpec) -> std::result::Result<Self, Error> {
        let container = stage.shim.node.docker()?.container(spec).map_err(refused)?;
        Ok(Self::Docker { image: spec.image().to_owned(), container: Box::new(container) })
    }
}

/// What a setup says, as a container of Docker without the case's files.
pub(crate) fn described(name: String, image: &str, runtime: &str, setup: &Setup) -> DockerSpec {
    docker_spec(DockerSpec::new(name, image, runtime), setup)
}

/// Starts a container; it is tried again where the host is known to fail by chance.
pub(super) fn start(
    shim: &Shim,
    image: &str,
    container: &DockerContainer,
) -> std::result::Result<(), shimmer_node::Error> {
    let _turn = shim.turn_of(image);
    again(|| container.start())
}

pub(super) fn exec<const N: usize>(
    shim: &Shim,
    container: &DockerContainer,
    command: [&str; N],
) -> Result<Execution> {
    let ended = container.exec(shimmer_node::ExecSpec::new(command), shim.patience)?;
    Ok(Execution { code: ended.code, stdout: ended.stdout, stderr: ended.stderr })
}

/// Waits for its end and removes it.
pub(super) fn end(shim: &Shim, container: DockerContainer, data: &TempDir) -> Result<Ended> {
    let code = container.wait(shim.patience)?;
    let (stdout, stderr) = container.output()?;
    container.remove()?;
    Ok(Ended { code, reason: None, stdout, stderr, left: Entry::all(data.path())? })
}

/// The container's first process, as the node counts processes.
pub(super) fn pid(container: &DockerContainer) -> Result<u32> {
    match container.inspect()?.pid {
        0 => Err(Failure(format!("Docker knows no process of the container {}", container.id()))),
        pid => Ok(pid),
    }
}
