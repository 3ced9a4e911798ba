//! The message `io.containerd.cgroups.v2.Metrics`.

mod memory;

use prost::Message;

use super::{Pids, device_numbers, page_sizes};
use crate::folder::Folder;
use crate::table::number;
use memory::{Memory, MemoryEvents};

#[derive(Clone, PartialEq, Message)]
pub(super) struct Metrics {
    #[prost(message, optional, tag = "1")]
    pids: Option<Pids>,
    #[prost(message, optional, tag = "2")]
    cpu: Option<Cpu>,
    #[prost(message, optional, tag = "4")]
    memory: Option<Memory>,
    #[prost(message, optional, tag = "6")]
    io: Option<Io>,
    #[prost(message, repeated, tag = "7")]
    hugetlb: Vec<HugePages>,
    #[prost(message, optional, tag = "8")]
    memory_events: Option<MemoryEvents>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Cpu {
    #[prost(uint64, tag = "1")]
    usage_usec: u64,
    #[prost(uint64, tag = "2")]
    user_usec: u64,
    #[prost(uint64, tag = "3")]
    system_usec: u64,
    #[prost(uint64, tag = "4")]
    nr_periods: u64,
    #[prost(uint64, tag = "5")]
    nr_throttled: u64,
    #[prost(uint64, tag = "6")]
    throttled_usec: u64,
}

#[derive(Clone, PartialEq, Message)]
struct Io {
    #[prost(message, repeated, tag = "1")]
    usage: Vec<IoEntry>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct IoEntry {
    #[prost(uint64, tag = "1")]
    major: u64,
    #[prost(uint64, tag = "2")]
    minor: u64,
    #[prost(uint64, tag = "3")]
    rbytes: u64,
    #[prost(uint64, tag = "4")]
    wbytes: u64,
    #[prost(uint64, tag = "5")]
    rios: u64,
    #[prost(uint64, tag = "6")]
    wios: u64,
}

#[derive(Clone, PartialEq, Message)]
struct HugePages {
    #[prost(uint64, tag = "1")]
    current: u64,
    #[prost(uint64, tag = "2")]
    max: u64,
    #[prost(string, tag = "3")]
    pagesize: String,
}

impl Metrics {
    pub(super) fn read(folder: &Folder) -> Self {
        let sizes = page_sizes(folder, "current");
        Self {
            pids: Pids::read(folder, u64::MAX),
            cpu: Cpu::read(folder),
            memory: Memory::read(folder),
            io: folder.text("io.stat").map(|text| Io::parse(&text)),
            hugetlb: sizes.into_iter().filter_map(|size| HugePages::read(folder, size)).collect(),
            memory_events: MemoryEvents::read(folder),
        }
    }

    #[cfg(test)]
    pub(super) fn cpu_usage(&self) -> u64 {
        self.cpu.unwrap_or_default().usage_usec
    }
}

impl Cpu {
    fn read(folder: &Folder) -> Option<Self> {
        let stat = folder.table("cpu.stat")?;
        Some(Self {
            usage_usec: stat.count("usage_usec"),
            user_usec: stat.count("user_usec"),
            system_usec: stat.count("system_usec"),
            nr_periods: stat.count("nr_periods"),
            nr_throttled: stat.count("nr_throttled"),
            throttled_usec: stat.count("throttled_usec"),
        })
    }
}

impl Io {
    fn parse(text: &str) -> Self {
        Self { usage: text.lines().filter_map(IoEntry::parse).collect() }
    }
}

impl IoEntry {
    fn parse(line: &str) -> Option<Self> {
        let mut entry = None;
        for word in line.split_whitespace() {
            // Some kernels write no line break after a device that was not used.
            if let Some((major, minor)) = device_numbers(word) {
                entry = Some(Self { major, minor, ..Self::default() });
            } else if let Some((key, value)) = word.split_once('=') {
                entry.as_mut()?.set(key, number(value).unwrap_or_default());
            }
        }
        entry
    }

    fn set(&mut self, key: &str, value: u64) {
        match key {
            "rbytes" => self.rbytes = value,
            "wbytes" => self.wbytes = value,
            "rios" => self.rios = value,
            "wios" => self.wios = value,
            // Discards and delays have no place in the message.
            _ => {}
        }
    }
}

impl HugePages {
    fn read(folder: &Folder, pagesize: String) -> Option<Self> {
        let current = folder.number(&format!("hugetlb.{pagesize}.current"))?;
        let max = folder.number(&format!("hugetlb.{pagesize}.max")).unwrap_or(u64::MAX);
        Some(Self { current, max, pagesize })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: &[(&str, &str)] = &[
        (
            "cpu.stat",
            "usage_usec 700\nuser_usec 500\nsystem_usec 200\nnice_usec 0\n\
            nr_periods 9\nnr_throttled 4\nthrottled_usec 33\nnr_bursts 0\n",
        ),
        (
            "io.stat",
            "8:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n\
            253:1 253:0 rbytes=1 wbytes=max\nnonsense\n",
        ),
        ("hugetlb.2MB.current", "2097152\n"),
        ("hugetlb.2MB.max", "max\n"),
        ("hugetlb.2MB.rsvd.current", "1\n"),
        ("pids.current", "3\n"),
        ("pids.max", "max\n"),
    ];

    #[test]
    fn has_the_files_under_the_numbers_of_containerd() {
        let root = tempfile::tempdir().expect("a folder");
        for (name, text) in FILES {
            std::fs::write(root.path().join(name), text).expect("a file");
        }
        let bytes = Metrics::read(&Folder::new(root.path())).encode_to_vec();
        let metrics = Metrics::decode(bytes.as_slice()).expect("a message");
        let cpu = metrics.cpu.expect("cpu");
        assert_eq!((cpu.usage_usec, cpu.user_usec, cpu.system_usec), (700, 500, 200));
        assert_eq!((cpu.nr_periods, cpu.nr_throttled, cpu.throttled_usec), (9, 4, 33));
        let first = IoEntry { major: 8, minor: 0, rbytes: 4096, wbytes: 8192, rios: 1, wios: 2 };
        let second = IoEntry { major: 253, minor: 0, rbytes: 1, wbytes: u64::MAX, rios: 0, wios: 0 };
        assert_eq!(metrics.io.expect("io").usage, [first, second]);
        let pages = HugePages { current: 2 << 20, max: u64::MAX, pagesize: "2MB".into() };
        assert_eq!(metrics.hugetlb, [pages]);
        assert_eq!(metrics.pids, Some(Pids { current: 3, limit: u64::MAX }));
        assert_eq!((metrics.memory, metrics.memory_events), (None, None));
    }

    #[test]
    fn leaves_out_what_is_not_there() {
        let root = tempfile::tempdir().expect("a folder");
        assert!(Metrics::read(&Folder::new(root.path())).encode_to_vec().is_empty());
    }
}
