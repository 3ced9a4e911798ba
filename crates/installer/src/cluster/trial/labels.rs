//! What nodes say before, while and after something happens to them.

use super::{Ground, alone, ground, slots};
use crate::cluster::{Cluster, Join, join, leave};
use crate::error::{Error, ErrorKind, Result};

const READY: [&str; 3] =
    ["shimmer.dev/wasmer=ready", "shimmer.dev/wasmtime=ready", "shimmer.dev/release=0.1.0"];

/// A node joins, one lease for all.
fn joins(cluster: &Cluster, node: &str, work: impl FnOnce() -> Result<Vec<String>>) -> Result<()> {
    join(cluster, &Join { slots: slots(node, "one"), release: "0.1.0" }, work)
}

fn handlers() -> Result<Vec<String>> {
    Ok(vec!["wasmtime".into(), "wasmer".into()])
}

fn is_free(ground: &Ground, lease: &str) -> bool {
    ground.read("lease", lease)["spec"].get("holderIdentity").is_none()
}

#[test]
fn labels_come_last_of_all_and_go_first_of_all() {
    let Some(ground) = ground() else { return };
    let ground = alone(&ground);
    ground.make_node("labels");
    joins(&ground.connect("join"), "labels", || {
        assert_eq!(ground.said("labels"), [""; 0]);
        handlers()
    })
    .expect("it joins");
    assert_eq!(ground.said("labels"), READY);
    assert!(is_free(&ground, "one-0"));
    leave(&ground.connect("leave"), "labels", || {
        assert_eq!(ground.said("labels"), ["shimmer.dev/release=0.1.0"]);
        Ok(())
    })
    .expect("it leaves");
    assert_eq!(ground.said("labels"), [""; 0]);
    let node = ground.read("node", "labels");
    assert_eq!(
        (&node["metadata"]["labels"]["disk"], &node["metadata"]["annotations"]["note"]),
        (&"ssd".into(), &"mine".into())
    );
    ground.delete_nodes(&["labels"]);
}

#[test]
fn a_node_in_use_keeps_its_labels() {
    let Some(ground) = ground() else { return };
    let ground = alone(&ground);
    ground.make_node("used");
    joins(&ground.connect("join"), "used", handlers).expect("it joins");
    let refused = leave(&ground.connect("leave"), "used", || Err(Error::refused("pods use wasmtime")));
    assert_eq!(refused.expect_err("it is in use").kind(), ErrorKind::Refused);
    assert_eq!(ground.said("used"), READY);
    let broken = || Err(Error::new(ErrorKind::Broken, "containerd does not come back"));
    let broken = leave(&ground.connect("leave"), "used", broken);
    assert_eq!(broken.expect_err("it is broken").kind(), ErrorKind::Broken);
    assert_eq!(
        ground.said("used"),
        ["shimmer.dev/problem=containerd does not come back", "shimmer.dev/release=0.1.0"]
    );
    ground.delete_nodes(&["used"]);
}

#[test]
fn a_node_that_is_as_it_was_keeps_its_labels_and_says_what_went_wrong() {
    let Some(ground) = ground() else { return };
    let ground = alone(&ground);
    ground.make_node("failing");
    let cluster = ground.connect("join");
    joins(&cluster, "failing", handlers).expect("it joins");
    let failed = || Err(Error::new(ErrorKind::Failed, "the disk is full"));
    let error = joins(&cluster, "failing", failed).expect_err("it fails");
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Failed, "the disk is full"));
    let said = ground.said("failing");
    assert!(READY.iter().all(|line| said.iter().any(|said| said == line)), "{said:?}");
    assert!(said.contains(&"shimmer.dev/problem=the disk is full".to_owned()), "{said:?}");
    assert!(!is_free(&ground, "one-0"), "it is not tried on another node");
    joins(&cluster, "failing", || Ok(vec!["wasmtime".into()])).expect("it joins");
    assert_eq!(ground.said("failing"), READY[1..], "what is not installed any more is not said");
    assert!(is_free(&ground, "one-0"), "another node has its turn");
    ground.delete_nodes(&["failing"]);
}

#[test]
fn a_node_that_is_not_there_is_named_and_nothing_is_done() {
    let Some(ground) = ground() else { return };
    let ground = alone(&ground);
    let error = joins(&ground.connect("join"), "nobody", || panic!("it works")).expect_err("it is not there");
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("there is no node nobody in this cluster"), "{error}");
    let error =
        leave(&ground.connect("leave"), "nobody", || panic!("it works")).expect_err("it is not there");
    assert_eq!(error.kind(), ErrorKind::Refused);
}

#[test]
fn what_an_account_may_not_do_is_named() {
    let Some(ground) = ground() else { return };
    let ground = alone(&ground);
    ground.make_node("forbidden");
    let error =
        joins(&ground.connect("leave"), "forbidden", || panic!("it works")).expect_err("a lease is needed");
    let said = error.to_string();
    assert!(said.starts_with("cannot read the lease one-0: "), "{said}");
    assert!(said.ends_with("its service account needs that right"), "{said}");
    ground.delete_nodes(&["forbidden"]);
}
