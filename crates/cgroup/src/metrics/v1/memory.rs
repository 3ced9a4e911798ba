//! Memory in `io.containerd.cgroups.v1.Metrics`.

use prost::Message;

use crate::folder::Folder;
use crate::table::Table;

/// In the order of containerd's message, and with its names; `total_…` includes sub-cgroups.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Memory {
    #[prost(uint64, tag = "1")]
    cache: u64,
    #[prost(uint64, tag = "2")]
    rss: u64,
    #[prost(uint64, tag = "3")]
    rss_huge: u64,
    #[prost(uint64, tag = "4")]
    mapped_file: u64,
    #[prost(uint64, tag = "5")]
    dirty: u64,
    #[prost(uint64, tag = "6")]
    writeback: u64,
    #[prost(uint64, tag = "7")]
    pg_pg_in: u64,
    #[prost(uint64, tag = "8")]
    pg_pg_out: u64,
    #[prost(uint64, tag = "9")]
    pg_fault: u64,
    #[prost(uint64, tag = "10")]
    pg_maj_fault: u64,
    #[prost(uint64, tag = "11")]
    inactive_anon: u64,
    #[prost(uint64, tag = "12")]
    active_anon: u64,
    #[prost(uint64, tag = "13")]
    inactive_file: u64,
    #[prost(uint64, tag = "14")]
    active_file: u64,
    #[prost(uint64, tag = "15")]
    unevictable: u64,
    #[prost(uint64, tag = "16")]
    hierarchical_memory_limit: u64,
    #[prost(uint64, tag = "17")]
    hierarchical_swap_limit: u64,
    #[prost(uint64, tag = "18")]
    total_cache: u64,
    #[prost(uint64, tag = "19")]
    total_rss: u64,
    #[prost(uint64, tag = "20")]
    total_rss_huge: u64,
    #[prost(uint64, tag = "21")]
    total_mapped_file: u64,
    #[prost(uint64, tag = "22")]
    total_dirty: u64,
    #[prost(uint64, tag = "23")]
    total_writeback: u64,
    #[prost(uint64, tag = "24")]
    total_pg_pg_in: u64,
    #[prost(uint64, tag = "25")]
    total_pg_pg_out: u64,
    #[prost(uint64, tag = "26")]
    total_pg_fault: u64,
    #[prost(uint64, tag = "27")]
    total_pg_maj_fault: u64,
    #[prost(uint64, tag = "28")]
    total_inactive_anon: u64,
    #[prost(uint64, tag = "29")]
    total_active_anon: u64,
    #[prost(uint64, tag = "30")]
    total_inactive_file: u64,
    #[prost(uint64, tag = "31")]
    total_active_file: u64,
    #[prost(uint64, tag = "32")]
    total_unevictable: u64,
    #[prost(message, optional, tag = "33")]
    pub(super) usage: Option<Entry>,
    #[prost(message, optional, tag = "34")]
    pub(super) swap: Option<Entry>,
    #[prost(message, optional, tag = "35")]
    pub(super) kernel: Option<Entry>,
    #[prost(message, optional, tag = "36")]
    pub(super) kernel_tcp: Option<Entry>,
}

/// A resource that is counted and limited, in bytes.
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Entry {
    #[prost(uint64, tag = "1")]
    pub(super) limit: u64,
    #[prost(uint64, tag = "2")]
    pub(super) usage: u64,
    #[prost(uint64, tag = "3")]
    pub(super) max: u64,
    #[prost(uint64, tag = "4")]
    pub(super) failcnt: u64,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct OomControl {
    #[prost(uint64, tag = "1")]
    oom_kill_disable: u64,
    #[prost(uint64, tag = "2")]
    under_oom: u64,
    #[prost(uint64, tag = "3")]
    oom_kill: u64,
}

impl Memory {
    pub(super) fn read(folder: &Folder) -> Option<Self> {
        Some(Self {
            usage: Entry::read(folder, "memory"),
            swap: Entry::read(folder, "memory.memsw"),
            kernel: Entry::read(folder, "memory.kmem"),
            kernel_tcp: Entry::read(folder, "memory.kmem.tcp"),
            ..Self::of_stat(&folder.table("memory.stat")?)
        })
    }

    fn of_stat(stat: &Table) -> Self {
        Self {
            cache: stat.count("cache"),
            rss: stat.count("rss"),
            rss_huge: stat.count("rss_huge"),
            mapped_file: stat.count("mapped_file"),
            dirty: stat.count("dirty"),
            writeback: stat.count("writeback"),
            pg_pg_in: stat.count("pgpgin"),
            pg_pg_out: stat.count("pgpgout"),
            pg_fault: stat.count("pgfault"),
            pg_maj_fault: stat.count("pgmajfault"),
            inactive_anon: stat.count("inactive_anon"),
            active_anon: stat.count("active_anon"),
            inactive_file: stat.count("inactive_file"),
            active_file: stat.count("active_file"),
            unevictable: stat.count("unevictable"),
            hierarchical_memory_limit: stat.count("hierarchical_memory_limit"),
            hierarchical_swap_limit: stat.count("hierarchical_memsw_limit"),
            total_cache: stat.count("total_cache"),
            total_rss: stat.count("total_rss"),
            total_rss_huge: stat.count("total_rss_huge"),
            total_mapped_file: stat.count("total_mapped_file"),
            total_dirty: stat.count("total_dirty"),
            total_writeback: stat.count("total_writeback"),
            total_pg_pg_in: stat.count("total_pgpgin"),
            total_pg_pg_out: stat.count("total_pgpgout"),
            total_pg_fault: stat.count("total_pgfault"),
            total_pg_maj_fault: stat.count("total_pgmajfault"),
            total_inactive_anon: stat.count("total_inactive_anon"),
            total_active_anon: stat.count("total_active_anon"),
            total_inactive_file: stat.count("total_inactive_file"),
            total_active_file: stat.count("total_active_file"),
            total_unevictable: stat.count("total_unevictable"),
            ..Self::default()
        }
    }
}

impl Entry {
    /// What the files whose names begin with `prefix` say.
    pub(super) fn read(folder: &Folder, prefix: &str) -> Option<Self> {
        let number = |name: &str| folder.number(&format!("{prefix}.{name}"));
        Some(Self {
            limit: number("limit_in_bytes").unwrap_or_default(),
            usage: number("usage_in_bytes")?,
            max: number("max_usage_in_bytes").unwrap_or_default(),
            failcnt: number("failcnt").unwrap_or_default(),
        })
    }
}

impl OomControl {
    pub(super) fn read(folder: &Folder) -> Option<Self> {
        let control = folder.table("memory.oom_control")?;
        Some(Self {
            oom_kill_disable: control.count("oom_kill_disable"),
            under_oom: control.count("under_oom"),
            oom_kill: control.count("oom_kill"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: &[(&str, &str)] = &[
        ("memory.usage_in_bytes", "1048576\n"),
        ("memory.limit_in_bytes", "9223372036854771712\n"),
        ("memory.max_usage_in_bytes", "2097152\n"),
        ("memory.failcnt", "7\n"),
        ("memory.kmem.usage_in_bytes", "4096\n"),
        ("memory.oom_control", "oom_kill_disable 0\nunder_oom 1\noom_kill 2\n"),
        (
            "memory.stat",
            "cache 1\nrss 2\npgpgin 7\npgfault 9\nhierarchical_memory_limit 16\n\
            hierarchical_memsw_limit 17\ntotal_rss 19\ntotal_pgmajfault 27\ntotal_inactive_file 30\nnew 1\n",
        ),
    ];

    #[test]
    fn has_the_files_and_nothing_for_what_is_not_there() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = Folder::new(root.path());
        assert_eq!((Memory::read(&folder), OomControl::read(&folder)), (None, None));
        for (name, text) in FILES {
            std::fs::write(root.path().join(name), text).expect("a file");
        }
        let usage = Entry { limit: 9223372036854771712, usage: 1 << 20, max: 2 << 20, failcnt: 7 };
        let expected = Memory {
            cache: 1,
            rss: 2,
            pg_pg_in: 7,
            pg_fault: 9,
            hierarchical_memory_limit: 16,
            hierarchical_swap_limit: 17,
            total_rss: 19,
            total_pg_maj_fault: 27,
            total_inactive_file: 30,
            usage: Some(usage),
            kernel: Some(Entry { usage: 4096, ..Entry::default() }),
            ..Memory::default()
        };
        assert_eq!(Memory::read(&folder), Some(expected));
        let control = OomControl { oom_kill_disable: 0, under_oom: 1, oom_kill: 2 };
        assert_eq!(OomControl::read(&folder), Some(control));
    }
}
