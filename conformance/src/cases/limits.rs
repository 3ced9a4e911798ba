use std::path::Path;

use shimmer_node::cri::ContainerStatus;
use shimmer_node::{Events, Resources};

use super::row;
use crate::case::Case;
use crate::cgroup::{Cgroup, Setting};
use crate::failure::{Failure, Result, ensure};
use crate::level::Level;
use crate::patience::{notice, patience, until};
use crate::profile::Profile;
use crate::running::Running;
use crate::setup::{Setup, eater, probe};
use crate::stage::Stage;

const MIB: u64 = 1 << 20;
/// Too little for a guest that eats, and enough for every engine.
const LITTLE: u64 = 128 * MIB;
const ENOUGH: u64 = 256 * MIB;
const SIGKILL: u32 = 9;
const KILLED: u32 = 128 + SIGKILL;

const MEMORY_LIMIT: Setting = Setting { controller: "memory", v1: "memory.limit_in_bytes", v2: "memory.max" };
/// The first is of memory and swap together.
const SWAP: Setting =
    Setting { controller: "memory", v1: "memory.memsw.limit_in_bytes", v2: "memory.swap.max" };
const QUOTA: Setting = Setting { controller: "cpu", v1: "cpu.cfs_quota_us", v2: "cpu.max" };
const PERIOD: Setting = Setting { controller: "cpu", v1: "cpu.cfs_period_us", v2: "cpu.max" };
const SHARES: Setting = Setting { controller: "cpu", v1: "cpu.shares", v2: "cpu.weight" };
const PROCESSOR_SET: Setting = Setting { controller: "cpuset", v1: "cpuset.cpus", v2: "cpuset.cpus" };
/// Only cgroup v2 can end all processes of a container when memory runs out.
const END_ALL: Setting = Setting { controller: "memory", v1: "memory.oom_control", v2: "memory.oom.group" };
const PROCESSES: Setting = Setting { controller: "pids", v1: "pids.max", v2: "pids.max" };

pub(super) fn cases() -> Vec<Case> {
    [memory(), out_of_memory(), processors(), processes()].concat()
}

fn memory() -> Vec<Case> {
    let hold = probe(["hold", "32"]).memory(ENOUGH);
    row(
        "memory-limit",
        Profile::Limits,
        [
            Case::new("limits/memory-within", probe(["alloc", "32"]).memory(ENOUGH)).twin().prints("ok\n"),
            Case::container("limits/memory-limit-is-the-cgroups", hold.clone(), memory_limit).twin(),
            Case::container("limits/memory-is-charged-to-the-container", hold.clone(), memory_charged).twin(),
            Case::container("limits/update-raises-the-memory-limit", hold.clone(), memory_update).twin(),
            Case::cri("limits/all-processes-end-out-of-memory", hold.clone(), memory_group).twin(),
            Case::cri("limits/no-swap", hold.in_pod(|spec| spec.no_swap()), no_swap).twin(),
        ],
    )
}

fn out_of_memory() -> Vec<Case> {
    let (eat, told) = (probe(["eat"]).memory(LITTLE), eater().memory(LITTLE));
    row(
        "out-of-memory",
        Profile::Limits,
        [
            Case::new("limits/memory-beyond", eat.clone()).twin().ends_with(KILLED).prints("ready\n"),
            Case::new("limits/memory-beyond-in-a-native-container", eat.clone().native())
                .twin()
                .ends_with(KILLED)
                .prints("ready\n"),
            Case::task("limits/out-of-memory-is-an-event", told.clone(), oom_event).twin(),
            Case::cri("limits/out-of-memory-is-the-reason", told, oom_reason).twin(),
            Case::cri("limits/out-of-memory-spares-the-neighbour", eat, oom_neighbour).twin(),
        ],
    )
}

fn processors() -> Vec<Case> {
    let spin = probe(["spin"]);
    let tenth = spin.clone().cpu(10_000, 100_000);
    let one = spin.clone().in_pod(|spec| spec.cpus("0"));
    let shares = spin
        .in_task(|spec| spec.cpu_shares(512))
        .in_pod(|spec| spec.cpu_shares(512))
        .in_docker(|spec| spec.cpu_shares(512));
    row(
        "processor-limit",
        Profile::Limits,
        [
            Case::container("limits/cpu-quota-holds-back", tenth.clone(), cpu_quota).twin(),
            Case::task("limits/held-back-periods-are-counted", tenth, cpu_metrics).twin(),
            Case::container("limits/cpu-shares", shares, cpu_shares).twin(),
            Case::cri("limits/cpu-set", one, cpu_set).twin(),
        ],
    )
}

fn processes() -> Vec<Case> {
    let few = |setup: Setup| setup.in_task(|spec| spec.pids(64)).in_docker(|spec| spec.pids(64));
    let files = probe(["cwd-read", "/proc/1/limits"])
        .in_task(|spec| spec.rlimit("NOFILE", 512))
        .in_docker(|spec| spec.ulimit("nofile", 512));
    row(
        "process-limits",
        Profile::Limits,
        [
            Case::new("limits/few-processes-are-enough", few(probe(["return"]))).twin(),
            Case::task("limits/processes-are-limited-and-counted", few(probe(["sleep"])), process_limit)
                .twin(),
            // CRI has no word for it.
            Case::container("limits/open-files", files, open_files).only([Level::Task, Level::Docker]).twin(),
        ],
    )
}

/// A guest that has done what it does by the time it prints `ready`, and its cgroup.
fn ready<'a>(stage: &'a Stage<'_>) -> Result<(Running<'a>, Cgroup)> {
    let running = stage.start(&stage.setup())?;
    running.wait_for("ready\n")?;
    let cgroup = Cgroup::of(running.process()?)?;
    Ok((running, cgroup))
}

fn memory_limit(stage: &Stage<'_>) -> Result {
    let (_running, cgroup) = ready(stage)?;
    says(&cgroup, &MEMORY_LIMIT, &ENOUGH.to_string())
}

fn memory_charged(stage: &Stage<'_>) -> Result {
    let (mut running, _) = ready(stage)?;
    let used = match stage.level {
        Level::Cri => running.in_pod()?.0.stats()?.usage_bytes.unwrap_or_default(),
        Level::Docker => running.in_docker()?.stats()?.memory_bytes,
        _ => running.task()?.metrics()?.memory_bytes,
    };
    let range = 32 * MIB..ENOUGH;
    ensure(range.contains(&used), || format!("it holds 32 MiB of at most 256, but is charged {used} bytes"))
}

fn memory_update(stage: &Stage<'_>) -> Result {
    let (mut running, cgroup) = ready(stage)?;
    let more = Resources { memory: Some(2 * ENOUGH), ..Resources::default() };
    match stage.level {
        Level::Cri => running.in_pod()?.0.update(&more)?,
        Level::Docker => running.in_docker()?.update_memory(2 * ENOUGH)?,
        _ => running.task()?.update(more)?,
    }
    says(&cgroup, &MEMORY_LIMIT, &(2 * ENOUGH).to_string())
}

/// Where there is no such file the kubelet asks for none.
fn memory_group(stage: &Stage<'_>) -> Result {
    let is_unified = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    let setup = stage.setup();
    let setup = if is_unified { setup.in_pod(|spec| spec.cgroup_file(END_ALL.v2, "1")) } else { setup };
    let running = stage.start(&setup)?;
    running.wait_for("ready\n")?;
    if is_unified { says(&Cgroup::of(running.process()?)?, &END_ALL, "1") } else { Ok(()) }
}

fn no_swap(stage: &Stage<'_>) -> Result {
    let (_running, cgroup) = ready(stage)?;
    let (seen, unified) = cgroup.read(&SWAP)?;
    let expected = if unified { 0 } else { ENOUGH };
    ensure(seen == expected.to_string(), || format!("expected a limit of swap of {expected}, but saw {seen}"))
}

fn oom_event(stage: &Stage<'_>) -> Result {
    let events = stage.shim.node.events()?;
    let running = stage.start(&stage.setup())?;
    running.tell_eater()?;
    // A shim may go without telling more when its task is deleted.
    expect_oom(&events, running.id())?;
    let ended = running.end()?;
    ensure(ended.code == KILLED, || format!("expected status {KILLED}, but saw {}", ended.describe()))
}

fn expect_oom(events: &Events, id: &str) -> Result {
    events.wait_for(|event| event.topic == "/tasks/oom" && event.container_id == id, patience())?;
    Ok(())
}

fn oom_reason(stage: &Stage<'_>) -> Result {
    let mut running = stage.start(&stage.setup())?;
    running.tell_eater()?;
    let (container, _) = running.in_pod()?;
    container.wait(patience())?;
    until(notice(), || {
        Ok(match container.status()? {
            ContainerStatus::Exited(ended)
                if (ended.code, ended.reason.as_str()) == (KILLED, "OOMKilled") =>
            {
                None
            }
            other => Some(format!("expected status {KILLED} for the reason OOMKilled, but saw {other:?}")),
        })
    })
}

fn oom_neighbour(stage: &Stage<'_>) -> Result {
    let eat = stage.setup();
    let tick = Setup { args: vec!["tick".into()], memory: None, ..eat.clone() };
    let mut neighbour = stage.start(&tick)?;
    let ended = neighbour.beside("eater", &eat)?.wait(patience())?;
    ensure(ended.code == KILLED, || format!("expected status {KILLED}, but saw {ended:?}"))?;
    let (container, _) = neighbour.in_pod()?;
    let lines = String::from_utf8_lossy(&container.log()?.stdout).lines().count();
    // It ticks on.
    Ok(container.wait_for(&format!("{}\n", lines + 2), patience())?)
}

fn cpu_quota(stage: &Stage<'_>) -> Result {
    let (_running, cgroup) = ready(stage)?;
    let (quota, unified) = cgroup.read(&QUOTA)?;
    let (period, _) = cgroup.read(&PERIOD)?;
    let seen = if unified { quota } else { format!("{quota} {period}") };
    ensure(seen == "10000 100000", || format!("expected a quota of 10000 in 100000, but saw {seen}"))?;
    until(patience(), || {
        let periods = cgroup.throttled_periods()?;
        Ok((periods == 0).then(|| "a guest that computes for ever was never held back".to_owned()))
    })
}

fn cpu_metrics(stage: &Stage<'_>) -> Result {
    let (mut running, _) = ready(stage)?;
    let task = running.task()?;
    until(notice(), || {
        let metrics = task.metrics()?;
        let counted = metrics.throttled_periods > 0 && metrics.periods >= metrics.throttled_periods;
        Ok((!counted).then(|| format!("it was held back, but the metrics say {metrics:?}")))
    })
}

fn cpu_shares(stage: &Stage<'_>) -> Result {
    let (_running, cgroup) = ready(stage)?;
    let (seen, unified) = cgroup.read(&SHARES)?;
    // cgroup v2 has weights, and there is more than one way to reckon them from shares; 100 is what 1024 gives.
    let halved = if unified { seen.parse::<u32>().is_ok_and(|weight| weight < 100) } else { seen == "512" };
    ensure(halved, || format!("expected 512 shares, half of what is usual, but saw {seen}"))
}

fn cpu_set(stage: &Stage<'_>) -> Result {
    let (_running, cgroup) = ready(stage)?;
    says(&cgroup, &PROCESSOR_SET, "0")
}

fn process_limit(stage: &Stage<'_>) -> Result {
    let (mut running, cgroup) = ready(stage)?;
    says(&cgroup, &PROCESSES, "64")?;
    let metrics = running.task()?.metrics()?;
    let counted = (1..=64).contains(&metrics.pids) && metrics.pids_limit == 64;
    ensure(counted, || format!("expected 1 to 64 processes and a limit of 64, but saw {metrics:?}"))
}

fn open_files(stage: &Stage<'_>) -> Result {
    let ended = stage.start(&stage.setup())?.end_unnoted()?;
    let text = ended.stdout();
    let line = text.lines().find(|line| line.starts_with("Max open files"));
    let line = line.ok_or_else(|| Failure(format!("no line tells of open files: {}", ended.describe())))?;
    let limits: Vec<&str> = line.split_whitespace().skip(3).take(2).collect();
    ensure(limits == ["512", "512"], || format!("expected a limit of 512 open files, but saw {limits:?}"))
}

fn says(cgroup: &Cgroup, setting: &Setting, expected: &str) -> Result {
    let (seen, unified) = cgroup.read(setting)?;
    let file = if unified { setting.v2 } else { setting.v1 };
    ensure(seen == expected, || format!("expected {file} to say {expected}, but saw {seen}"))
}
