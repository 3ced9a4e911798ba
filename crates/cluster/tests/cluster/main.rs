//! The commands, as a user types them. Needs what a cluster needs; without Go it is left out, and says so.

mod examples;
mod user;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use shimmer_node::Traces;
use tempfile::TempDir;

use self::user::{command, run, succeed, user};

/// For a whole cluster to come or to go, beside others.
const SOON: Duration = Duration::from_secs(300);
const NONE: i32 = 3;
const ATTEMPTS: u32 = 5;

/// The marks of the one node of the cluster that runs, and its keeper's process.
fn state(home: &TempDir) -> (Traces, Pid) {
    let state: serde_json::Value =
        serde_json::from_str(&succeed(home, &["status", "--json"])).expect("it is JSON");
    let socket = PathBuf::from(state["nodes"][0]["socket"].as_str().expect("a socket"));
    let keeper = i32::try_from(state["keeper"].as_i64().expect("a process")).expect("its id");
    let traces = Traces::of(socket.parent().expect("a folder")).expect("traces");
    (traces, Pid::from_raw(keeper).expect("its id"))
}

#[test]
fn a_cluster_outlives_the_command_and_ends_by_another() {
    let Some(home) = user() else { return };
    assert_eq!(run(&home, &["status"]).status.code(), Some(NONE), "there is none");
    let said = succeed(&home, &["up"]);
    assert!(said.contains("is ready") && said.contains("localhost/hello:1"), "{said}");
    let again = run(&home, &["up"]);
    assert!(String::from_utf8_lossy(&again.stderr).contains("a cluster runs already"), "{again:?}");
    let classes = succeed(&home, &["kubectl", "get", "runtimeclasses", "-o=name"]);
    assert_eq!(classes.trim(), "runtimeclass.node.k8s.io/runc");
    assert!(Path::new(succeed(&home, &["kubeconfig"]).trim()).exists());
    let (traces, _) = state(&home);
    assert!(!traces.leftovers().expect("a look").is_empty(), "a cluster that runs can be seen");
    let said = succeed(&home, &["down"]);
    assert!(said.contains("the cluster is gone"), "{said}");
    assert_eq!(traces.leftovers().expect("a look"), Vec::<String>::new());
    assert_eq!(run(&home, &["down"]).status.code(), Some(NONE), "there is none");
}

#[test]
fn a_keeper_that_is_killed_leaves_nothing() {
    let Some(home) = user() else { return };
    succeed(&home, &["up"]);
    let (traces, keeper) = state(&home);
    kill_process(keeper, Signal::KILL).expect("it lives");
    traces.wait_until_gone(SOON).expect("its guardian removes all");
    assert_eq!(run(&home, &["status"]).status.code(), Some(NONE), "nobody believes what it has told");
}

#[test]
fn who_gives_up_while_it_starts_leaves_nothing() {
    let Some(home) = user() else { return };
    leaves_nothing(&home, || ());
}

#[test]
fn who_gives_up_when_it_is_ready_leaves_nothing() {
    let Some(home) = user() else { return };
    // The keeper has told that it is, and nobody has read it.
    leaves_nothing(&home, || {
        let begin = Instant::now();
        while run(&home, &["status"]).status.code() == Some(NONE) {
            assert!(begin.elapsed() < SOON, "it becomes ready");
        }
    });
}

/// On a busy machine the command may be through before it is stopped.
fn leaves_nothing(home: &TempDir, meanwhile: impl Fn()) {
    let traces = (0..ATTEMPTS).find_map(|_| given_up(home, &meanwhile)).expect("it was stopped in time once");
    traces.wait_until_gone(SOON).expect("the keeper notices");
    assert_eq!(run(home, &["status"]).status.code(), Some(NONE));
}

/// Gives up while the cluster starts; gives its marks, unless the command was through by then.
fn given_up(home: &TempDir, meanwhile: impl Fn()) -> Option<Traces> {
    let mut up = command(home, &["up"]).stdout(Stdio::piped()).spawn().expect("the program runs");
    let mut lines = BufReader::new(up.stdout.take().expect("its output")).lines();
    let waits = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("waiting for the node")));
    assert!(waits.is_some(), "it tells what it waits for");
    let process = Pid::from_child(&up);
    // It stands still while its node is looked for, and the keeper goes on.
    kill_process(process, Signal::STOP).expect("nobody has waited for it");
    let folder = folder_below(up.id());
    meanwhile();
    kill_process(process, Signal::INT).expect("nobody has waited for it");
    kill_process(process, Signal::CONT).expect("nobody has waited for it");
    if up.wait().expect("it ends").success() {
        succeed(home, &["down"]);
        return None;
    }
    Some(Traces::of(&folder.expect("it has a containerd")).expect("traces"))
}

/// The folder of the node that a descendant of this process serves.
fn folder_below(process: u32) -> Option<PathBuf> {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .expect("/proc")
        .flatten()
        .filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let status = fs::read_to_string(entry.path().join("status")).ok()?;
            let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
            Some((pid, parent.trim().parse().ok()?))
        })
        .collect();
    let mut family = vec![process];
    while let Some(next) =
        parents.iter().find(|(pid, parent)| family.contains(parent) && !family.contains(pid))
    {
        family.push(next.0);
    }
    let config = family.iter().find_map(|pid| {
        let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
        let mut words = line.split('\0');
        words.find(|word| word.ends_with("/config.toml")).map(PathBuf::from)
    });
    Some(config?.parent()?.to_owned())
}
