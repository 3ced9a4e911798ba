//! Where the hierarchies are mounted.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;

use crate::error::{Error, ErrorKind, Result};
use crate::membership::Entry;

/// A host whose v1 hierarchies have none of these is a v2 host on which something old lives on, as `net_cls` does
/// for the sake of some VPNs.
const ESSENTIAL: [&str; 4] = ["cpu", "freezer", "memory", "pids"];

/// The cgroup mounts that a process sees.
#[derive(Debug)]
pub(crate) struct Mounts {
    mounts: Vec<Mount>,
}

#[derive(Debug)]
struct Mount {
    /// The part of the hierarchy that is mounted, `/` for all of it.
    root: PathBuf,
    point: PathBuf,
    is_version_2: bool,
    /// Among others the names of the controllers.
    options: Vec<String>,
}

impl Mounts {
    /// Those of the calling process, read once.
    pub(crate) fn of_process() -> Result<&'static Self> {
        static MOUNTS: OnceLock<Mounts> = OnceLock::new();
        const FILE: &str = "/proc/self/mountinfo";
        if let Some(mounts) = MOUNTS.get() {
            return Ok(mounts);
        }
        let bytes = fs::read(FILE).map_err(|error| Error::io("read", FILE, error))?;
        Ok(MOUNTS.get_or_init(|| Self::parse(&String::from_utf8_lossy(&bytes))))
    }

    pub(crate) fn parse(text: &str) -> Self {
        Self { mounts: text.lines().filter_map(Mount::parse).collect() }
    }

    /// Whether the controllers of containers are those of v1.
    pub(crate) fn are_version_1(&self) -> bool {
        let v1 = self.mounts.iter().filter(|mount| !mount.is_version_2);
        v1.flat_map(|mount| &mount.options).any(|option| ESSENTIAL.contains(&option.as_str()))
    }

    /// The folder of a process in one hierarchy; `None` if its place is not mounted.
    pub(crate) fn folder(&self, entry: &Entry) -> Result<Option<PathBuf>> {
        if entry.path.components().any(|part| part == Component::ParentDir) {
            let message = format!("the cgroup {} is outside of the cgroup namespace", entry.path.display());
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let serving = self.mounts.iter().filter(|mount| mount.serves(entry));
        Ok(serving.filter_map(|mount| mount.folder(&entry.path)).next())
    }
}

impl Mount {
    /// A line of `/proc/self/mountinfo`, if it is about cgroups: numbers, root, mount point, options and any number
    /// of tags, then after a dash the type, source and options of the file system.
    fn parse(line: &str) -> Option<Self> {
        let (mount, file_system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let mut file_system = file_system.split(' ');
        let is_version_2 = match file_system.next()? {
            "cgroup" => false,
            "cgroup2" => true,
            _ => return None,
        };
        let (root, point) = (unescape(mount.next()?), unescape(mount.next()?));
        let options = file_system.nth(1).unwrap_or_default().split(',').map(str::to_owned).collect();
        Some(Self { root, point, is_version_2, options })
    }

    fn serves(&self, entry: &Entry) -> bool {
        self.is_version_2 == entry.is_version_2()
            && entry.controllers.iter().all(|controller| self.options.contains(controller))
    }

    fn folder(&self, path: &Path) -> Option<PathBuf> {
        let below = path.strip_prefix(&self.root).ok()?;
        // Joining an empty path would add a slash.
        Some(if below.as_os_str().is_empty() { self.point.clone() } else { self.point.join(below) })
    }
}

/// A path in which the kernel wrote white space and backslashes as three octal digits.
fn unescape(text: &str) -> PathBuf {
    let (mut path, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('\\') {
        let code = after.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        path.push_str(before);
        path.push(code.map_or('\\', char::from));
        rest = if code.is_some() { &after[3..] } else { after };
    }
    path.push_str(rest);
    path.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::membership::Membership;

    const HYBRID: &str = "\
25 20 0:5 / /proc rw - proc proc rw
31 23 0:28 / /sys/fs/cgroup rw,relatime shared:9 - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:10 master:1 - cgroup cgroup rw,cpu,cpuacct
33 31 0:30 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
34 31 0:31 / /sys/fs/my\\040cgroups\\x rw - cgroup cgroup rw,xattr,name=systemd
35 31 0:32 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate
36 31 0:33 broken - cgroup";

    fn folder(mounts: &str, line: &str) -> Result<Option<PathBuf>> {
        Mounts::parse(mounts).folder(&Membership::parse(line).entries[0])
    }

    fn found(line: &str) -> Option<String> {
        Some(folder(HYBRID, line).expect("a place")?.to_str().expect("text").to_owned())
    }

    #[test]
    fn finds_the_folder_below_the_mount_of_the_hierarchy() {
        assert_eq!(found("4:cpu,cpuacct:/pods/a").as_deref(), Some("/sys/fs/cgroup/cpu,cpuacct/pods/a"));
        assert_eq!(found("2:name=systemd:/a").as_deref(), Some("/sys/fs/my cgroups\\x/a"));
        assert_eq!(found("0::/").as_deref(), Some("/sys/fs/cgroup/unified"));
        assert_eq!(found("5:memory:/docker/abc/x").as_deref(), Some("/sys/fs/cgroup/memory/x"));
    }

    #[test]
    fn does_not_leave_what_is_mounted() {
        assert_eq!(found("5:memory:/docker/abcd"), None);
        assert_eq!(found("7:pids:/a"), None);
        for outside in ["0::/../../other", "5:memory:/docker/abc/../x"] {
            assert_eq!(folder(HYBRID, outside).expect_err("outside").kind(), ErrorKind::Unsupported);
        }
    }

    #[test]
    fn tells_the_version_by_the_controllers_that_containers_need() {
        assert!(Mounts::parse(HYBRID).are_version_1());
        let v2 = "29 23 0:25 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n\
                  30 29 0:26 / /net rw - cgroup net rw,net_cls\n31 29 0:27 / /s rw - cgroup s rw,name=systemd";
        assert!(!Mounts::parse(v2).are_version_1());
        assert!(!Mounts::parse("").are_version_1());
    }
}
