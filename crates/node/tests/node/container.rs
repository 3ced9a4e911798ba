//! Containers from their description to their output.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use shimmer_node::{Access, Code, ContainerSpec, ErrorKind, Hook};

use crate::{RUNC, SIGKILL, assert_success, import, node, shell, text};

#[test]
fn runs_a_container_and_gives_its_code_and_both_streams() {
    let node = node();
    let image = import(&node);
    let output = node.run(shell(&image, "a", "echo out; echo err >&2; exit 7")).expect("it runs");
    assert_eq!((output.code, text(&output.stdout), text(&output.stderr)), (7, "out\n", "err\n"));
    assert!(output.phases.create > Duration::ZERO, "phases are measured: {:?}", output.phases);
    let again = node.run(shell(&image, "a", "exit 0")).expect("the id is free again");
    assert_success(&again);
    node.stop().expect("nothing is left");
}

#[test]
fn gives_the_program_its_environment_folder_user_and_nothing_of_the_hosts() {
    let node = node();
    let image = import(&node);
    let spec =
        shell(&image, "env", "env | sort; pwd; id -u; id -g").env("GREETING", "hello world").cwd("/tmp");
    let output = node.run(spec.user(7, 8)).expect("it runs");
    assert_success(&output);
    let expected = "FROM_IMAGE=yes\nGREETING=hello world\nPATH=/bin\nPWD=/tmp\nSHLVL=1\n/tmp\n7\n8\n";
    let seen = text(&output.stdout).replace("HOME=/\n", "");
    assert_eq!(seen, expected);
}

#[test]
fn mounts_what_may_be_written_and_what_may_not() {
    let node = node();
    let image = import(&node);
    let shared = tempfile::tempdir().expect("a folder");
    fs::write(shared.path().join("file"), "from the host").expect("a file");
    let script = "cat /ro/file; echo x > /ro/new || echo refused; echo written > /rw/new";
    let spec = shell(&image, "mounts", script).mount(shared.path(), "/ro", Access::Read).mount(
        shared.path(),
        "/rw",
        Access::Write,
    );
    let output = node.run(spec).expect("it runs");
    assert_eq!(text(&output.stdout), "from the hostrefused\n", "stderr: {}", text(&output.stderr));
    assert_eq!(fs::read_to_string(shared.path().join("new")).expect("the new file"), "written\n");
}

#[test]
fn enforces_the_memory_limit() {
    let node = node();
    let image = import(&node);
    let greedy = ["/bin/sh", "-c", "x=y; while true; do x=$x$x; done"];
    let spec = ContainerSpec::new("greedy", &image, RUNC).args(greedy).memory(32 << 20);
    assert_eq!(node.run(spec).expect("it runs").code, 128 + SIGKILL, "the kernel ends it");
}

#[test]
fn keeps_containerds_code_and_words_and_removes_what_was_half_made() {
    let node = node();
    let image = import(&node);
    let missing = ContainerSpec::new("half", &image, RUNC).args(["/no/such/program"]);
    let error = node.run(missing).expect_err("there is no such program");
    let ErrorKind::Containerd { message, .. } = error.kind() else { panic!("{error:?}") };
    assert!(message.contains("/no/such/program"), "{message}");
    let error = node.run(ContainerSpec::new("half", &image, "io.containerd.none.v1").args(["x"]));
    let error = error.expect_err("there is no such shim");
    assert!(error.to_string().contains("half"), "{error}");
    assert_success(
        &node.run(shell(&image, "half", "exit 0")).expect("the id, its snapshot and its task are free"),
    );
    let taken = node.container(shell(&image, "taken", "exit 0")).expect("a container");
    let error = node.container(shell(&image, "taken", "exit 0")).expect_err("the id is taken");
    assert!(matches!(error.kind(), ErrorKind::Containerd { code: Code::AlreadyExists, .. }), "{error:?}");
    taken.delete().expect("the first one was not harmed");
}

#[test]
fn gives_it_memory_to_write_in_and_a_root_that_is_only_read() {
    let node = node();
    let script = "echo x > /new || echo refused; echo kept > /scratch/new; cat /scratch/new; \
                  busybox df -k /scratch | busybox tail -n 1 | busybox awk '{ print $2 }'";
    let spec = shell(&import(&node), "c", script).read_only_root().tmpfs("/scratch", 1 << 20);
    let output = node.run(spec).expect("it runs");
    assert_eq!(text(&output.stdout), "refused\nkept\n1024\n", "stderr: {}", text(&output.stderr));
}

#[test]
fn mounts_with_the_options_that_are_given() {
    let node = node();
    let shared = tempfile::tempdir().expect("a folder");
    let spec = shell(&import(&node), "c", "busybox grep ' /rw ' /proc/mounts");
    let spec = spec.mount_with(shared.path(), "/rw", &["bind", "ro", "noexec"]);
    let output = node.run(spec).expect("it runs");
    assert!(text(&output.stdout).contains("ro,noexec"), "{output:?}");
}

#[test]
fn gives_it_the_rights_limits_groups_and_name_that_are_asked_for() {
    let node = node();
    let script =
        "busybox grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status; ulimit -n; id -G; hostname";
    let spec = shell(&import(&node), "c", &script.replace("hostname", "busybox hostname"));
    let spec = spec.capabilities(&["KILL"]).rlimit("NOFILE", 77).no_new_privileges(false);
    let output = node.run(spec.groups(&[5, 6]).hostname("called")).expect("it runs");
    assert_success(&output);
    let kill = format!("{:016x}", 1 << 5);
    let expected = format!("CapEff:\t{kill}\nCapBnd:\t{kill}\nNoNewPrivs:\t0\n77\n0 5 6\ncalled\n");
    assert_eq!(text(&output.stdout), expected);
}

#[test]
fn refuses_it_the_system_calls_that_are_filtered() {
    let node = node();
    let filter = json!({ "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{ "names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38 }] });
    let spec = shell(&import(&node), "c", "busybox mkdir /tmp/x").seccomp(filter);
    let output = node.run(spec).expect("it runs");
    assert!(text(&output.stderr).contains("not implemented"), "ENOSYS: {}", text(&output.stderr));
}

#[test]
fn runs_hooks_with_the_containers_state() {
    let node = node();
    let folder = tempfile::tempdir().expect("a folder");
    let seen = folder.path().join("seen");
    let script = format!("busybox cat > {}", seen.display());
    let spec = shell(&import(&node), "hooked", "exit 0");
    let spec = spec.hook(Hook::CreateRuntime, Path::new("/bin/busybox"), &["sh", "-c", &script]);
    assert_success(&node.run(spec).expect("it runs"));
    let state = fs::read_to_string(seen).expect("the hook has run");
    assert!(state.contains("\"id\":\"hooked\""), "{state}");
}
