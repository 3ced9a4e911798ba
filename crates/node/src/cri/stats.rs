//! What containers and pods use.

use k8s_cri::v1::{ContainerStats, CpuUsage, LinuxPodSandboxStats, MemoryUsage, UInt64Value};

/// Usage since the start, as far as the shim reports it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Stats {
    /// CPU time in nanoseconds, of all cores together.
    pub cpu_nanos: Option<u64>,
    /// The working set in bytes: what cannot be reclaimed, and what kubelet evicts by.
    pub memory_bytes: Option<u64>,
    /// All memory in bytes, with caches.
    pub usage_bytes: Option<u64>,
    /// The number of processes; for pods only.
    pub processes: Option<u64>,
}

impl Stats {
    fn new(cpu: Option<CpuUsage>, memory: Option<MemoryUsage>) -> Self {
        let (cpu, memory) = (cpu.unwrap_or_default(), memory.unwrap_or_default());
        Self {
            cpu_nanos: number(cpu.usage_core_nano_seconds),
            memory_bytes: number(memory.working_set_bytes),
            usage_bytes: number(memory.usage_bytes),
            processes: None,
        }
    }
}

impl From<ContainerStats> for Stats {
    fn from(stats: ContainerStats) -> Self {
        Self::new(stats.cpu, stats.memory)
    }
}

impl From<LinuxPodSandboxStats> for Stats {
    fn from(stats: LinuxPodSandboxStats) -> Self {
        let processes = stats.process.and_then(|process| number(process.process_count));
        Self { processes, ..Self::new(stats.cpu, stats.memory) }
    }
}

fn number(value: Option<UInt64Value>) -> Option<u64> {
    value.map(|value| value.value)
}
