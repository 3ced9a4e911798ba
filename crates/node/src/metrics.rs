//! What a container uses, read from the metrics of either cgroup version.

use prost::Message;
use prost_types::Any;

use crate::error::{Error, ErrorKind, Result};

/// What a container uses and has used. A count that the shim does not give is 0.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Metrics {
    /// Memory in use, in bytes, page cache included.
    pub memory_bytes: u64,
    /// The memory limit, in bytes; very large where there is none.
    pub memory_limit: u64,
    /// Time of processors used so far, in nanoseconds.
    pub cpu_nanos: u64,
    /// Periods of the CPU quota that have passed.
    pub periods: u64,
    /// Those of them in which the container was held back.
    pub throttled_periods: u64,
    /// Processes and threads that exist.
    pub pids: u64,
    /// How many of them may exist; 0 or very large where there is no limit.
    pub pids_limit: u64,
    /// Processes that the kernel ended because memory was short.
    pub oom_kills: u64,
}

impl Metrics {
    /// Reads what containerd passes on from a shim.
    pub(crate) fn read(data: &Any) -> Result<Self> {
        let broken = |error: prost::DecodeError| {
            let message = format!("the metrics {} of a task cannot be read: {error}", data.type_url);
            Error::new(ErrorKind::Answer, message)
        };
        match data.type_url.rsplit('/').next().unwrap_or_default() {
            "io.containerd.cgroups.v1.Metrics" => {
                Ok(v1::Metrics::decode(data.value.as_slice()).map_err(broken)?.into())
            }
            "io.containerd.cgroups.v2.Metrics" => {
                Ok(v2::Metrics::decode(data.value.as_slice()).map_err(broken)?.into())
            }
            other => {
                let message = format!("the metrics of a task are of the unknown type {other:?}");
                Err(Error::new(ErrorKind::Answer, message))
            }
        }
    }
}

impl From<v1::Metrics> for Metrics {
    fn from(metrics: v1::Metrics) -> Self {
        let memory = metrics.memory.and_then(|memory| memory.usage).unwrap_or_default();
        let cpu = metrics.cpu.unwrap_or_default();
        let throttling = cpu.throttling.unwrap_or_default();
        let pids = metrics.pids.unwrap_or_default();
        Self {
            memory_bytes: memory.usage,
            memory_limit: memory.limit,
            cpu_nanos: cpu.usage.unwrap_or_default().total,
            periods: throttling.periods,
            throttled_periods: throttling.throttled_periods,
            pids: pids.current,
            pids_limit: pids.limit,
            oom_kills: metrics.memory_oom_control.unwrap_or_default().oom_kill,
        }
    }
}

impl From<v2::Metrics> for Metrics {
    fn from(metrics: v2::Metrics) -> Self {
        let memory = metrics.memory.unwrap_or_default();
        let cpu = metrics.cpu.unwrap_or_default();
        let pids = metrics.pids.unwrap_or_default();
        Self {
            memory_bytes: memory.usage,
            memory_limit: memory.usage_limit,
            cpu_nanos: cpu.usage_usec.saturating_mul(1000),
            periods: cpu.nr_periods,
            throttled_periods: cpu.nr_throttled,
            pids: pids.current,
            pids_limit: pids.limit,
            oom_kills: metrics.memory_events.unwrap_or_default().oom_kill,
        }
    }
}

/// The number of processes is told alike in both versions.
#[derive(Clone, PartialEq, Message)]
struct Pids {
    #[prost(uint64, tag = "1")]
    current: u64,
    #[prost(uint64, tag = "2")]
    limit: u64,
}

/// The part of `io.containerd.cgroups.v1.Metrics` that is needed here.
mod v1 {
    use prost::Message;

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Metrics {
        #[prost(message, optional, tag = "2")]
        pub(super) pids: Option<super::Pids>,
        #[prost(message, optional, tag = "3")]
        pub(super) cpu: Option<Cpu>,
        #[prost(message, optional, tag = "4")]
        pub(super) memory: Option<Memory>,
        #[prost(message, optional, tag = "9")]
        pub(super) memory_oom_control: Option<OomControl>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Cpu {
        #[prost(message, optional, tag = "1")]
        pub(super) usage: Option<Usage>,
        #[prost(message, optional, tag = "2")]
        pub(super) throttling: Option<Throttling>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Usage {
        #[prost(uint64, tag = "1")]
        pub(super) total: u64,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Throttling {
        #[prost(uint64, tag = "1")]
        pub(super) periods: u64,
        #[prost(uint64, tag = "2")]
        pub(super) throttled_periods: u64,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Memory {
        #[prost(message, optional, tag = "33")]
        pub(super) usage: Option<Entry>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Entry {
        #[prost(uint64, tag = "1")]
        pub(super) limit: u64,
        #[prost(uint64, tag = "2")]
        pub(super) usage: u64,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct OomControl {
        #[prost(uint64, tag = "3")]
        pub(super) oom_kill: u64,
    }
}

/// The part of `io.containerd.cgroups.v2.Metrics` that is needed here.
mod v2 {
    use prost::Message;

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Metrics {
        #[prost(message, optional, tag = "1")]
        pub(super) pids: Option<super::Pids>,
        #[prost(message, optional, tag = "2")]
        pub(super) cpu: Option<Cpu>,
        #[prost(message, optional, tag = "4")]
        pub(super) memory: Option<Memory>,
        #[prost(message, optional, tag = "8")]
        pub(super) memory_events: Option<MemoryEvents>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Cpu {
        #[prost(uint64, tag = "1")]
        pub(super) usage_usec: u64,
        #[prost(uint64, tag = "4")]
        pub(super) nr_periods: u64,
        #[prost(uint64, tag = "5")]
        pub(super) nr_throttled: u64,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Memory {
        #[prost(uint64, tag = "32")]
        pub(super) usage: u64,
        #[prost(uint64, tag = "33")]
        pub(super) usage_limit: u64,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct MemoryEvents {
        #[prost(uint64, tag = "5")]
        pub(super) oom_kill: u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: &str, message: &impl Message) -> Result<Metrics> {
        Metrics::read(&Any { type_url: kind.into(), value: message.encode_to_vec() })
    }

    #[test]
    fn reads_cgroup_v2_in_the_same_units_as_v1() {
        let cpu = v2::Cpu { usage_usec: 7, nr_periods: 3, nr_throttled: 2 };
        let message = v2::Metrics {
            pids: Some(Pids { current: 4, limit: 5 }),
            cpu: Some(cpu),
            memory: Some(v2::Memory { usage: 10, usage_limit: 20 }),
            memory_events: Some(v2::MemoryEvents { oom_kill: 1 }),
        };
        let metrics = read("io.containerd.cgroups.v2.Metrics", &message).expect("metrics");
        let expected = Metrics {
            memory_bytes: 10,
            memory_limit: 20,
            cpu_nanos: 7000,
            periods: 3,
            throttled_periods: 2,
            pids: 4,
            pids_limit: 5,
            oom_kills: 1,
        };
        assert_eq!(metrics, expected);
    }

    #[test]
    fn refuses_what_is_no_cgroups_metrics() {
        let unknown = read("io.example.Metrics", &Pids::default()).expect_err("an unknown type");
        assert!(unknown.to_string().contains("io.example.Metrics"), "{unknown}");
        let broken = Any { type_url: "io.containerd.cgroups.v1.Metrics".into(), value: vec![0xff] };
        assert_eq!(Metrics::read(&broken).expect_err("no message").kind(), &ErrorKind::Answer);
    }
}
