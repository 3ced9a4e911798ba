//! Where a process is, in each hierarchy.

use std::fs;
use std::path::PathBuf;

use crate::error::{Error, ErrorKind, Result};

/// The content of `/proc/PID/cgroup`.
#[derive(Clone, Debug)]
pub(crate) struct Membership {
    pub(crate) entries: Vec<Entry>,
}

/// The place of a process in one hierarchy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Entry {
    /// The controllers of a v1 hierarchy, or its `name=…`; none for v2.
    pub(crate) controllers: Vec<String>,
    /// The path from the root of the caller's cgroup namespace.
    pub(crate) path: PathBuf,
}

impl Membership {
    pub(crate) fn of(pid: u32) -> Result<Self> {
        Self::read(&format!("/proc/{pid}/cgroup"))
    }

    pub(crate) fn of_caller() -> Result<Self> {
        Self::read("/proc/self/cgroup")
    }

    fn read(file: &str) -> Result<Self> {
        let bytes = fs::read(file).map_err(|error| Error::io("read", file, error))?;
        let text = String::from_utf8_lossy(&bytes);
        if text.lines().any(|line| line.ends_with(" (deleted)")) {
            return Err(Error::new(ErrorKind::NotFound, format!("the cgroup in {file} was removed")));
        }
        Ok(Self::parse(&text))
    }

    pub(crate) fn parse(text: &str) -> Self {
        Self { entries: text.lines().filter_map(Entry::parse).collect() }
    }
}

impl Entry {
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let controllers = controllers.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        path.starts_with('/').then(|| Self { controllers, path: path.into() })
    }

    pub(crate) fn is_version_2(&self) -> bool {
        self.controllers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_lines_of_both_versions() {
        let text =
            "12:cpu,cpuacct:/pods/a:b\n2:name=systemd:/init.scope\n0::/user.slice\nbroken\n3:pids\n4:x:y\n";
        let entries = Membership::parse(text).entries;
        let expected = [
            (vec!["cpu", "cpuacct"], "/pods/a:b"),
            (vec!["name=systemd"], "/init.scope"),
            (vec![], "/user.slice"),
        ];
        let read: Vec<_> = entries
            .iter()
            .map(|entry| {
                let controllers: Vec<_> = entry.controllers.iter().map(String::as_str).collect();
                (controllers, entry.path.to_str().expect("text"))
            })
            .collect();
        assert_eq!(read, expected);
        assert!(entries[2].is_version_2());
    }

    #[test]
    fn has_nothing_for_a_process_that_is_none() {
        assert_eq!(Membership::of(u32::MAX).expect_err("no process").kind(), ErrorKind::NotFound);
    }
}
