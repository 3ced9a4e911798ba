//! Nodes that want to be changed at the same time.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use super::{Ground, NAMESPACE, alone, ground, slots};
use crate::cluster::{Cluster, Join, Slots, join};
use crate::error::{Error, ErrorKind};

/// Longer than any test takes.
const FOR_EVER: Duration = Duration::from_secs(1_000_000);

/// All nodes join at once; gives how many of them were at work at the same time.
fn most_at_work(ground: &Ground, lease: &str, count: u32) -> u32 {
    let nodes = ["turn-a", "turn-b", "turn-c", "turn-d"];
    nodes.iter().for_each(|node| ground.make_node(node));
    let (now, most) = (AtomicU32::new(0), AtomicU32::new(0));
    thread::scope(|scope| {
        for node in nodes {
            let (ground, now, most) = (&ground, &now, &most);
            scope.spawn(move || {
                let slots = Slots { node, lease, count, duration: FOR_EVER };
                join(&ground.connect("join"), &Join { slots, release: "1" }, || {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    // The others have time to come.
                    assert_eq!(ground.said(node), [""; 0]);
                    now.fetch_sub(1, Ordering::SeqCst);
                    Ok(vec!["wasmtime".into()])
                })
                .expect("it has its turn");
            });
        }
    });
    for node in nodes {
        assert_eq!(ground.said(node), ["shimmer.dev/wasmtime=ready", "shimmer.dev/release=1"]);
    }
    ground.delete_nodes(&nodes);
    most.into_inner()
}

#[test]
fn nodes_have_their_turn_one_after_the_other() {
    let Some(ground) = ground() else { return };
    assert_eq!(most_at_work(&alone(&ground), "one", 1), 1);
}

#[test]
fn two_slots_are_for_two_nodes_at_most() {
    let Some(ground) = ground() else { return };
    assert!(most_at_work(&alone(&ground), "two", 2) <= 2);
}

#[test]
fn a_holder_that_was_killed_goes_on_at_once_and_is_followed_when_its_lease_has_expired() {
    let Some(ground) = ground() else { return };
    let ground = alone(&ground);
    let nodes = ["killed", "waiting"];
    nodes.iter().for_each(|node| ground.make_node(node));
    let cluster = ground.connect("join");
    let work = || Ok(vec!["wasmtime".to_owned()]);

    kill(held(&ground, FOR_EVER));
    assert_eq!(holder(&ground), "killed", "nobody has given it back");
    let slots = Slots { duration: FOR_EVER, ..slots("killed", "killed") };
    join(&cluster, &Join { slots, release: "1" }, work).expect("its own turn goes on");
    assert_eq!(holder(&ground), "");

    let child = held(&ground, Duration::from_secs(1));
    thread::scope(|scope| {
        let slots = Slots { node: "waiting", ..slots };
        let (waits, cluster) = (Join { slots, release: "1" }, &cluster);
        let follower = scope.spawn(move || join(cluster, &waits, work));
        kill(child);
        follower.join().expect("a thread").expect("the lease has expired");
    });
    assert_eq!(holder(&ground), "");
    assert_eq!(ground.said("killed"), ground.said("waiting"));
    ground.delete_nodes(&nodes);
}

#[test]
fn a_lease_is_renewed_while_the_work_goes_on() {
    let Some(ground) = ground() else { return };
    let ground = alone(&ground);
    ground.make_node("killed");
    let slots = Slots { duration: Duration::from_secs(1), ..slots("killed", "killed") };
    let renewed = || ground.read("lease", "killed-0")["spec"]["renewTime"].clone();
    join(&ground.connect("join"), &Join { slots, release: "1" }, || {
        let first = renewed();
        while renewed() == first {}
        Ok(Vec::new())
    })
    .expect("it has its turn");
    ground.delete_nodes(&["killed"]);
}

#[test]
fn a_node_keeps_its_turn_after_a_failure_until_it_works_there_or_the_node_is_gone() {
    let Some(ground) = ground() else { return };
    let ground = alone(&ground);
    let nodes = ["broken", "other"];
    nodes.iter().for_each(|node| ground.make_node(node));
    let cluster = ground.connect("join");
    let breaks = || Err(Error::new(ErrorKind::Broken, "containerd does not come back"));
    let broken = Join { slots: slots("broken", "broken"), release: "1" };
    let other = Join { slots: slots("other", "broken"), release: "1" };
    let work = || Ok(vec!["wasmtime".to_owned()]);

    join(&cluster, &broken, breaks).expect_err("it breaks");
    assert_eq!(ground.said("broken"), ["shimmer.dev/problem=containerd does not come back"]);
    assert_eq!(kept(&ground), "containerd does not come back");
    join(&cluster, &broken, work).expect("it was repaired");
    assert_eq!(ground.said("broken"), ["shimmer.dev/wasmtime=ready", "shimmer.dev/release=1"]);
    assert_eq!(kept(&ground), "");
    join(&cluster, &other, work).expect("the turn is free");

    let fails = || Err(Error::new(ErrorKind::Failed, "no pod can be made"));
    join(&cluster, &broken, fails).expect_err("it fails");
    assert_eq!(kept(&ground), "no pod can be made", "it is not tried on the other node");
    assert_eq!(ground.said("broken")[0], "shimmer.dev/wasmtime=ready", "what was there before works");
    let refuses = || Err(Error::refused("something is unclear"));
    join(&cluster, &broken, refuses).expect_err("nothing is touched");
    join(&cluster, &other, work).expect("so the turn is free");

    join(&cluster, &broken, breaks).expect_err("it breaks");
    ground.delete_nodes(&["broken"]);
    join(&cluster, &other, work).expect("the turn is nobody's");
    assert_eq!(kept(&ground), "");
    ground.delete_nodes(&["other"]);
}

fn holder(ground: &Ground) -> String {
    let lease = ground.read("lease", "killed-0");
    let holder = lease["spec"]["holderIdentity"].as_str().unwrap_or_default();
    holder.split('/').next().unwrap_or_default().to_owned()
}

fn kept(ground: &Ground) -> String {
    let lease = ground.read("lease", "broken-0");
    lease["metadata"]["annotations"]["shimmer.dev/needs-a-hand"].as_str().unwrap_or_default().to_owned()
}

/// Another process that has the turn of the node `killed`, and works without an end.
fn held(ground: &Ground, duration: Duration) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args([
        "--exact",
        "cluster::trial::turns::holder_in_a_process_of_its_own",
        "--ignored",
        "--nocapture",
    ]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    let what = format!("{}\n{}\n", ground.kubeconfig("join").display(), duration.as_secs());
    child.stdin.as_mut().expect("a pipe").write_all(what.as_bytes()).expect("it reads");
    let lines = BufReader::new(child.stdout.as_mut().expect("a pipe")).lines();
    let works = lines.map_while(Result::ok).any(|line| line.contains(AT_WORK));
    assert!(works, "the other process has its turn");
    child
}

fn kill(mut child: Child) {
    child.kill().expect("it is killed");
    child.wait().expect("it is gone");
}

const AT_WORK: &str = "at work";

#[test]
#[ignore = "it is what another test starts"]
fn holder_in_a_process_of_its_own() {
    let mut lines = std::io::stdin().lines().map_while(Result::ok);
    let (Some(kubeconfig), Some(seconds)) = (lines.next(), lines.next()) else { return };
    let duration = Duration::from_secs(seconds.parse().expect("a number"));
    let cluster = Cluster::connect(Some(Path::new(&kubeconfig)), NAMESPACE).expect("a connection");
    let slots = Slots { duration, ..slots("killed", "killed") };
    join(&cluster, &Join { slots, release: "1" }, || {
        println!("{AT_WORK}");
        lines.for_each(drop);
        Err(Error::refused("it was not killed"))
    })
    .expect_err("it is killed");
}
