//! What a cgroup uses and has used, in the protobuf messages of containerd.

mod v1;
mod v2;

use prost::Message;

use crate::folder::Folder;
use crate::layout::Layout;

/// A protobuf message of `github.com/containerd/cgroups` as it goes into containerd's `google.protobuf.Any`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Metrics {
    /// `io.containerd.cgroups.v1.Metrics` or `io.containerd.cgroups.v2.Metrics`: the name of the message alone, as
    /// containerd has it.
    pub type_url: &'static str,
    /// The message. Memory is in bytes; time is in nanoseconds on v1 and in microseconds on v2; where there is no
    /// limit, it is the largest number, but 0 for processes on v1.
    pub value: Vec<u8>,
}

impl Metrics {
    pub(crate) fn read(layout: &Layout) -> Self {
        match layout {
            Layout::V1(_) => {
                let value = v1::Metrics::read(layout).encode_to_vec();
                Self { type_url: "io.containerd.cgroups.v1.Metrics", value }
            }
            Layout::V2(folder) => {
                let value = v2::Metrics::read(folder).encode_to_vec();
                Self { type_url: "io.containerd.cgroups.v2.Metrics", value }
            }
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

impl Pids {
    fn read(folder: &Folder, unlimited: u64) -> Option<Self> {
        let limit = folder.number("pids.max").filter(|limit| *limit != u64::MAX).unwrap_or(unlimited);
        Some(Self { current: folder.number("pids.current")?, limit })
    }
}

/// The sizes of huge pages, such as `2MB`, of which a folder has a file `hugetlb.SIZE.KIND`.
fn page_sizes(folder: &Folder, kind: &str) -> Vec<String> {
    let size = |name: &str| {
        let (size, found) = name.strip_prefix("hugetlb.")?.split_once('.')?;
        // Not those of reservations, `hugetlb.SIZE.rsvd.KIND`.
        (found == kind).then(|| size.to_owned())
    };
    let entries = std::fs::read_dir(folder.path()).into_iter().flatten().flatten();
    let mut sizes: Vec<_> = entries.filter_map(|entry| size(entry.file_name().to_str()?)).collect();
    sizes.sort_unstable();
    sizes
}

/// The numbers in `MAJOR:MINOR`.
fn device_numbers(text: &str) -> Option<(u64, u64)> {
    let (major, minor) = text.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::private::{Private, Version};

    #[tokio::test]
    async fn tells_what_a_running_process_uses_and_nothing_once_it_is_gone() {
        let Some(mut private) = Private::new(Version::One) else { return };
        let _alive = private.spawn_echo();
        let metrics = private.cgroup.metrics().expect("metrics");
        assert_eq!(metrics.type_url, "io.containerd.cgroups.v1.Metrics");
        let read = v1::Metrics::decode(metrics.value.as_slice()).expect("a message");
        assert!(read.cpu_total() > 0, "{read:?}");
        assert!(read.memory_usage() > 0, "{read:?}");
        assert_eq!(read.pids, Some(Pids { current: 1, limit: 0 }));
        private.cgroup.kill().await.expect("killed");
        private.cgroup.remove().await.expect("removed");
        assert_eq!(private.cgroup.metrics().expect_err("gone").kind(), ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn has_what_v2_has_on_a_host_with_both() {
        let Some(mut private) = Private::new(Version::Two) else { return };
        let _alive = private.spawn_echo();
        let metrics = private.cgroup.metrics().expect("metrics");
        assert_eq!(metrics.type_url, "io.containerd.cgroups.v2.Metrics");
        let read = v2::Metrics::decode(metrics.value.as_slice()).expect("a message");
        assert!(read.cpu_usage() > 0, "{read:?}");
    }
}
