//! What the kernel applies to a container's process holds for a guest: identity, capabilities, filters, namespaces.

use serde_json::{Value, json};
use shimmer_node::ContainerSpec;

use crate::case::Case;
use crate::cases::row;
use crate::failure::{Failure, Result, ensure};
use crate::level::Level;
use crate::profile::Profile;
use crate::setup::{Setup, busybox, probe};
use crate::stage::Stage;

/// What the probe ends with where a file could not be used.
const UNUSABLE: u32 = 5;

pub(super) fn cases() -> Vec<Case> {
    [identity(), rights(), filters(), devices(), namespaces()].concat()
}

/// A guest that reads what the kernel says of its process. Not by `/proc/self`: that is a link, and not every engine
/// follows one.
fn status() -> Setup {
    probe(["cwd-read", "/proc/1/status"])
}

fn identity() -> Vec<Case> {
    let grouped = status()
        .user(1000, 1001)
        .in_task(|spec| spec.groups(&[2000, 3000]))
        .in_docker(|spec| spec.groups(&[2000, 3000]));
    row(
        "identity",
        Profile::Security,
        [
            Case::container("security/user-and-group", status().user(1000, 1001), |stage| {
                says(stage, "Uid", "1000 1000 1000 1000")?;
                says(stage, "Gid", "1001 1001 1001 1001")
            })
            .twin(),
            Case::container("security/further-groups", grouped, |stage| {
                // Docker names the user's own group among the further ones.
                let own = if stage.level == Level::Docker { "1001 " } else { "" };
                says(stage, "Groups", &format!("{own}2000 3000"))
            })
            .only([Level::Task, Level::Docker])
            .twin(),
        ],
    )
}

fn rights() -> Vec<Case> {
    // CAP_KILL is number 5.
    let only_kill = status()
        .in_task(|spec| spec.capabilities(&["KILL"]))
        .in_pod(|spec| spec.drop_capability("ALL").add_capability("KILL"))
        .in_docker(|spec| spec.drop_capability("ALL").add_capability("KILL"));
    let none = status()
        .in_task(|spec| spec.capabilities(&[]))
        .in_pod(|spec| spec.drop_capability("ALL"))
        .in_docker(|spec| spec.drop_capability("ALL"));
    let nobody = none.clone().user(1000, 1001);
    let kept = status()
        .in_task(|spec| spec.no_new_privileges(true))
        .in_pod(shimmer_node::cri::CriContainerSpec::no_new_privileges)
        .in_docker(shimmer_node::docker::DockerSpec::no_new_privileges);
    row(
        "capabilities-of-the-process",
        Profile::Security,
        [
            Case::container("security/capabilities-are-those-named", only_kill, |stage| {
                says(stage, "CapEff", "0000000000000020")?;
                says(stage, "CapBnd", "0000000000000020")
            })
            .twin(),
            Case::container("security/capabilities-can-all-be-dropped", none, |stage| {
                says(stage, "CapEff", "0000000000000000")?;
                says(stage, "CapPrm", "0000000000000000")
            })
            .twin(),
            Case::container("security/runs-as-a-user-without-capabilities", nobody, |stage| {
                says(stage, "Uid", "1000 1000 1000 1000")?;
                says(stage, "CapEff", "0000000000000000")
            })
            .twin(),
            Case::container("security/no-new-privileges", kept, |stage| says(stage, "NoNewPrivs", "1"))
                .twin(),
        ],
    )
}

fn filters() -> Vec<Case> {
    let filtered = |setup: Setup| {
        setup
            .in_task(|spec: ContainerSpec| spec.seccomp(without_mkdir()))
            .in_pod(shimmer_node::cri::CriContainerSpec::seccomp_default)
            .in_docker(|spec| spec.seccomp(&without_mkdir()))
    };
    row(
        "seccomp",
        Profile::Security,
        [
            Case::container("security/seccomp-filter-is-installed", filtered(status()), |stage| {
                says(stage, "Seccomp", "2")
            })
            .twin(),
            Case::new("security/seccomp-filter-denies", filtered(probe(["mkdir", "/data/folder"])))
                .only([Level::Task, Level::Docker])
                .twin()
                .ends_with(UNUSABLE)
                .complains("PermissionDenied"),
        ],
    )
}

/// A guest has no call that makes a node, so a native program beside it tries.
fn devices() -> Vec<Case> {
    // A serial line: runc, too, lets any node be made, and only those be opened that are listed.
    let script = "/busybox mknod /line c 4 64 && echo made && echo x > /line";
    row(
        "devices",
        Profile::Security,
        [Case::new("security/devices-are-the-listed-ones", busybox(["sh", "-c", script]))
            .twin()
            .ends_with(1)
            .prints("made\n")
            .complains("Operation not permitted")
            // The restricted level leaves nobody the right to make a device.
            .only([Level::Task, Level::Cri])],
    )
}

fn namespaces() -> Vec<Case> {
    let in_containers = |case: Case| case.only([Level::Task, Level::Cri, Level::Docker]).twin();
    row(
        "namespaces",
        Profile::Security,
        [
            in_containers(
                Case::new("security/masked-path", probe(["cwd-read", "/proc/timer_list"])).prints(""),
            ),
            in_containers(
                Case::new("security/read-only-path", probe(["write", "/proc/sys/kernel/domainname", "x"]))
                    .ends_with(UNUSABLE)
                    .complains("/proc/sys/kernel/domainname"),
            ),
            Case::container("security/own-processes-only", probe(["list", "/proc"]), own_processes).twin(),
        ],
    )
}

/// Everything is allowed but to make folders, which is not permitted.
fn without_mkdir() -> Value {
    json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{ "names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1 }],
    })
}

/// The kernel's word for one property of the guest's process.
fn says(stage: &Stage<'_>, name: &str, expected: &str) -> Result {
    let ended = stage.start(&stage.setup())?.end_unnoted()?;
    let text = ended.stdout();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let value = value.ok_or_else(|| Failure(format!("nothing tells of {name}: {}", ended.describe())))?;
    let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
    stage.note(name, &*value);
    ensure(value == expected, || format!("expected {name} to be {expected}, but saw {value}"))
}

/// The twin is a shell, which has children.
fn own_processes(stage: &Stage<'_>) -> Result {
    const FAMILY: usize = 4;
    let ended = stage.start(&stage.setup())?.end_unnoted()?;
    let text = ended.stdout();
    let processes: Vec<&str> =
        text.lines().filter(|line| line.trim_end_matches('/').parse::<u32>().is_ok()).collect();
    let own = processes.contains(&"1/") && processes.len() <= FAMILY;
    ensure(own, || format!("expected the container's few processes, 1 among them, but saw {processes:?}"))
}
