//! Memory in `io.containerd.cgroups.v2.Metrics`.

use prost::Message;

use crate::folder::Folder;
use crate::table::Table;

/// In the order of containerd's message; up to `thp_collapse_alloc` the names are those of `memory.stat`.
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Memory {
    #[prost(uint64, tag = "1")]
    anon: u64,
    #[prost(uint64, tag = "2")]
    file: u64,
    #[prost(uint64, tag = "3")]
    kernel_stack: u64,
    #[prost(uint64, tag = "4")]
    slab: u64,
    #[prost(uint64, tag = "5")]
    sock: u64,
    #[prost(uint64, tag = "6")]
    shmem: u64,
    #[prost(uint64, tag = "7")]
    file_mapped: u64,
    #[prost(uint64, tag = "8")]
    file_dirty: u64,
    #[prost(uint64, tag = "9")]
    file_writeback: u64,
    #[prost(uint64, tag = "10")]
    anon_thp: u64,
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
    slab_reclaimable: u64,
    #[prost(uint64, tag = "17")]
    slab_unreclaimable: u64,
    #[prost(uint64, tag = "18")]
    pgfault: u64,
    #[prost(uint64, tag = "19")]
    pgmajfault: u64,
    #[prost(uint64, tag = "20")]
    workingset_refault: u64,
    #[prost(uint64, tag = "21")]
    workingset_activate: u64,
    #[prost(uint64, tag = "22")]
    workingset_nodereclaim: u64,
    #[prost(uint64, tag = "23")]
    pgrefill: u64,
    #[prost(uint64, tag = "24")]
    pgscan: u64,
    #[prost(uint64, tag = "25")]
    pgsteal: u64,
    #[prost(uint64, tag = "26")]
    pgactivate: u64,
    #[prost(uint64, tag = "27")]
    pgdeactivate: u64,
    #[prost(uint64, tag = "28")]
    pglazyfree: u64,
    #[prost(uint64, tag = "29")]
    pglazyfreed: u64,
    #[prost(uint64, tag = "30")]
    thp_fault_alloc: u64,
    #[prost(uint64, tag = "31")]
    thp_collapse_alloc: u64,
    #[prost(uint64, tag = "32")]
    usage: u64,
    #[prost(uint64, tag = "33")]
    usage_limit: u64,
    #[prost(uint64, tag = "34")]
    swap_usage: u64,
    #[prost(uint64, tag = "35")]
    swap_limit: u64,
    #[prost(uint64, tag = "36")]
    max_usage: u64,
    #[prost(uint64, tag = "37")]
    swap_max_usage: u64,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct MemoryEvents {
    #[prost(uint64, tag = "1")]
    low: u64,
    #[prost(uint64, tag = "2")]
    high: u64,
    #[prost(uint64, tag = "3")]
    max: u64,
    #[prost(uint64, tag = "4")]
    oom: u64,
    #[prost(uint64, tag = "5")]
    oom_kill: u64,
}

impl Memory {
    /// Limits and peaks that the kernel does not tell are 0.
    pub(super) fn read(folder: &Folder) -> Option<Self> {
        let number = |file| folder.number(file).unwrap_or_default();
        Some(Self {
            usage: folder.number("memory.current")?,
            usage_limit: number("memory.max"),
            swap_usage: number("memory.swap.current"),
            swap_limit: number("memory.swap.max"),
            max_usage: number("memory.peak"),
            swap_max_usage: number("memory.swap.peak"),
            ..Self::of_stat(&folder.table("memory.stat").unwrap_or_default())
        })
    }

    fn of_stat(stat: &Table) -> Self {
        // Since Linux 5.9 these are told apart by anonymous memory and files.
        let both = |key: &str| {
            let parts = ["anon", "file"].map(|kind| stat.count(&format!("{key}_{kind}")));
            stat.value(key).unwrap_or_else(|| parts[0].saturating_add(parts[1]))
        };
        Self {
            anon: stat.count("anon"),
            file: stat.count("file"),
            kernel_stack: stat.count("kernel_stack"),
            slab: stat.count("slab"),
            sock: stat.count("sock"),
            shmem: stat.count("shmem"),
            file_mapped: stat.count("file_mapped"),
            file_dirty: stat.count("file_dirty"),
            file_writeback: stat.count("file_writeback"),
            anon_thp: stat.count("anon_thp"),
            inactive_anon: stat.count("inactive_anon"),
            active_anon: stat.count("active_anon"),
            inactive_file: stat.count("inactive_file"),
            active_file: stat.count("active_file"),
            unevictable: stat.count("unevictable"),
            slab_reclaimable: stat.count("slab_reclaimable"),
            slab_unreclaimable: stat.count("slab_unreclaimable"),
            pgfault: stat.count("pgfault"),
            pgmajfault: stat.count("pgmajfault"),
            workingset_refault: both("workingset_refault"),
            workingset_activate: both("workingset_activate"),
            workingset_nodereclaim: stat.count("workingset_nodereclaim"),
            pgrefill: stat.count("pgrefill"),
            pgscan: stat.count("pgscan"),
            pgsteal: stat.count("pgsteal"),
            pgactivate: stat.count("pgactivate"),
            pgdeactivate: stat.count("pgdeactivate"),
            pglazyfree: stat.count("pglazyfree"),
            pglazyfreed: stat.count("pglazyfreed"),
            thp_fault_alloc: stat.count("thp_fault_alloc"),
            thp_collapse_alloc: stat.count("thp_collapse_alloc"),
            ..Self::default()
        }
    }
}

impl MemoryEvents {
    pub(super) fn read(folder: &Folder) -> Option<Self> {
        let events = folder.table("memory.events")?;
        Some(Self {
            low: events.count("low"),
            high: events.count("high"),
            max: events.count("max"),
            oom: events.count("oom"),
            oom_kill: events.count("oom_kill"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: &[(&str, &str)] = &[
        ("memory.current", "1048576\n"),
        ("memory.max", "max\n"),
        ("memory.peak", "2097152\n"),
        ("memory.swap.current", "4096\n"),
        ("memory.swap.max", "8192\n"),
        ("memory.events", "low 1\nhigh 2\nmax 3\noom 4\noom_kill 5\noom_group_kill 6\n"),
        (
            "memory.stat",
            "anon 10\nfile 20\nkernel 9\ninactive_file 13\npgfault 18\npgmajfault 19\n\
            workingset_refault_anon 3\nworkingset_refault_file 4\nthp_collapse_alloc 31\n",
        ),
    ];

    #[test]
    fn has_the_files_and_nothing_for_what_is_not_there() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = Folder::new(root.path());
        assert_eq!((Memory::read(&folder), MemoryEvents::read(&folder)), (None, None));
        for (name, text) in FILES {
            std::fs::write(root.path().join(name), text).expect("a file");
        }
        let expected = Memory {
            anon: 10,
            file: 20,
            inactive_file: 13,
            pgfault: 18,
            pgmajfault: 19,
            workingset_refault: 7,
            thp_collapse_alloc: 31,
            usage: 1 << 20,
            usage_limit: u64::MAX,
            swap_usage: 4096,
            swap_limit: 8192,
            max_usage: 2 << 20,
            ..Memory::default()
        };
        assert_eq!(Memory::read(&folder), Some(expected));
        let events = MemoryEvents { low: 1, high: 2, max: 3, oom: 4, oom_kill: 5 };
        assert_eq!(MemoryEvents::read(&folder), Some(events));
    }
}
