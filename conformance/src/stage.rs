use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use shimmer_node::docker::DockerSpec;
use shimmer_node::{Code, ContainerSpec, ErrorKind, Image};
use shimmer_oci::Digest;

use crate::case::Case;
use crate::expected::{Ended, Seen};
use crate::failure::{Failure, Result, ensure};
use crate::level::Level;
use crate::patience::patience;
use crate::report::Fact;
use crate::running;
use crate::running::Running;
use crate::setup::Setup;
use crate::shim::Shim;

/// Where one case is played, and what was observed of it.
#[derive(Debug)]
pub(crate) struct Stage<'a> {
    pub(crate) shim: &'a Shim,
    pub(crate) level: Level,
    id: String,
    setup: Setup,
    facts: Mutex<Vec<Fact>>,
    containers: AtomicUsize,
}

impl<'a> Stage<'a> {
    pub(crate) fn new(shim: &'a Shim, level: Level, case: &Case) -> Self {
        let setup = if shim.is_native() { case.setup.clone().native() } else { case.setup.clone() };
        let id = short(format!("{}-{level}", case.id.replace('/', "-")));
        Self { shim, level, id, setup, facts: Mutex::default(), containers: AtomicUsize::new(0) }
    }

    /// What the case runs; its native twin under the reference.
    pub(crate) fn setup(&self) -> Setup {
        self.setup.clone()
    }

    /// Adds to what was observed, by which shims are compared.
    pub(crate) fn note(&self, name: &str, value: impl Into<String>) {
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        facts.push(Fact::new(name, value));
    }

    pub(crate) fn note_seen(&self, seen: &Seen) {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner).extend(seen.facts());
    }

    /// What was observed.
    pub(crate) fn facts(self) -> Vec<Fact> {
        self.facts.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// A name for the next container of this case.
    pub(crate) fn next_name(&self) -> String {
        match self.containers.fetch_add(1, Ordering::SeqCst) {
            0 => self.id.clone(),
            earlier => format!("{}-{}", self.id, earlier + 1),
        }
    }

    pub(crate) fn image(&self, setup: &Setup) -> Result<Image> {
        self.shim.image(setup.form, &setup.name, &setup.program)
    }

    /// A container for containerd's task service, to be changed further; without the case's files.
    pub(crate) fn spec(&self, setup: &Setup) -> Result<ContainerSpec> {
        Ok(self.spec_of(&self.image(setup)?, setup))
    }

    /// The same with another image than the setup's own.
    pub(crate) fn spec_of(&self, image: &Image, setup: &Setup) -> ContainerSpec {
        let spec = ContainerSpec::new(self.next_name(), image, &self.shim.runtime).timeout(patience());
        running::described(spec, setup)
    }

    /// A container for Docker, to be changed further; without the case's files.
    pub(crate) fn docker_spec(&self, setup: &Setup) -> Result<DockerSpec> {
        let image = self.shim.loaded(setup.form, &setup.name, &setup.program)?;
        Ok(running::described_to_docker(self.next_name(), &image, &self.shim.runtime, setup))
    }

    /// A container whose program is loaded and not started; with CRI and Docker it is a record until it is started.
    pub(crate) fn create(&self, setup: &Setup) -> Result<Running<'_>> {
        match self.try_create(setup)? {
            Ok(running) => Ok(running),
            Err(refused) => Err(Failure(format!("expected a container, but saw {}", refused.describe()))),
        }
    }

    /// A container, or the shim's refusal to make it.
    pub(crate) fn try_create(&self, setup: &Setup) -> Result<std::result::Result<Running<'_>, Seen>> {
        match Running::create(self, setup) {
            Ok(running) => Ok(Ok(running)),
            Err(running::Error::Refused(seen)) => Ok(Err(seen)),
            Err(running::Error::Other(failure)) => Err(failure),
        }
    }

    /// A task that was described in the words of containerd's task service, not started.
    pub(crate) fn create_task(&self, spec: &ContainerSpec) -> Result<Running<'_>> {
        match Running::of_spec(self, spec) {
            Ok(running) => Ok(running),
            Err(running::Error::Refused(seen)) => {
                Err(Failure(format!("expected a container, but saw {}", seen.describe())))
            }
            Err(running::Error::Other(failure)) => Err(failure),
        }
    }

    /// A container that was described in the words of Docker, not started.
    pub(crate) fn create_in_docker(&self, spec: &DockerSpec) -> Result<Running<'_>> {
        match Running::of_docker_spec(self, spec) {
            Ok(running) => Ok(running),
            Err(running::Error::Refused(seen)) => {
                Err(Failure(format!("expected a container, but saw {}", seen.describe())))
            }
            Err(running::Error::Other(failure)) => Err(failure),
        }
    }

    /// A container that runs.
    pub(crate) fn start(&self, setup: &Setup) -> Result<Running<'_>> {
        let mut running = self.create(setup)?;
        running.start()?;
        Ok(running)
    }

    /// A container from its start to its end, deleted, and noted.
    pub(crate) fn run(&self, setup: &Setup) -> Result<Ended> {
        self.start(setup)?.end()
    }

    /// Plays one guest, and tells what came of it.
    pub(crate) fn observe(&self, setup: &Setup, signal: Option<u32>) -> Result<Seen> {
        let seen = self.observe_unnoted(setup, signal)?;
        self.note_seen(&seen);
        Ok(seen)
    }

    /// As [`observe`](Self::observe), for what differs from run to run.
    pub(crate) fn observe_unnoted(&self, setup: &Setup, signal: Option<u32>) -> Result<Seen> {
        let mut running = match self.try_create(setup)? {
            Ok(running) => running,
            Err(refused) => return Ok(refused),
        };
        match running.try_start() {
            Err(running::Error::Refused(refused)) if self.level != Level::Task => return Ok(refused),
            Err(running::Error::Refused(refused)) => {
                return Err(Failure(format!("start failed: {}", refused.describe())));
            }
            Err(running::Error::Other(failure)) => return Err(failure),
            Ok(()) => {}
        }
        if let Some(signal) = signal {
            running.wait_for("ready\n")?;
            running.kill(signal)?;
        }
        running.end_unnoted().map(Seen::Ended)
    }
}

/// containerd takes no more than 76 letters, of which some are left for a number.
fn short(name: String) -> String {
    const LONGEST: usize = 68;
    const KEPT: usize = 56;
    if name.len() <= LONGEST {
        return name;
    }
    let hex = Digest::of(name.as_bytes()).hex()[..LONGEST - KEPT - 1].to_owned();
    let kept: String = name.chars().take(KEPT).collect();
    format!("{}-{hex}", kept.trim_end_matches('-'))
}

/// A call that the shim must refuse: gives gRPC's code and the words.
pub(crate) fn refusal<T>(answer: std::result::Result<T, shimmer_node::Error>) -> Result<(String, String)> {
    match answer {
        Ok(_) => Err(Failure("expected a refusal, but the call succeeded".into())),
        Err(error) => match error.kind() {
            ErrorKind::Containerd { code, .. } => Ok((format!("{code:?}"), error.to_string())),
            ErrorKind::Docker { status, .. } => Ok((status.to_string(), error.to_string())),
            _ => Err(error.into()),
        },
    }
}

/// A call that must be refused with this code; gives the words.
pub(crate) fn refusal_as<T>(
    code: Code,
    answer: std::result::Result<T, shimmer_node::Error>,
) -> Result<String> {
    let (seen, sentence) = refusal(answer)?;
    ensure(seen == format!("{code:?}"), || {
        format!("expected the code {code:?}, but saw {seen}: {sentence}")
    })?;
    Ok(sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_and_stay_different() {
        let long = |end: char| short(format!("wasi-testsuite-{}-{end}-task", "x".repeat(60)));
        assert!(long('a').len() <= 68 && long('a') != long('b'), "{} and {}", long('a'), long('b'));
        assert_eq!(short("exit-return-is-0-task".into()), "exit-return-is-0-task");
    }
}
