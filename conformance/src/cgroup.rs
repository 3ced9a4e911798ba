//! A container's cgroup, as this machine shows it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::Result;

/// The cgroup of a process, in one hierarchy or in one for each controller.
#[derive(Debug)]
pub(crate) struct Cgroup {
    mounts: String,
    memberships: String,
}

/// A file of cgroup v1, and where v2 has the same.
pub(crate) struct Setting {
    pub(crate) controller: &'static str,
    pub(crate) v1: &'static str,
    pub(crate) v2: &'static str,
}

const STATISTICS: Setting = Setting { controller: "cpu", v1: "cpu.stat", v2: "cpu.stat" };

impl Cgroup {
    /// The cgroup of a process, by its id on this machine.
    pub(crate) fn of(process: u32) -> Result<Self> {
        let memberships = fs::read_to_string(format!("/proc/{process}/cgroup"))?;
        Ok(Self { mounts: fs::read_to_string("/proc/self/mountinfo")?, memberships })
    }

    /// The cgroup of this path in every hierarchy that has it.
    pub(crate) fn at(path: &str) -> Result<Self> {
        let own = fs::read_to_string("/proc/self/cgroup")?;
        let moved = own.lines().filter_map(|line| {
            let (number, rest) = line.split_once(':')?;
            let (controllers, _) = rest.split_once(':')?;
            Some(format!("{number}:{controllers}:{path}\n"))
        });
        Ok(Self { mounts: fs::read_to_string("/proc/self/mountinfo")?, memberships: moved.collect() })
    }

    /// What a file of it says, without the line's end; `true` beside it where the file is of cgroup v2.
    pub(crate) fn read(&self, setting: &Setting) -> Result<(String, bool)> {
        let v1 = self.folder(setting.controller).map(|folder| (folder.join(setting.v1), false));
        let (file, unified) = v1
            .or_else(|| self.folder("").map(|folder| (folder.join(setting.v2), true)))
            .ok_or_else(|| format!("there is no cgroup hierarchy for {}", setting.controller))?;
        let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        Ok((text.trim_end().to_owned(), unified))
    }

    /// In how many periods it was held back.
    pub(crate) fn throttled_periods(&self) -> Result<u64> {
        let (statistics, _) = self.read(&STATISTICS)?;
        let periods = statistics.lines().find_map(|line| line.strip_prefix("nr_throttled "));
        Ok(periods.ok_or_else(|| format!("{} does not count what is held back", STATISTICS.v2))?.parse()?)
    }

    /// The folder in the hierarchy of a controller; without one, in that of cgroup v2.
    fn folder(&self, controller: &str) -> Option<PathBuf> {
        let path = self.memberships.lines().find_map(|line| {
            let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
            controllers.split(',').any(|name| name == controller).then_some(path)
        })?;
        let mount = self.mounts.lines().find_map(|line| {
            let (mount, filesystem) = line.split_once(" - ")?;
            let mut words = filesystem.split(' ');
            let (kind, options) = (words.next()?, words.nth(1)?);
            let fits = match controller {
                "" => kind == "cgroup2",
                name => kind == "cgroup" && options.split(',').any(|option| option == name),
            };
            fits.then(|| mount.split(' ').nth(4))?
        })?;
        Some(Path::new(mount).join(path.trim_start_matches('/')))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                          36 31 0:33 / /sys/fs/cgroup/cpu rw shared:3 - cgroup cgroup rw,cpu,cpuacct\n\
                          41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

    #[test]
    fn finds_the_folder_of_each_controller() {
        let memberships = "5:memory:/node/a\n4:cpu,cpuacct:/node/b\n0::/node/c\n".to_owned();
        let cgroup = Cgroup { mounts: MOUNTS.to_owned(), memberships };
        let folder = |controller| cgroup.folder(controller).map(|path| path.display().to_string());
        assert_eq!(folder("memory").as_deref(), Some("/sys/fs/cgroup/memory/node/a"));
        assert_eq!(folder("cpu").as_deref(), Some("/sys/fs/cgroup/cpu/node/b"));
        assert_eq!(folder("").as_deref(), Some("/sys/fs/cgroup/unified/node/c"));
        assert_eq!(folder("pids"), None);
    }
}
