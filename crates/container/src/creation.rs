use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

use libcgroups::common::{CgroupConfig, CgroupManager, ControllerOpt, create_cgroup_manager};
use libcontainer::container::Container;
use libcontainer::container::builder::ContainerBuilder;
use libcontainer::syscall::syscall::SyscallType;
use oci_spec::runtime::{LinuxResources, Spec};
use rustix::event::{PollFd, PollFlags};
use shimmer_cgroup::{Cgroup, Rule};

use crate::causes;
use crate::console::Console;
use crate::devices;
use crate::hierarchies;
use crate::limits::Limits;
use crate::wire::{Create, Exec, Streams};
use crate::workload::Workload;
use crate::zygote::Estate;
use crate::{Connection, Failure, FailureKind};

/// A process of a container that libcontainer has made, a child of this one.
pub(crate) struct Made {
    pub(crate) pid: u32,
    pub(crate) pidfd: OwnedFd,
    pub(crate) master: Option<OwnedFd>,
}

/// A container that has been made, as libcontainer knows it.
pub(crate) struct Creation {
    container: Container,
    cgroups: CgroupConfig,
    /// What it may do with which devices; none on version 1, where libcgroups limits them.
    devices: Option<Vec<Rule>>,
    /// Those of its limits that libcgroups does not set.
    limits: Limits,
    pub(crate) shares_processes: bool,
}

impl Creation {
    /// Makes a container whose first process waits for its start.
    ///
    /// # Errors
    ///
    /// libcontainer's, and the refusals of [`Workload`]; nothing of the container is left then.
    pub(crate) fn new(
        connection: &Rc<Connection>,
        estate: &Rc<Estate>,
        request: &Create,
        streams: Vec<OwnedFd>,
    ) -> Result<(Self, Made), Failure> {
        let spec = Spec::load(request.bundle.join("config.json")).map_err(failed)?;
        let cgroups = CgroupConfig { systemd_cgroup: request.systemd, ..cgroups(&spec, &request.id) };
        let has_version_2_alone = has_version_2_alone()?;
        let devices = has_version_2_alone.then(|| devices::of(&spec)).transpose()?;
        fs::create_dir_all(&request.state)?;
        if request.systemd && !has_version_2_alone {
            return Err(Failure::new(
                FailureKind::Unsupported,
                "systemd makes no cgroups of version 1 for containers here; remove SystemdCgroup from the runtime's \
                 options, or boot the node with version 2 alone",
            ));
        }
        let config = request.bundle.join("config.json");
        let limits = if has_version_2_alone {
            Limits::take_from(&config, request.systemd)?
        } else {
            Limits::default()
        };
        let shares_processes = !has_own_processes(&spec);
        if shares_processes && !has_version_2_alone {
            hierarchies::mount_plainly(&config, &cgroups.cgroup_path)?;
        }
        let (container, console) = insist(|attempt| {
            let workload =
                Workload::new(Rc::clone(connection), Rc::clone(estate), &request.id, None).late(attempt);
            let console = console(request.terminal, &request.bundle, "console")?;
            let builder =
                builder(&request.id, &request.state, workload, console.as_ref(), request.streams, &streams)?;
            let built =
                builder.as_init(&request.bundle).with_systemd(request.systemd).with_detach(true).build();
            let container = built.map_err(|error| {
                reap_all();
                // libcontainer has tried, while the last processes may still have been there.
                let removed = create_cgroup_manager(copy(&cgroups)).map(|manager| manager.remove());
                drop(removed);
                failed(error)
            })?;
            Ok((container, console))
        })?;
        drop(streams);
        let pid = container.pid().map(|pid| pid.as_raw().unsigned_abs());
        let pid = pid.ok_or_else(|| Failure::new(FailureKind::Internal, "libcontainer names no process"))?;
        let made = Made { pid, pidfd: pidfd(pid)?, master: master(console)? };
        Ok((Self { container, cgroups, devices, limits, shares_processes }, made))
    }

    /// The cgroup of the first process, which from now on has all limits, and no devices but those that it may use. On
    /// version 1 there is none where the process shares those of the caller.
    ///
    /// # Errors
    ///
    /// On version 2 all that keeps the devices from being limited, and with systemd the limits as well.
    pub(crate) fn confine(&self, made: &Made) -> Result<Option<Cgroup>, Failure> {
        self.limits.write(made.pid)?;
        let cgroup = Cgroup::of(made.pid);
        let Some(devices) = &self.devices else { return Ok(cgroup.ok()) };
        let confined = cgroup.and_then(|cgroup| cgroup.filter_devices(devices).map(|()| cgroup));
        confined.map(Some).map_err(|error| {
            let kind = match error.kind() {
                shimmer_cgroup::ErrorKind::Unsupported => FailureKind::Unsupported,
                _ => FailureKind::Io,
            };
            let message =
                format!("the container cannot be made: its devices cannot be limited, since {error}");
            Failure::new(kind, message)
        })
    }

    /// Lets the first process run, and the hooks after it.
    pub(crate) fn start(&mut self) -> Result<(), Failure> {
        self.container.start().map_err(failed)
    }

    /// Sets limits of the cgroup.
    pub(crate) fn update(&self, resources: &str) -> Result<(), Failure> {
        let invalid = |error: serde_json::Error| {
            Failure::new(FailureKind::Invalid, format!("the new limits are no limits of Linux: {error}"))
        };
        let mut resources = serde_json::from_str(resources).map_err(invalid)?;
        let limits = if has_version_2_alone()? {
            Limits::take(&mut resources, self.cgroups.systemd_cgroup)?
        } else {
            Limits::default()
        };
        let resources: LinuxResources = serde_json::from_value(resources).map_err(invalid)?;
        let manager = create_cgroup_manager(copy(&self.cgroups)).map_err(failed)?;
        let options = ControllerOpt {
            resources: &resources,
            disable_oom_killer: false,
            oom_score_adj: None,
            freezer_state: None,
        };
        manager.apply(&options).map_err(failed)?;
        let pid = self.container.pid().map(|pid| pid.as_raw().unsigned_abs());
        pid.map_or(Ok(()), |pid| limits.write(pid))
    }

    /// Removes the container's state and cgroup, and runs the last hooks.
    pub(crate) fn delete(mut self) -> Result<(), Failure> {
        self.container.delete(true).map_err(failed)
    }
}

/// Removes what is left of a container whose monitor was killed before it could: processes, by their cgroup, since a number
/// in a file may be another process's by now; the cgroup; the state.
///
/// # Errors
///
/// Those of the bundle and of cgroups.
pub fn sweep(bundle: &Path, state: &Path, id: &str) -> Result<(), Failure> {
    if !state.join(id).exists() {
        return Ok(());
    }
    let spec = Spec::load(bundle.join("config.json")).map_err(failed)?;
    let systemd = Container::load(state.join(id)).is_ok_and(|container| container.systemd());
    let config = CgroupConfig { systemd_cgroup: systemd, ..cgroups(&spec, id) };
    let manager = create_cgroup_manager(config).map_err(failed)?;
    // A cgroup that is gone has none.
    for pid in manager.get_all_pids().unwrap_or_default() {
        let Ok(process) = pidfd(pid.as_raw().unsigned_abs()) else { continue };
        kill(&process);
        let mut ended = [PollFd::new(&process, PollFlags::IN)];
        rustix::event::poll(&mut ended, None).map_err(std::io::Error::from)?;
    }
    manager.remove().map_err(failed)?;
    Ok(fs::remove_dir_all(state)?)
}

/// Makes one more process in a container, and lets it run.
///
/// # Errors
///
/// As [`Creation::new`].
pub(crate) fn exec(
    connection: &Rc<Connection>,
    estate: &Rc<Estate>,
    request: &Exec,
    streams: Vec<OwnedFd>,
) -> Result<Made, Failure> {
    let container = Container::load(request.state.join(&request.id)).map_err(failed)?;
    let spec = Spec::load(container.bundle().join("config.json")).map_err(failed)?;
    let seccomp = spec.linux().as_ref().and_then(|linux| linux.seccomp().clone());
    let folder = request.process.parent().unwrap_or_else(|| Path::new("/"));
    let (pid, console) = insist(|attempt| {
        let workload = Workload::new(Rc::clone(connection), Rc::clone(estate), &request.id, seccomp.clone())
            .late(attempt);
        let console = console(request.terminal, folder, &next_console())?;
        let builder =
            builder(&request.id, &request.state, workload, console.as_ref(), request.streams, &streams)?;
        let built = builder.as_tenant().with_detach(true).with_process(Some(&request.process)).build();
        let pid = built.map_err(|error| {
            reap_all();
            failed(error)
        })?;
        Ok((pid, console))
    })?;
    drop(streams);
    let pid = pid.as_raw().unsigned_abs();
    Ok(Made { pid, pidfd: pidfd(pid)?, master: master(console)? })
}

/// Tries again where libcontainer has taken messages for each other: two of its processes write to one socket, and on a
/// busy machine the later one may be first. Nothing of the container has run then.
fn insist<T>(mut attempt: impl FnMut(u32) -> Result<T, Failure>) -> Result<T, Failure> {
    const ATTEMPTS: u32 = 5;
    const OUT_OF_ORDER: &str = "received unexpected message";
    for number in 0..ATTEMPTS - 1 {
        match attempt(number) {
            Err(failure) if failure.message.contains(OUT_OF_ORDER) => {}
            outcome => return outcome,
        }
    }
    attempt(ATTEMPTS - 1)
}

fn builder(
    id: &str,
    state: &Path,
    workload: Workload,
    console: Option<&Console>,
    given: Streams,
    streams: &[OwnedFd],
) -> Result<ContainerBuilder, Failure> {
    let builder = ContainerBuilder::new(id.to_owned(), SyscallType::default())
        .with_executor(workload)
        .with_root_path(state)
        .and_then(ContainerBuilder::validate_id)
        .map_err(failed)?;
    let Some(console) = console else {
        let mut streams = streams.iter();
        let mut next = |given: bool| match if given { streams.next() } else { None } {
            Some(stream) => stream.try_clone(),
            None => File::options().read(true).write(true).open("/dev/null").map(OwnedFd::from),
        };
        let [stdin, stdout, stderr] = [next(given.stdin)?, next(given.stdout)?, next(given.stderr)?];
        return Ok(builder.with_stdin(stdin).with_stdout(stdout).with_stderr(stderr));
    };
    Ok(builder.with_console_socket(Some(console.path())))
}

/// A name that no other exec's terminal has. That of the exec itself may be longer than a socket's: the kubelet's ids are.
fn next_console() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("console-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

fn console(wanted: bool, folder: &Path, name: &str) -> std::io::Result<Option<Console>> {
    if wanted { Console::listen(folder, name).map(Some) } else { Ok(None) }
}

fn master(console: Option<Console>) -> std::io::Result<Option<OwnedFd>> {
    console.map(|console| console.master()).transpose()
}

/// Whether all controllers are version 2's. That is what systemd can be asked for, and where libcgroups limits no devices.
fn has_version_2_alone() -> std::io::Result<bool> {
    Ok(rustix::fs::statfs("/sys/fs/cgroup")?.f_type == libc::CGROUP2_SUPER_MAGIC)
}

fn cgroups(spec: &Spec, id: &str) -> CgroupConfig {
    let path = spec.linux().as_ref().and_then(|linux| linux.cgroups_path().clone());
    CgroupConfig {
        // What libcontainer calls a cgroup without a path.
        cgroup_path: path.unwrap_or_else(|| PathBuf::from(format!(":youki:{id}"))),
        systemd_cgroup: false,
        container_name: id.to_owned(),
    }
}

fn copy(config: &CgroupConfig) -> CgroupConfig {
    CgroupConfig {
        cgroup_path: config.cgroup_path.clone(),
        systemd_cgroup: config.systemd_cgroup,
        container_name: config.container_name.clone(),
    }
}

/// Whether the container's first process is the first of a namespace, so that all others end with it.
fn has_own_processes(spec: &Spec) -> bool {
    use oci_spec::runtime::LinuxNamespaceType::Pid;
    let namespaces = spec.linux().as_ref().and_then(|linux| linux.namespaces().as_ref());
    namespaces.into_iter().flatten().any(|namespace| namespace.typ() == Pid && namespace.path().is_none())
}

fn pidfd(pid: u32) -> std::io::Result<OwnedFd> {
    // SAFETY: pidfd_open(2) takes integers, and makes a descriptor that nobody else owns.
    unsafe {
        match libc::syscall(libc::SYS_pidfd_open, pid, 0) {
            -1 => Err(std::io::Error::last_os_error()),
            descriptor => Ok(OwnedFd::from_raw_fd(i32::try_from(descriptor).unwrap_or(-1))),
        }
    }
}

/// Kills what an attempt has left, all of it children of this process, and waits for it.
fn reap_all() {
    let pid = std::process::id();
    let children = fs::read_to_string(format!("/proc/self/task/{pid}/children")).unwrap_or_default();
    for child in children.split_whitespace().filter_map(|child| child.parse().ok()) {
        // SAFETY: kill(2) takes integers; a child that is not waited for yet keeps its number.
        unsafe { libc::kill(child, libc::SIGKILL) };
    }
    // SAFETY: waitpid(2) with no status to write.
    while unsafe { libc::waitpid(-1, std::ptr::null_mut(), 0) } > 0 {}
}

fn failed(error: impl std::error::Error) -> Failure {
    let mut message = format!("the container cannot be made: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        cause = error.source();
    }
    causes::explain(Failure::new(FailureKind::Internal, message))
}

/// Waits for a child that has ended, and tells how.
pub(crate) fn wait(pid: u32) -> crate::EndedBy {
    let mut status = 0;
    // SAFETY: waitpid(2) writes the status, which lives until it returns.
    let ended = unsafe { libc::waitpid(pid.cast_signed(), &raw mut status, 0) };
    if ended < 0 { crate::EndedBy::now(crate::KILLED) } else { crate::EndedBy::of_wait(status) }
}

/// Sends SIGKILL to a child.
pub(crate) fn kill(pidfd: &OwnedFd) {
    let (none, flags) = (std::ptr::null::<libc::siginfo_t>(), 0);
    // SAFETY: pidfd_send_signal(2) takes integers and no further information; one that has ended already is no harm.
    unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_fd().as_raw_fd(), libc::SIGKILL, none, flags)
    };
}
