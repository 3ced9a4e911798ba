//! Images: what is imported, where it is kept, and what is refused.

use std::fs;

use shimmer_node::{ContainerSpec, ErrorKind, Node};

use crate::{RUNC, archive, assert_success, import, node, shell};

#[test]
fn imports_the_platform_of_this_machine_from_an_index() {
    let node = node();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("index.tar");
    archive::index().save(&path);
    let images = node.import(&path).expect("it is imported");
    assert_eq!(images.len(), 1);
    assert_eq!(images[0].name(), "localhost/index:1");
    assert_success(&node.run(shell(&images[0], "a", "exit 0")).expect("it runs"));
}

#[test]
fn imports_a_wasm_artifact_which_has_no_root_filesystem() {
    let node = node();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("artifact.tar");
    archive::artifact(b"\0asm\x01\0\0\0").save(&path);
    let image = node.import(&path).expect("it is imported").remove(0);
    let blobs = node.content().expect("the content");
    assert!(blobs.iter().any(|blob| blob.size == 8), "the module is stored: {blobs:?}");
    let container = node.container(ContainerSpec::new("a", &image, RUNC).args(["/module.wasm"]));
    container.expect("a container of it can be made").delete().expect("and deleted");
}

#[test]
fn refuses_archives_that_are_none() {
    let node = node();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bad.tar");
    let nothing = node.import(&path).expect_err("there is no file");
    assert!(nothing.to_string().contains("bad.tar"), "{nothing}");
    archive::Archive::default().save(&path);
    let empty = node.import(&path).expect_err("there is no index.json");
    assert_eq!(empty.kind(), &ErrorKind::Image, "{empty}");
    assert!(empty.to_string().contains("index.json"), "{empty}");
    archive::corrupt().save(&path);
    let corrupt = node.import(&path).expect_err("a blob is not what its digest says");
    assert!(matches!(corrupt.kind(), ErrorKind::Containerd { .. }), "{corrupt:?}");
}

#[test]
fn keeps_images_in_memory_where_asked() {
    let node = Node::builder().memory().start().expect("a node in memory");
    let image = import(&node);
    assert_success(&node.run(shell(&image, "a", "exit 0")).expect("it runs"));
    let root = node.socket().with_file_name("root");
    assert_eq!(fs::read_dir(root).expect("the folder").count(), 0, "nothing of it is on the disk");
    node.stop().expect("nothing is left");
}
