//! What of a node can be seen on the machine: used to prove that nothing of a stopped one is left.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};
use crate::removal::Estate;

/// The marks of one node: names that nothing else on the machine carries. They outlive the node.
#[derive(Clone, Debug)]
pub struct Traces {
    name: String,
    folder: PathBuf,
    /// The node's own, and the slice of its pods where systemd makes cgroups.
    cgroups: Vec<PathBuf>,
}

impl Traces {
    /// The marks of a node whose folder this is; its last part is the node's unique name. The node may be
    /// another program's, or gone.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io) where `/proc` cannot be read.
    pub fn of(folder: &Path) -> Result<Self> {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let cgroups = [cgroups(&name)?, cgroups(&slice(&name))?].concat();
        Ok(Self { name, folder: folder.to_owned(), cgroups })
    }

    /// The node's unique name, which is also its cgroup in every hierarchy.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The name of the slice in which systemd puts the node's pods.
    pub(crate) fn slice(&self) -> String {
        slice(&self.name)
    }

    /// The name of the bridge that CNI makes; the kernel allows 15 bytes.
    pub(crate) fn bridge(&self) -> String {
        self.name.replace("shimmer", "shm")
    }

    /// What a guardian has to remove, which systemd may have made.
    pub(crate) fn estate(&self, systemd: bool) -> Estate {
        let name = |path: &Path| CString::new(path.as_os_str().as_bytes()).unwrap_or_default();
        Estate {
            folder: name(&self.folder),
            cgroups: self.cgroups.iter().map(|cgroup| name(cgroup)).collect(),
            bridge: CString::new(self.bridge()).unwrap_or_default(),
            slice: systemd.then(|| name(Path::new(&self.slice()))),
        }
    }

    /// Everything of the node that exists now, one sentence each: processes, mounts (in whichever mount
    /// namespace), cgroups, the bridge, the folder. A network namespace lives by a process or a mount and so
    /// is covered.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io) where `/proc` cannot be read.
    pub fn leftovers(&self) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for process in fs::read_dir("/proc").map_err(|error| Error::io("list /proc", error))?.flatten() {
            if let Some(id) = process.file_name().to_str().filter(|name| name.parse::<u32>().is_ok()) {
                found.extend(self.process(id));
            }
        }
        let bridge = Path::new("/sys/class/net").join(self.bridge());
        let paths = self.cgroups.iter().chain([&bridge, &self.folder]);
        found.extend(paths.filter(|path| path.exists()).map(|path| format!("{} exists", path.display())));
        Ok(found)
    }

    /// Everything of one of the node's containers that exists now, one sentence each: processes, mounts (in
    /// whichever mount namespace), cgroups, folders. The container may be gone.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io) where `/proc` cannot be read.
    pub fn of_container(&self, id: &str) -> Result<Vec<String>> {
        let mut found = Vec::new();
        let processes = fs::read_dir("/proc").map_err(|error| Error::io("list /proc", error))?;
        let ids = processes.flatten().filter_map(|process| process.file_name().into_string().ok());
        for process in ids.filter(|name| name.parse::<u32>().is_ok()) {
            let scope = format!("cri-containerd-{id}.scope");
            let is_ours = |file: &&str| {
                let is_of_container = names(&process, file, id) || names(&process, file, &scope);
                is_of_container && (names(&process, file, &self.name) || names(&process, file, &self.slice()))
            };
            let file = ["cgroup", "cmdline", "mountinfo"].into_iter().find(is_ours);
            found.extend(file.map(|file| said(&process, file, id)));
        }
        let cgroups = self.cgroups.iter().map(|cgroup| cgroup.join(id));
        found.extend(cgroups.filter(|path| path.exists()).map(|path| format!("{} exists", path.display())));
        Ok(found)
    }

    /// Waits until nothing of the node exists: where its owner was killed, its guardian needs a moment.
    ///
    /// # Errors
    /// [`Leftovers`](crate::ErrorKind::Leftovers), which lists what still exists after `timeout`.
    #[expect(
        clippy::disallowed_methods,
        reason = "the kernel gives no sign when the last trace of a process is gone"
    )]
    pub fn wait_until_gone(&self, timeout: Duration) -> Result<()> {
        let begin = Instant::now();
        loop {
            let leftovers = self.leftovers()?;
            if leftovers.is_empty() {
                return Ok(());
            }
            if begin.elapsed() >= timeout {
                return Err(self.remains(&leftovers));
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// An error that lists what is left.
    pub(crate) fn remains(&self, leftovers: &[String]) -> Error {
        let message = format!("of the node {} is left:\n{}", self.name, leftovers.join("\n"));
        Error::new(ErrorKind::Leftovers, message)
    }

    /// Why process `id` is one of the node's. Files of a process that ends meanwhile cannot be read: then it
    /// is none.
    fn process(&self, id: &str) -> Option<String> {
        let has =
            |content: &[u8], name: &str| content.windows(name.len()).any(|part| part == name.as_bytes());
        let names_us = |file: &str| {
            let content = fs::read(format!("/proc/{id}/{file}")).unwrap_or_default();
            // Who uses a cluster sets the one variable that is no sign.
            let signs = content.split(|byte| *byte == 0).filter(|part| !part.starts_with(b"KUBECONFIG="));
            signs.into_iter().any(|sign| has(sign, &self.name) || has(sign, &self.slice()))
        };
        let file = ["cgroup", "cmdline", "environ", "mountinfo"].into_iter().find(|file| names_us(file))?;
        Some(said(id, file, &self.name))
    }
}

/// A slice that is in no other: a dash in its name would put it into one.
fn slice(name: &str) -> String {
    format!("{}.slice", name.replace('-', "_"))
}

/// Whether a file of a process has the word `name`. One that ends meanwhile has no files any more.
fn names(process: &str, file: &str, name: &str) -> bool {
    let content = fs::read_to_string(format!("/proc/{process}/{file}")).unwrap_or_default();
    content.split(['/', '\0', '\n', ' ']).any(|word| word == name)
}

fn said(process: &str, file: &str, name: &str) -> String {
    let program = fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
    format!("process {process} ({}) has {name} in its {file}", program.trim())
}

const PAUSE: Duration = Duration::from_millis(20);

/// The cgroup of this name in every hierarchy, made or not.
pub(crate) fn cgroups(name: &str) -> Result<Vec<PathBuf>> {
    let mounts = read("/proc/self/mountinfo")?;
    Ok(cgroup_mounts(&mounts).map(|mount| mount.join(name)).collect())
}

/// The mount points of all cgroup hierarchies, v1 and v2.
fn cgroup_mounts(mountinfo: &str) -> impl Iterator<Item = PathBuf> {
    mountinfo.lines().filter_map(|line| {
        let (mount, filesystem) = line.split_once(" - ")?;
        let is_cgroup = matches!(filesystem.split(' ').next()?, "cgroup" | "cgroup2");
        is_cgroup.then(|| mount.split(' ').nth(4).map(PathBuf::from))?
    })
}

fn read(file: &str) -> Result<String> {
    fs::read_to_string(file).map_err(|error: io::Error| Error::io(format!("read {file}"), error))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn finds_the_cgroup_hierarchies_of_a_hybrid_machine() {
        let mountinfo = "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n\
                         35 31 0:32 / /sys/fs/cgroup/memory rw shared:3 - cgroup cgroup rw,memory\n\
                         41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let found: Vec<_> = cgroup_mounts(mountinfo).collect();
        assert_eq!(found, [Path::new("/sys/fs/cgroup/memory"), Path::new("/sys/fs/cgroup/unified")]);
    }

    #[test]
    fn the_slice_of_a_nodes_pods_is_in_no_other_and_is_among_what_is_removed() {
        let traces = Traces::of(Path::new("/tmp/shimmer-aB3xyz")).expect("traces");
        assert_eq!(traces.slice(), "shimmer_aB3xyz.slice");
        let estate = traces.estate(true);
        assert_eq!(estate.slice.as_deref(), Some(c"shimmer_aB3xyz.slice"));
        let is_slice = |path: &&CString| path.to_bytes().ends_with(b"/shimmer_aB3xyz.slice");
        assert_eq!(estate.cgroups.iter().filter(is_slice).count() * 2, estate.cgroups.len());
        assert_eq!(traces.estate(false).slice, None, "systemd knows nothing of it");
    }

    #[test]
    fn a_process_is_a_nodes_by_its_environment_but_not_by_the_cluster_that_it_uses() {
        let found = |variable: &str| {
            // No other run of this test has it.
            let folder = format!("/tmp/shimmer-inenviron{}", std::process::id());
            let traces = Traces::of(Path::new(&folder)).expect("traces");
            let file = format!("{folder}/file");
            let mut command = Command::new("cat");
            command.env(variable, file).stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut user = command.spawn().expect("a process");
            let (mut input, mut output) = user.stdin.take().zip(user.stdout.take()).expect("two pipes");
            // Its environment is there when its program runs.
            input.write_all(b"up").expect("it reads");
            output.read_exact(&mut [0; 2]).expect("it writes");
            let found = traces.leftovers().expect("a look at the machine");
            drop(input);
            user.wait().expect("it ends");
            found.len()
        };
        assert_eq!((found("KUBECONFIG"), found("SHIMMER")), (0, 1));
    }

    #[test]
    fn finds_nothing_of_a_node_that_never_was() {
        let traces = Traces::of(Path::new("/tmp/shimmer-neverwas")).expect("traces");
        assert_eq!(traces.leftovers().expect("a look at the machine"), Vec::<String>::new());
        assert_eq!(traces.of_container("never-was").expect("a look at the machine"), Vec::<String>::new());
    }
}
