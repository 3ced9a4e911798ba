//! The chart on a private Kubernetes, by Helm 3 and 4, with the real installer: nodes are prepared one after the other,
//! upgraded under running pods, put back by themselves when something is broken, and in the end what they were. Needs what
//! `shimmer-node`'s own tests need, and Go; without that it is left out, and says so.

mod bench;
mod image;
#[path = "../node/moody.rs"]
mod moody;
#[path = "../node/release.rs"]
mod release;

use shimmer_node::Helm;

use crate::bench::{Bench, Problem};
use crate::release::Files;

/// A handler that the containerd of these tests does not start with.
const UNBEARABLE: &str = "unbearable";

#[test]
fn prepares_a_cluster_and_leaves_it_as_it_was() {
    let Some(mut bench) = Bench::new(Helm::V4) else { return };
    let (one, two) = (bench.image("1.0.0", release::good), bench.image("1.1.0", release::good));
    let broken = bench.image("2.0.0", release::broken);

    bench.succeeds(&["install", "shimmer", CHART, "--wait", "--set", &one]);
    bench.agrees_that_all_nodes_have("1.0.0");
    assert!(bench.turns() >= 2, "two nodes have had the one lease, one after the other");
    let tested = bench.succeeds(&["test", "shimmer"]);
    assert_eq!(tested.matches("Succeeded").count(), 3, "a pod for each engine: {tested}");

    let pods = bench.start_a_pod_on_every_node("wasmtime");
    bench.succeeds(&["upgrade", "shimmer", CHART, "--wait", "--set", &two]);
    bench.agrees_that_all_nodes_have("1.1.0");
    bench.agrees_that_they_run(&pods);

    a_broken_release_stops_at_the_first_node(&bench, &broken);
    bench.agrees_that_they_run(&pods);
    bench.succeeds(&["rollback", "shimmer", "2", "--wait"]);
    a_containerd_that_does_not_come_back_stops_at_the_first_node(&bench, &two);
    bench.agrees_that_they_run(&pods);
    bench.succeeds(&["rollback", "shimmer", "2", "--wait"]);
    bench.agrees_that_all_nodes_have("1.1.0");

    bench.add_a_node();
    bench.agrees_that_all_nodes_have("1.1.0");

    bench.waits_until_all_nodes_are_ready();
    let refused = bench.fails(&["uninstall", "shimmer"]);
    assert!(bench.log_of_the_job().contains(&pods[0]), "{refused}{}", bench.log_of_the_job());
    bench.agrees_that_all_nodes_have("1.1.0");
    bench.delete(&pods);
    bench.waits_until_all_nodes_are_ready();
    bench.succeeds(&["uninstall", "shimmer"]);
    bench.agrees_that_nothing_is_left();
    bench.stop();
}

#[test]
fn installs_upgrades_and_uninstalls_by_helm_3() {
    let Some(bench) = Bench::new(Helm::V3) else { return };
    let (one, two) = (bench.image("1.0.0", release::good), bench.image("1.1.0", release::good));
    bench.succeeds(&["install", "shimmer", CHART, "--wait", "--set", &one]);
    bench.agrees_that_all_nodes_have("1.0.0");
    let tested = bench.succeeds(&["test", "shimmer"]);
    assert_eq!(tested.matches("Succeeded").count(), 3, "a pod for each engine: {tested}");
    let pods = bench.start_a_pod_on_every_node("wasmtime");
    bench.succeeds(&["upgrade", "shimmer", CHART, "--wait", "--set", &two]);
    bench.agrees_that_all_nodes_have("1.1.0");
    bench.agrees_that_they_run(&pods);
    bench.delete(&pods);
    bench.waits_until_all_nodes_are_ready();
    bench.succeeds(&["uninstall", "shimmer"]);
    bench.agrees_that_nothing_is_left();
    bench.stop();
}

/// Its shims say their version and make no pod.
fn a_broken_release_stops_at_the_first_node(bench: &Bench, broken: &str) {
    let before = bench.settled_files();
    bench.succeeds(&["upgrade", "shimmer", CHART, "--set", broken]);
    let problem = bench.waits_for_a_problem();
    assert!(problem.told.contains("cannot make a pod"), "{}", problem.told);
    it_stays_at_this_node(bench, &before, &problem);
    bench.runs_a_pod_on(&problem.node, "wasmer");
}

/// A new handler is a new configuration, with which this containerd does not start. It takes the place of one that no
/// pod uses, since otherwise nothing would be touched.
fn a_containerd_that_does_not_come_back_stops_at_the_first_node(bench: &Bench, image: &str) {
    let shims = format!(
        "shims[0].name=wasmtime,shims[1].name=wasmedge,shims[2].name=wasmer,shims[2].handler={UNBEARABLE},\
         shims[2].runtimeClassName={UNBEARABLE}"
    );
    let before = bench.settled_files();
    bench.succeeds(&["upgrade", "shimmer", CHART, "--set", image, "--set", &shims, "--set", "timeout=60"]);
    let problem = bench.waits_for_a_problem();
    assert!(problem.told.contains("within 60 s"), "{}", problem.told);
    it_stays_at_this_node(bench, &before, &problem);
}

/// Also when it is tried once more there.
fn it_stays_at_this_node(bench: &Bench, before: &[Files], problem: &Problem) {
    bench.agrees_that_a_further_attempt_leaves(before, &problem.node);
    assert_eq!(bench.nodes_with_a_problem(), [&*problem.node], "the others were left alone");
    bench.agrees_that_all_nodes_have("1.1.0");
}

const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../charts/shimmer");
