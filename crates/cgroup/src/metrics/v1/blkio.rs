//! Block devices in `io.containerd.cgroups.v1.Metrics`.

use std::fs;

use prost::Message;

use crate::folder::Folder;
use crate::metrics::device_numbers;
use crate::table::number;

#[derive(Clone, PartialEq, Message)]
pub(super) struct Blkio {
    #[prost(message, repeated, tag = "1")]
    io_service_bytes_recursive: Vec<Entry>,
    #[prost(message, repeated, tag = "2")]
    io_serviced_recursive: Vec<Entry>,
    #[prost(message, repeated, tag = "3")]
    io_queued_recursive: Vec<Entry>,
    #[prost(message, repeated, tag = "4")]
    io_service_time_recursive: Vec<Entry>,
    #[prost(message, repeated, tag = "5")]
    io_wait_time_recursive: Vec<Entry>,
    #[prost(message, repeated, tag = "6")]
    io_merged_recursive: Vec<Entry>,
    #[prost(message, repeated, tag = "7")]
    io_time_recursive: Vec<Entry>,
    #[prost(message, repeated, tag = "8")]
    sectors_recursive: Vec<Entry>,
}

#[derive(Clone, PartialEq, Message)]
struct Entry {
    /// Such as `Read`; empty where a file does not tell them apart.
    #[prost(string, tag = "1")]
    op: String,
    /// The path of the device, empty if it is gone.
    #[prost(string, tag = "2")]
    device: String,
    #[prost(uint64, tag = "3")]
    major: u64,
    #[prost(uint64, tag = "4")]
    minor: u64,
    #[prost(uint64, tag = "5")]
    value: u64,
}

impl Blkio {
    pub(super) fn read(folder: &Folder) -> Self {
        let entries = |name| entries(folder, name);
        Self {
            io_service_bytes_recursive: entries("io_service_bytes"),
            io_serviced_recursive: entries("io_serviced"),
            io_queued_recursive: entries("io_queued"),
            io_service_time_recursive: entries("io_service_time"),
            io_wait_time_recursive: entries("io_wait_time"),
            io_merged_recursive: entries("io_merged"),
            io_time_recursive: entries("time"),
            sectors_recursive: entries("sectors"),
        }
    }
}

/// What the first file that says something says: throttling knows all devices, a scheduler those that it serves, and
/// older kernels throttle without looking at sub-cgroups.
fn entries(folder: &Folder, name: &str) -> Vec<Entry> {
    let files = [
        format!("blkio.throttle.{name}_recursive"),
        format!("blkio.bfq.{name}_recursive"),
        format!("blkio.{name}_recursive"),
        format!("blkio.throttle.{name}"),
    ];
    let parse = |text: String| text.lines().filter_map(Entry::parse).collect::<Vec<_>>();
    let mut found = files.iter().filter_map(|file| folder.text(file).map(parse));
    found.find(|entries| !entries.is_empty()).unwrap_or_default()
}

impl Entry {
    /// A line that is a device, perhaps an operation, and a number. `Total` is of no device.
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let (major, minor) = device_numbers(words.next()?)?;
        let (first, second) = (words.next()?, words.next());
        let (op, value) = second.map_or(("", first), |value| (first, value));
        Some(Self { op: op.to_owned(), device: device(major, minor), major, minor, value: number(value)? })
    }
}

fn device(major: u64, minor: u64) -> String {
    let link = fs::read_link(format!("/sys/dev/block/{major}:{minor}")).unwrap_or_default();
    link.file_name().map(|name| format!("/dev/{}", name.to_string_lossy())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: &str =
        "9999:0 Read 4096\n9999:0 Write 8192\n9999:0 Total 12288\nTotal 12288\n9999:0\n9999:0 Read x\n";

    #[test]
    fn has_the_first_file_that_says_something() {
        let root = tempfile::tempdir().expect("a folder");
        let files = [
            ("blkio.throttle.io_service_bytes_recursive", "Total 0\n"),
            ("blkio.bfq.io_service_bytes_recursive", BYTES),
            ("blkio.throttle.io_service_bytes", "9999:1 Read 1\n"),
            ("blkio.sectors_recursive", "9999:0 24\n"),
        ];
        for (name, text) in files {
            std::fs::write(root.path().join(name), text).expect("a file");
        }
        let entry =
            |op: &str, value| Entry { op: op.into(), device: String::new(), major: 9999, minor: 0, value };
        let expected = Blkio {
            io_service_bytes_recursive: vec![
                entry("Read", 4096),
                entry("Write", 8192),
                entry("Total", 12288),
            ],
            sectors_recursive: vec![entry("", 24)],
            ..Blkio::default()
        };
        assert_eq!(Blkio::read(&Folder::new(root.path())), expected);
    }

    #[test]
    fn names_the_devices_of_this_machine() {
        let Some(first) = fs::read_dir("/sys/dev/block").ok().and_then(|mut all| all.next()?.ok()) else {
            return;
        };
        let (major, minor) = device_numbers(first.file_name().to_str().expect("text")).expect("numbers");
        assert!(device(major, minor).starts_with("/dev/"), "{first:?}");
    }
}
