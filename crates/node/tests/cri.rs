//! Pods and their containers through CRI, on runc. Needs root, containerd, runc and the CNI plugins.

#[path = "node/archive.rs"]
#[expect(dead_code, reason = "the tests of the task API use all of it")]
mod archive;

use std::fs;
use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime};

use shimmer_node::cri::{ContainerStatus, Cri, CriContainerSpec, Ended, Pod, PodSpec, PodState};
use shimmer_node::{Access, Code, ErrorKind, Image, Node, Resources};

const SOON: Duration = Duration::from_secs(30);

fn node() -> (Node, Cri, Image) {
    let node = Node::builder().start().unwrap_or_else(|error| panic!("a node is needed: {error}"));
    let cri = node.cri().expect("its CRI");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("busybox.tar");
    archive::busybox().save(&path);
    let image = node.import(&path).expect("the archive is imported").remove(0);
    (node, cri, image)
}

fn pod(cri: &Cri) -> Pod {
    cri.pod(PodSpec::new("pod", "runc")).expect("a pod")
}

fn shell(image: &Image, script: &str) -> CriContainerSpec {
    CriContainerSpec::new("shell", image).command(["/bin/sh", "-c", script])
}

/// Runs a container to its end: how it ended, its stdout and its stderr.
#[track_caller]
fn run(pod: &Pod, spec: CriContainerSpec) -> (Ended, String, String) {
    let container = pod.container(spec).expect("a container");
    container.start().expect("it starts");
    let ended = container.wait(SOON).expect("it ends");
    let log = container.log().expect("its log");
    container.delete().expect("it is deleted");
    (ended, text(&log.stdout), text(&log.stderr))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

#[test]
fn says_who_serves_it_and_that_it_is_ready() {
    let (node, cri, _) = node();
    let version = cri.version().expect("a version");
    assert_eq!((version.name.as_str(), version.api.as_str()), ("containerd", "v1"));
    assert!(version.version.contains(node.version()), "{version:?} is of {}", node.version());
    let conditions = cri.status().expect("its status");
    for kind in ["RuntimeReady", "NetworkReady"] {
        let is_true = conditions.iter().any(|condition| condition.kind == kind && condition.is_true);
        assert!(is_true, "{kind} is among {conditions:?}");
    }
}

#[test]
fn gives_a_pod_an_address_unless_it_shares_the_machines_network() {
    let (node, cri, image) = node();
    let pod = cri.pod(PodSpec::new("pod", "runc").hostname("inside").label("a", "b")).expect("a pod");
    let Some(IpAddr::V4(ip)) = pod.ip() else { panic!("{:?} is no IPv4 address", pod.ip()) };
    assert_eq!(ip.octets()[0], 10, "{ip} is of the pod network");
    let script = "/bin/busybox hostname; /bin/busybox ip -4 -o address show eth0";
    let (_, stdout, stderr) = run(&pod, shell(&image, script));
    assert!(stdout.starts_with("inside\n") && stdout.contains(&format!("inet {ip}/")), "{stdout}{stderr}");
    let shared = cri.pod(PodSpec::new("shared", "runc").host_network()).expect("a pod");
    assert_eq!(shared.ip(), None, "this machine's address is not the pod's");
    let (_, stdout, _) = run(&shared, shell(&image, "/bin/busybox readlink /proc/self/ns/net"));
    let ours = fs::read_link("/proc/self/ns/net").expect("our network");
    assert_eq!(stdout.trim(), ours.to_str().expect("its name"), "it has our network");
    node.stop().expect("nothing is left");
}

#[test]
fn gives_the_program_its_arguments_environment_folder_and_user() {
    let (_node, cri, image) = node();
    let pod = pod(&cri);
    let script = "echo $0 $1; echo $FROM_IMAGE $GREETING; pwd; id -u; id -g";
    let spec = CriContainerSpec::new("env", &image).args(["-c", script, "zero", "one two"]);
    let (ended, stdout, stderr) = run(&pod, spec.env("GREETING", "hello world").cwd("/tmp").user(7, 8));
    assert_eq!(stdout, "zero one two\nyes hello world\n/tmp\n7\n8\n", "its stderr: {stderr}");
    assert_eq!(ended.code, 0, "the image's entrypoint is kept");
}

#[test]
fn keeps_both_streams_byte_for_byte() {
    let (_node, cri, image) = node();
    let pod = pod(&cri);
    let (_, stdout, stderr) = run(&pod, shell(&image, "echo out; echo err >&2; echo; printf 'no end'"));
    assert_eq!((stdout.as_str(), stderr.as_str()), ("out\n\nno end", "err\n"));
    let (_, stdout, _) = run(&pod, shell(&image, "head -c 1000000 /dev/zero; echo; echo last"));
    assert!(stdout.ends_with("\0\nlast\n"), "the end of a large log is there");
    assert_eq!(stdout.len(), 1_000_006, "a line longer than the log's lines is put together");
    let (_, stdout, stderr) = run(&pod, shell(&image, "echo out; echo err >&2").tty());
    assert_eq!((stdout.as_str(), stderr.as_str()), ("out\nerr\n", ""), "a terminal is one stream");
}

#[test]
fn says_how_a_container_ended() {
    let (_node, cri, image) = node();
    let pod = pod(&cri);
    let before = SystemTime::now();
    let (ended, ..) = run(&pod, shell(&image, "exit 0"));
    assert_eq!((ended.code, ended.reason.as_str()), (0, "Completed"));
    // containerd notes a start when it has been answered, which of so short a program may be after its end.
    assert!(before <= ended.started_at && before <= ended.finished_at, "{ended:?} after {before:?}");
    let (ended, ..) = run(&pod, shell(&image, "exit 7"));
    assert_eq!((ended.code, ended.reason.as_str()), (7, "Error"));
    let greedy = shell(&image, "x=y; while true; do x=$x$x; done").memory(32 << 20);
    let container = pod.container(greedy).expect("a container");
    container.start().expect("it starts");
    assert_eq!(container.wait(SOON).expect("it ends").code, 137);
    // CRI learns the reason by another way than the end.
    let begin = Instant::now();
    let reason = || match container.status().expect("its status") {
        ContainerStatus::Exited(ended) => ended.reason,
        other => panic!("it has ended, but CRI says {other:?}"),
    };
    while reason() != "OOMKilled" {
        assert!(begin.elapsed() < SOON, "the reason is {}", reason());
    }
}

#[test]
fn keeps_containerds_words_where_a_program_is_missing() {
    let (_node, cri, image) = node();
    let pod = pod(&cri);
    let spec = CriContainerSpec::new("missing", &image).command(["/no/such/program"]);
    let container = pod.container(spec).expect("a container");
    assert_eq!(container.status().expect("its status"), ContainerStatus::Created);
    let error = container.start().expect_err("there is no such program");
    let ErrorKind::Containerd { message, .. } = error.kind() else { panic!("{error:?}") };
    assert!(message.contains("/no/such/program"), "{message}");
    let ended = container.wait(SOON).expect("it never runs");
    assert_eq!((ended.code, ended.reason.as_str()), (128, "StartError"));
    assert!(ended.message.contains("/no/such/program"), "{ended:?}");
    let error = cri.pod(PodSpec::new("pod", "none")).expect_err("there is no such handler");
    assert!(error.to_string().contains("none"), "{error}");
}

#[test]
fn runs_commands_in_a_container() {
    let (_node, cri, image) = node();
    let pod = pod(&cri);
    let container = pod.container(shell(&image, "echo up; exec sleep 1000")).expect("a container");
    let error = container.exec(["true"], SOON).expect_err("it does not run yet");
    assert!(matches!(error.kind(), ErrorKind::Containerd { .. }), "{error:?}");
    container.start().expect("it starts");
    container.wait_for("up", SOON).expect("it says so");
    let script = "echo out; echo err >&2; exit 5";
    let execution = container.exec(["/bin/sh", "-c", script], SOON).expect("it runs");
    assert_eq!(execution.code, 5);
    assert_eq!((text(&execution.stdout), text(&execution.stderr)), ("out\n".into(), "err\n".into()));
    let error = container.exec(["sleep", "1000"], Duration::from_secs(1)).expect_err("it does not end");
    assert!(matches!(error.kind(), ErrorKind::Containerd { code: Code::DeadlineExceeded, .. }), "{error:?}");
}

#[test]
fn measures_and_changes_what_a_container_may_use() {
    let (_node, cri, image) = node();
    let pod = pod(&cri);
    let spec = shell(&image, "head -c 1000000 /dev/zero | sort > /dev/null; echo up; exec sleep 1000");
    let container = pod.container(spec.memory(256 << 20).cpu(150_000, 100_000)).expect("a container");
    container.start().expect("it starts");
    container.wait_for("up", SOON).expect("it runs");
    for (what, stats) in
        [("container", container.stats().expect("stats")), ("pod", pod.stats().expect("stats"))]
    {
        assert!(stats.cpu_nanos.is_some_and(|nanos| nanos > 0), "the {what} has used CPU: {stats:?}");
        assert!(stats.memory_bytes.is_some_and(|bytes| bytes > 0), "the {what} has memory: {stats:?}");
    }
    let limits = || {
        let script = "cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes memory.max; \
                      cat cpu/cpu.cfs_quota_us cpu.max";
        let seen = container.exec(["/bin/sh", "-c", script], SOON).expect("its cgroup").stdout;
        text(&seen).split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(limits(), ["268435456", "150000"], "limits at the start");
    let memory = Resources { memory: Some(128 << 20), ..Resources::default() };
    container.update(&memory).expect("another limit");
    assert_eq!(limits(), ["134217728", "150000"], "what is not named stays");
    let cpu = Resources { cpu_quota: Some(50_000), cpu_period: Some(100_000), ..Resources::default() };
    container.update(&cpu).expect("another limit");
    assert_eq!(limits(), ["134217728", "50000"], "each can be changed");
}

#[test]
fn stops_a_container_by_sigterm_and_after_its_grace_by_sigkill() {
    let (_node, cri, image) = node();
    let pod = pod(&cri);
    let polite = "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.05; done";
    let container = pod.container(shell(&image, polite)).expect("a container");
    container.start().expect("it starts");
    container.wait_for("up", SOON).expect("it runs");
    let timeout = container.wait(Duration::from_millis(1)).expect_err("it does not end by itself");
    assert_eq!(timeout.kind(), &ErrorKind::Timeout);
    assert!(timeout.to_string().contains("up"), "the log is shown: {timeout}");
    assert!(matches!(container.status().expect("its status"), ContainerStatus::Running { .. }), "it runs");
    container.stop(SOON).expect("it is stopped");
    assert_eq!(container.wait(SOON).expect("it has ended").code, 3);
    container.wait_for("bye", SOON).expect("it was asked");
    container.stop(SOON).expect("it can be stopped again");
    container.delete().expect("it is deleted");
    container.delete().expect("it can be deleted again");
    let stubborn = pod.container(shell(&image, "trap '' TERM; echo up; while :; do sleep 1; done"));
    let container = stubborn.expect("the name is free again");
    container.start().expect("it starts");
    container.wait_for("up", SOON).expect("it runs");
    container.stop(Duration::from_secs(1)).expect("it is killed");
    assert_eq!(container.wait(SOON).expect("it has ended").code, 137);
}

#[test]
fn confines_a_container_as_described() {
    let (_node, cri, image) = node();
    let pod = pod(&cri);
    let shared = tempfile::tempdir().expect("a folder");
    fs::write(shared.path().join("file"), "from the host\n").expect("a file");
    let script = "cat /ro/file; echo x > /ro/new || echo refused; echo x > /new || echo refused; \
                  echo written > /rw/new; head -n 100 /proc/self/status";
    let spec = shell(&image, script)
        .mount(shared.path(), "/ro", Access::Read)
        .mount(shared.path(), "/rw", Access::Write)
        .read_only_root()
        .no_new_privileges()
        .drop_capability("ALL")
        .add_capability("CHOWN");
    let (_, stdout, stderr) = run(&pod, spec);
    assert!(stdout.starts_with("from the host\nrefused\nrefused\n"), "{stdout}{stderr}");
    assert_eq!(fs::read_to_string(shared.path().join("new")).expect("the new file"), "written\n");
    for line in ["CapEff:\t0000000000000001", "NoNewPrivs:\t1"] {
        assert!(stdout.contains(line), "{line} is in {stdout}");
    }
}

#[test]
fn stops_and_deletes_a_pod_with_all_that_is_in_it() {
    let (node, cri, image) = node();
    let pod = pod(&cri);
    let container = pod.container(shell(&image, "echo up; exec sleep 1000")).expect("a container");
    container.start().expect("it starts");
    container.wait_for("up", SOON).expect("it runs");
    assert_eq!(pod.state().expect("a state"), PodState::Ready);
    pod.stop().expect("it is stopped");
    assert_eq!(pod.state().expect("a state"), PodState::NotReady);
    assert_eq!(container.wait(SOON).expect("its container is ended").code, 137);
    pod.stop().expect("it can be stopped again");
    pod.delete().expect("it is deleted");
    pod.delete().expect("it can be deleted again");
    let error = pod.state().expect_err("it is gone");
    assert!(matches!(error.kind(), ErrorKind::Containerd { code: Code::NotFound, .. }), "{error:?}");
    let processes = node.processes().expect("processes");
    let programs = processes.iter().filter(|process| process.args.iter().any(|arg| arg == "sleep"));
    assert_eq!(programs.count(), 0, "no program of the pod is left among {processes:?}");
}

#[test]
fn leaves_nothing_of_pods_that_run_when_the_node_stops() {
    let (node, cri, image) = node();
    let pods = [pod(&cri), cri.pod(PodSpec::new("shared", "runc").host_network()).expect("a pod")];
    let start = |pod: &Pod| {
        let container = pod.container(shell(&image, "echo up; exec sleep 1000")).expect("a container");
        container.start().expect("it starts");
        container.wait_for("up", SOON).expect("it runs");
        container
    };
    let containers: Vec<_> = pods.iter().map(start).collect();
    assert_eq!(containers.len(), 2);
    let ids = pods.each_ref().map(|pod| pod.id().to_owned());
    node.stop().expect("nothing is left");
    // The folder is the machine's, which may have none.
    let notes = fs::read_dir("/var/lib/cni/results").map(Iterator::collect::<Vec<_>>).unwrap_or_default();
    let notes = notes.into_iter().map(|note| note.expect("a note of CNI's").file_name());
    let left: Vec<_> =
        notes.filter(|note| ids.iter().any(|id| note.to_string_lossy().contains(id))).collect();
    assert!(left.is_empty(), "of the pods' networks is left {left:?}");
}

#[test]
fn runs_the_newest_image_of_a_name() {
    let (node, cri, old) = node();
    let pod = pod(&cri);
    // CRI notes the image some time after the import, and would note the older one over the newer.
    drop(pod.container(shell(&old, "exit 0")).expect("a container"));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("newer.tar");
    archive::busybox_with("FROM_IMAGE=newer").save(&path);
    let new = node.import(&path).expect("it is imported").remove(0);
    assert_eq!(new.name(), old.name());
    let (_, stdout, _) = run(&pod, shell(&new, "echo $FROM_IMAGE"));
    assert_eq!(stdout, "newer\n");
}
