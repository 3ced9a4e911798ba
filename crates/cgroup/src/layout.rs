//! The folders that a cgroup is made of.

use crate::error::{Error, ErrorKind, Result};
use crate::folder::Folder;
use crate::membership::{Entry, Membership};
use crate::mounts::Mounts;

/// The folders of one cgroup.
#[derive(Clone, Debug)]
pub(crate) enum Layout {
    /// At least one, each in another hierarchy.
    V1(Vec<Hierarchy>),
    V2(Folder),
}

/// The folder of a cgroup in one hierarchy of v1.
#[derive(Clone, Debug)]
pub(crate) struct Hierarchy {
    /// Its controllers, or its `name=…`; none where it is the hierarchy of v2 on a host with both.
    pub(crate) controllers: Vec<String>,
    pub(crate) folder: Folder,
}

impl Layout {
    /// The folders of `process` that `caller` is not in.
    pub(crate) fn of(mounts: &Mounts, process: &Membership, caller: &Membership) -> Result<Self> {
        let is_v1 = mounts.are_version_1();
        let own = process
            .entries
            .iter()
            .filter(|entry| is_v1 || entry.is_version_2())
            .filter(|e| is_own(e, caller));
        let mut hierarchies = Vec::new();
        for entry in own {
            if let Some(path) = mounts.folder(entry)? {
                hierarchies
                    .push(Hierarchy { controllers: entry.controllers.clone(), folder: Folder::new(path) });
            }
        }
        let has_controllers = hierarchies.iter().any(|hierarchy| !hierarchy.controllers.is_empty());
        match hierarchies.pop() {
            Some(last) if !is_v1 => Ok(Self::V2(last.folder)),
            Some(last) if has_controllers => {
                hierarchies.push(last);
                Ok(Self::V1(hierarchies))
            }
            _ => Err(Error::new(ErrorKind::Unsupported, "the process has no cgroup of its own")),
        }
    }

    /// All its folders.
    pub(crate) fn folders(&self) -> impl Iterator<Item = &Folder> {
        let (v1, v2) = match self {
            Self::V1(hierarchies) => (hierarchies.as_slice(), None),
            Self::V2(folder) => (&[][..], Some(folder)),
        };
        v1.iter().map(|hierarchy| &hierarchy.folder).chain(v2)
    }

    /// The folder in which a controller has its files.
    pub(crate) fn controller(&self, name: &str) -> Option<&Folder> {
        match self {
            Self::V1(hierarchies) => {
                let has = |hierarchy: &&Hierarchy| hierarchy.controllers.iter().any(|own| own == name);
                hierarchies.iter().find(has).map(|hierarchy| &hierarchy.folder)
            }
            Self::V2(folder) => Some(folder),
        }
    }

    /// The folder whose processes are the container's: on v1, where each hierarchy has its own list, in one that
    /// every runtime uses.
    pub(crate) fn members(&self) -> &Folder {
        let mut known =
            ["pids", "freezer", "memory", "devices"].iter().filter_map(|name| self.controller(name));
        known.next().or_else(|| self.folders().next()).expect("a layout has a folder")
    }

    /// The error of a cgroup that is gone.
    pub(crate) fn missing(&self) -> Error {
        Error::new(ErrorKind::NotFound, format!("the cgroup {} was removed", self.members()))
    }
}

/// Whether the caller is neither in this cgroup nor below it; everyone is below the root.
fn is_own(entry: &Entry, caller: &Membership) -> bool {
    let same = |other: &&Entry| other.controllers == entry.controllers;
    let is_root = entry.path.parent().is_none();
    !is_root && !caller.entries.iter().find(same).is_some_and(|other| other.path.starts_with(&entry.path))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
32 31 0:29 / /c/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
33 31 0:30 / /c/memory rw - cgroup cgroup rw,memory
34 31 0:31 / /c/systemd rw - cgroup cgroup rw,name=systemd
35 31 0:32 / /c/unified rw - cgroup2 cgroup2 rw";

    fn layout(mounts: &str, process: &str, caller: &str) -> Result<Layout> {
        Layout::of(&Mounts::parse(mounts), &Membership::parse(process), &Membership::parse(caller))
    }

    fn paths(layout: &Layout) -> Vec<&str> {
        layout.folders().map(|folder| folder.path().to_str().expect("text")).collect()
    }

    #[test]
    fn has_a_folder_in_each_hierarchy_of_v1_and_that_of_v2_beside_them() {
        let process = "4:cpu,cpuacct:/p/a\n3:memory:/p/a\n2:name=systemd:/p/a\n0::/p/a\n9:pids:/p/a";
        let layout = layout(HYBRID, process, "4:cpu,cpuacct:/\n3:memory:/p\n0::/p/ab").expect("a layout");
        assert_eq!(
            paths(&layout),
            ["/c/cpu,cpuacct/p/a", "/c/memory/p/a", "/c/systemd/p/a", "/c/unified/p/a"]
        );
        assert_eq!(layout.controller("cpuacct").expect("cpu").path().to_str(), Some("/c/cpu,cpuacct/p/a"));
        assert_eq!(layout.members().path().to_str(), Some("/c/memory/p/a"));
        assert!(layout.controller("pids").is_none(), "pids are not mounted");
    }

    #[test]
    fn leaves_out_what_the_process_shares_with_the_caller() {
        let process = "4:cpu,cpuacct:/p/a\n3:memory:/shim\n2:name=systemd:/\n0::/service";
        let layout =
            layout(HYBRID, process, "4:cpu,cpuacct:/p\n3:memory:/shim\n0::/service/shim").expect("a layout");
        assert_eq!(paths(&layout), ["/c/cpu,cpuacct/p/a"]);
    }

    #[test]
    fn refuses_a_process_without_a_cgroup_of_its_own() {
        let v2 = "29 23 0:25 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw";
        assert_eq!(
            paths(&layout(v2, "0::/p/a\n1:name=old:/x", "0::/").expect("a layout")),
            ["/sys/fs/cgroup/p/a"]
        );
        for (mounts, process) in [(v2, "0::/"), (v2, "0::/shim"), (v2, ""), (HYBRID, "3:memory:/\n0::/p/a")] {
            let error = layout(mounts, process, "0::/shim").expect_err("no cgroup");
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{process}");
        }
    }
}
