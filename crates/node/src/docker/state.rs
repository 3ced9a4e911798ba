//! How a container of Docker is.

use bollard::models::{ContainerInspectResponse, ContainerStatsResponse};

/// What `docker inspect` says of a container's state.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct DockerState {
    /// In Docker's words: `created`, `running`, `paused`, `exited` and others.
    pub status: String,
    /// The exit code of the last end.
    pub code: u32,
    /// Whether it ended since its memory ran out: `OOMKilled`.
    pub is_oom_killed: bool,
    /// Why it could not be started, or nothing.
    pub error: String,
    /// The id of its first process, as the node counts processes; 0 where there is none.
    pub pid: u32,
    /// What its health check has found, in Docker's words: `starting`, `healthy`, `unhealthy`; nothing without one.
    pub health: String,
    /// How often it was started again by its restart policy.
    pub restarts: u32,
}

impl From<ContainerInspectResponse> for DockerState {
    fn from(answer: ContainerInspectResponse) -> Self {
        let state = answer.state.unwrap_or_default();
        let number =
            |number: Option<i64>| number.and_then(|number| number.try_into().ok()).unwrap_or_default();
        Self {
            status: state.status.map(|status| status.to_string()).unwrap_or_default(),
            code: number(state.exit_code),
            is_oom_killed: state.oom_killed.unwrap_or_default(),
            error: state.error.unwrap_or_default(),
            pid: number(state.pid),
            health: state
                .health
                .and_then(|health| health.status)
                .map(|found| found.to_string())
                .unwrap_or_default(),
            restarts: number(answer.restart_count),
        }
    }
}

/// What `docker stats` measures of a container.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Usage {
    /// Processor time since its start.
    pub cpu_nanos: u64,
    /// Memory that is charged to it now.
    pub memory_bytes: u64,
    /// The limit of that.
    pub memory_limit: u64,
    /// How many processes and threads it has.
    pub pids: u64,
}

impl From<ContainerStatsResponse> for Usage {
    fn from(stats: ContainerStatsResponse) -> Self {
        let time = stats.cpu_stats.and_then(|cpu| cpu.cpu_usage?.total_usage);
        let memory = stats.memory_stats.unwrap_or_default();
        Self {
            cpu_nanos: time.unwrap_or_default(),
            memory_bytes: memory.usage.unwrap_or_default(),
            memory_limit: memory.limit.unwrap_or_default(),
            pids: stats.pids_stats.and_then(|pids| pids.current).unwrap_or_default(),
        }
    }
}
