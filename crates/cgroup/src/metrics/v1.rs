//! The message `io.containerd.cgroups.v1.Metrics`.

mod blkio;
mod memory;

use prost::Message;

use super::{Pids, page_sizes};
use crate::folder::Folder;
use crate::layout::Layout;
use crate::table::number;
use blkio::Blkio;
use memory::{Entry, Memory, OomControl};

#[derive(Clone, PartialEq, Message)]
pub(super) struct Metrics {
    #[prost(message, repeated, tag = "1")]
    hugetlb: Vec<HugePages>,
    #[prost(message, optional, tag = "2")]
    pub(super) pids: Option<Pids>,
    #[prost(message, optional, tag = "3")]
    cpu: Option<Cpu>,
    #[prost(message, optional, tag = "4")]
    memory: Option<Memory>,
    #[prost(message, optional, tag = "5")]
    blkio: Option<Blkio>,
    #[prost(message, optional, tag = "9")]
    memory_oom_control: Option<OomControl>,
}

#[derive(Clone, PartialEq, Message)]
struct HugePages {
    #[prost(uint64, tag = "1")]
    usage: u64,
    #[prost(uint64, tag = "2")]
    max: u64,
    #[prost(uint64, tag = "3")]
    failcnt: u64,
    #[prost(string, tag = "4")]
    pagesize: String,
}

#[derive(Clone, PartialEq, Message)]
struct Cpu {
    #[prost(message, optional, tag = "1")]
    usage: Option<CpuUsage>,
    #[prost(message, optional, tag = "2")]
    throttling: Option<Throttling>,
}

/// In nanoseconds.
#[derive(Clone, PartialEq, Message)]
struct CpuUsage {
    #[prost(uint64, tag = "1")]
    total: u64,
    #[prost(uint64, tag = "2")]
    kernel: u64,
    #[prost(uint64, tag = "3")]
    user: u64,
    #[prost(uint64, repeated, tag = "4")]
    per_cpu: Vec<u64>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Throttling {
    #[prost(uint64, tag = "1")]
    periods: u64,
    #[prost(uint64, tag = "2")]
    throttled_periods: u64,
    /// In nanoseconds.
    #[prost(uint64, tag = "3")]
    throttled_time: u64,
}

impl Metrics {
    pub(super) fn read(layout: &Layout) -> Self {
        let memory = layout.controller("memory");
        Self {
            hugetlb: layout.controller("hugetlb").map(HugePages::read).unwrap_or_default(),
            pids: layout.controller("pids").and_then(|folder| Pids::read(folder, 0)),
            cpu: Cpu::read(layout),
            memory: memory.and_then(Memory::read),
            blkio: layout.controller("blkio").map(Blkio::read),
            memory_oom_control: memory.and_then(OomControl::read),
        }
    }

    #[cfg(test)]
    pub(super) fn cpu_total(&self) -> u64 {
        self.cpu.as_ref().and_then(|cpu| cpu.usage.as_ref()).map_or(0, |usage| usage.total)
    }

    #[cfg(test)]
    pub(super) fn memory_usage(&self) -> u64 {
        self.memory.as_ref().and_then(|memory| memory.usage).map_or(0, |usage| usage.usage)
    }
}

impl HugePages {
    fn read(folder: &Folder) -> Vec<Self> {
        let page = |pagesize: String| {
            let Entry { usage, max, failcnt, .. } = Entry::read(folder, &format!("hugetlb.{pagesize}"))?;
            Some(Self { usage, max, failcnt, pagesize })
        };
        page_sizes(folder, "usage_in_bytes").into_iter().filter_map(page).collect()
    }
}

impl Cpu {
    fn read(layout: &Layout) -> Option<Self> {
        let usage = layout.controller("cpuacct").and_then(CpuUsage::read);
        let throttling = layout.controller("cpu").and_then(Throttling::read);
        (usage.is_some() || throttling.is_some()).then_some(Self { usage, throttling })
    }
}

impl CpuUsage {
    fn read(folder: &Folder) -> Option<Self> {
        let each = folder.text("cpuacct.usage_percpu").unwrap_or_default();
        Some(Self {
            total: folder.number("cpuacct.usage")?,
            kernel: Self::part(folder, "cpuacct.usage_sys", "system"),
            user: Self::part(folder, "cpuacct.usage_user", "user"),
            per_cpu: each.split_whitespace().filter_map(number).collect(),
        })
    }

    /// Kernels before 4.7 count kernel and user only in ticks.
    fn part(folder: &Folder, file: &str, key: &str) -> u64 {
        let ticks = || folder.table("cpuacct.stat").unwrap_or_default().count(key);
        let nanos_per_tick = 1_000_000_000 / rustix::param::clock_ticks_per_second().max(1);
        folder.number(file).unwrap_or_else(|| ticks().saturating_mul(nanos_per_tick))
    }
}

impl Throttling {
    fn read(folder: &Folder) -> Option<Self> {
        let stat = folder.table("cpu.stat")?;
        Some(Self {
            periods: stat.count("nr_periods"),
            throttled_periods: stat.count("nr_throttled"),
            throttled_time: stat.count("throttled_time"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Hierarchy;

    const FILES: &[(&str, &str)] = &[
        ("cpu,cpuacct/cpuacct.usage", "700\n"),
        ("cpu,cpuacct/cpuacct.usage_user", "500\n"),
        ("cpu,cpuacct/cpuacct.stat", "user 9\nsystem 2\n"),
        ("cpu,cpuacct/cpuacct.usage_percpu", "300 400 \n"),
        ("cpu,cpuacct/cpu.stat", "nr_periods 9\nnr_throttled 4\nthrottled_time 33\nnr_bursts 0\n"),
        ("hugetlb/hugetlb.1GB.usage_in_bytes", "0\n"),
        ("hugetlb/hugetlb.2MB.usage_in_bytes", "2097152\n"),
        ("hugetlb/hugetlb.2MB.max_usage_in_bytes", "4194304\n"),
        ("hugetlb/hugetlb.2MB.failcnt", "5\n"),
        ("hugetlb/hugetlb.2MB.rsvd.usage_in_bytes", "1\n"),
        ("pids/pids.current", "3\n"),
        ("pids/pids.max", "max\n"),
    ];

    fn layout(root: &std::path::Path) -> Layout {
        let hierarchy = |name: &str| Hierarchy {
            controllers: name.split(',').map(str::to_owned).collect(),
            folder: Folder::new(root.join(name)),
        };
        Layout::V1(["cpu,cpuacct", "hugetlb", "pids", "memory"].map(hierarchy).into())
    }

    #[test]
    fn has_the_files_under_the_numbers_of_containerd() {
        let root = tempfile::tempdir().expect("a folder");
        for (name, text) in FILES {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(path, text).expect("a file");
        }
        let bytes = Metrics::read(&layout(root.path())).encode_to_vec();
        let metrics = Metrics::decode(bytes.as_slice()).expect("a message");
        let usage = CpuUsage { total: 700, kernel: 20_000_000, user: 500, per_cpu: vec![300, 400] };
        let throttling = Throttling { periods: 9, throttled_periods: 4, throttled_time: 33 };
        assert_eq!(metrics.cpu, Some(Cpu { usage: Some(usage), throttling: Some(throttling) }));
        assert_eq!(metrics.pids, Some(Pids { current: 3, limit: 0 }));
        let small = HugePages { usage: 2 << 20, max: 4 << 20, failcnt: 5, pagesize: "2MB".into() };
        let large = HugePages { pagesize: "1GB".into(), ..HugePages::default() };
        assert_eq!(metrics.hugetlb, [large, small]);
        assert_eq!((metrics.memory, metrics.blkio, metrics.memory_oom_control), (None, None, None));
    }

    #[test]
    fn leaves_out_what_is_not_there() {
        let root = tempfile::tempdir().expect("a folder");
        assert!(Metrics::read(&layout(root.path())).encode_to_vec().is_empty());
    }
}
