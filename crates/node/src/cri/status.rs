//! How CRI says that it, a pod or a container is.

use std::time::{Duration, SystemTime};

use k8s_cri::v1::{ContainerState, PodSandboxState, RuntimeCondition, VersionResponse};

/// Which runtime serves CRI.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RuntimeVersion {
    /// The runtime, for example `containerd`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The version of CRI that it serves, for example `v1`.
    pub api: String,
}

impl From<VersionResponse> for RuntimeVersion {
    fn from(answer: VersionResponse) -> Self {
        Self { name: answer.runtime_name, version: answer.runtime_version, api: answer.runtime_api_version }
    }
}

/// Something that is so, or is not, about the runtime.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Condition {
    /// What, for example `RuntimeReady`.
    pub kind: String,
    /// Whether it is so.
    pub is_true: bool,
    /// Why, in a word.
    pub reason: String,
    /// Why, for people.
    pub message: String,
}

impl From<RuntimeCondition> for Condition {
    fn from(condition: RuntimeCondition) -> Self {
        let RuntimeCondition { r#type: kind, status: is_true, reason, message } = condition;
        Self { kind, is_true, reason, message }
    }
}

/// Whether a pod's sandbox runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PodState {
    /// It does not, or not any more.
    NotReady,
    /// It runs.
    Ready,
}

impl From<PodSandboxState> for PodState {
    fn from(state: PodSandboxState) -> Self {
        match state {
            PodSandboxState::SandboxReady => Self::Ready,
            PodSandboxState::SandboxNotready => Self::NotReady,
        }
    }
}

/// What a container in a pod is doing, as CRI says.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ContainerStatus {
    /// Made, not started.
    Created,
    /// Ended, or could not be started.
    Exited(Ended),
    /// Running since then.
    Running {
        /// When it was started.
        started_at: SystemTime,
    },
    /// CRI does not know: the shim did not answer it.
    Unknown,
}

impl From<k8s_cri::v1::ContainerStatus> for ContainerStatus {
    fn from(status: k8s_cri::v1::ContainerStatus) -> Self {
        match status.state() {
            ContainerState::ContainerCreated => Self::Created,
            ContainerState::ContainerRunning => Self::Running { started_at: time(status.started_at) },
            ContainerState::ContainerExited => Self::Exited(Ended {
                code: status.exit_code.cast_unsigned(),
                reason: status.reason,
                message: status.message,
                started_at: time(status.started_at),
                finished_at: time(status.finished_at),
            }),
            ContainerState::ContainerUnknown => Self::Unknown,
        }
    }
}

/// How a container in a pod ended: what `kubectl describe` shows of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ended {
    /// The exit code; 128 + n for a program ended by signal n.
    pub code: u32,
    /// `Completed`, `Error`, `OOMKilled`, `StartError` and others.
    pub reason: String,
    /// More about it, mostly where it could not be started.
    pub message: String,
    /// When it was started; the Unix epoch if it never was.
    pub started_at: SystemTime,
    /// When it ended.
    pub finished_at: SystemTime,
}

/// CRI's times are nanoseconds since the Unix epoch, and negative for Go's zero time.
fn time(nanoseconds: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_start_that_never_was_for_the_epoch() {
        assert_eq!(time(-6_795_364_578_871_345_152), SystemTime::UNIX_EPOCH);
        assert_eq!(time(1_000_000_000), SystemTime::UNIX_EPOCH + Duration::from_secs(1));
    }
}
