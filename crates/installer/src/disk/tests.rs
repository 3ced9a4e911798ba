use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::*;

fn host() -> (tempfile::TempDir, Host) {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir_all(folder.path().join("etc/containerd")).expect("it is ours");
    let host = Host::open(folder.path()).expect("it is there");
    (folder, host)
}

const CONFIG: &str = "/etc/containerd/config.toml";

#[test]
fn a_change_keeps_mode_and_owner_and_undone_it_is_the_very_file() {
    let (folder, host) = host();
    let here = folder.path().join("etc/containerd/config.toml");
    fs::write(&here, "before").expect("it is ours");
    fs::set_permissions(&here, fs::Permissions::from_mode(0o640)).expect("it is ours");
    let inode = fs::metadata(&here).expect("it is there").ino();
    let swap = Swap::stage(&host, Path::new(CONFIG), &New::File(b"after")).expect("it is staged");
    assert_eq!(fs::read(&here).expect("it is there"), b"before", "nothing is seen of it yet");
    swap.apply(&host).expect("it is made");
    assert_eq!(fs::read(&here).expect("it is there"), b"after");
    assert_eq!(fs::metadata(&here).expect("it is there").mode() & 0o777, 0o640);
    swap.undo(&host).expect("it is undone");
    assert_eq!(fs::read(&here).expect("it is there"), b"before");
    assert_eq!(fs::metadata(&here).expect("it is there").ino(), inode);
    assert_eq!(host.names(Path::new("/etc/containerd")).expect("it is a folder"), ["config.toml"]);
}

#[test]
fn a_change_keeps_the_label_and_the_access_control_list() {
    let (folder, host) = host();
    let here = folder.path().join("etc/containerd/config.toml");
    fs::write(&here, "before").expect("it is ours");
    let label = b"system_u:object_r:container_config_t:s0\0".as_slice();
    // Version 2, as xattr(7) has it: the owner, the user 1234, the group, the mask and the others.
    let entries = [(1, 6, u32::MAX), (2, 4, 1234), (4, 0, u32::MAX), (16, 4, u32::MAX), (32, 0, u32::MAX)];
    let entry = |(tag, rights, id): (u16, u16, u32)| {
        [tag.to_le_bytes().as_slice(), &rights.to_le_bytes(), &id.to_le_bytes()].concat()
    };
    let list = [2_u32.to_le_bytes().to_vec(), entries.map(entry).concat()].concat();
    let attributes = [("security.selinux", label), ("system.posix_acl_access", list.as_slice())];
    for (name, value) in attributes {
        rustix::fs::setxattr(&here, name, value, rustix::fs::XattrFlags::empty()).expect("the disk keeps it");
    }
    let swap = Swap::stage(&host, Path::new(CONFIG), &New::File(b"after")).expect("it is staged");
    swap.apply(&host).expect("it is made");
    assert_eq!(fs::read(&here).expect("it is there"), b"after");
    for (name, value) in attributes {
        let mut buffer = [0; 256];
        let size =
            rustix::fs::getxattr(&here, name, &mut buffer).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(&buffer[..size], value, "{name}");
    }
    assert_eq!(fs::metadata(&here).expect("it is there").mode() & 0o777, 0o640);
}

#[test]
fn undoing_is_right_at_every_moment_and_any_number_of_times() {
    for existed in [true, false] {
        for new in [New::File(b"after"), New::Link(Path::new("elsewhere")), New::Absent] {
            for applied in [true, false] {
                let (folder, host) = host();
                let here = folder.path().join("etc/containerd/config.toml");
                if existed {
                    fs::write(&here, "before").expect("it is ours");
                }
                let swap = Swap::stage(&host, Path::new(CONFIG), &new).expect("it is staged");
                if applied {
                    swap.apply(&host).expect("it is made");
                }
                for _ in 0..2 {
                    swap.undo(&host).expect("it is undone");
                    let case = format!("{existed} {new:?} {applied}");
                    assert_eq!(fs::read(&here).ok(), existed.then(|| b"before".to_vec()), "{case}");
                    let names = host.names(Path::new("/etc/containerd")).expect("it is a folder");
                    assert_eq!(names.len(), usize::from(existed), "{case}: {names:?}");
                }
            }
        }
    }
}

#[test]
fn links_of_the_node_are_followed_within_it() {
    let (folder, host) = host();
    let outside = tempfile::tempdir().expect("a folder");
    fs::write(outside.path().join("config.toml"), "of this machine").expect("it is ours");
    fs::create_dir_all(folder.path().join("real")).expect("it is ours");
    fs::write(folder.path().join("real/config.toml"), "of the node").expect("it is ours");
    symlink("/real/config.toml", folder.path().join("etc/containerd/config.toml")).expect("it is ours");
    let file = host.resolved(Path::new(CONFIG)).expect("it leads somewhere");
    assert_eq!(file, Path::new("/real/config.toml"));
    symlink(outside.path(), folder.path().join("away")).expect("it is ours");
    assert_eq!(host.read(Path::new("/away/config.toml")).expect("it is looked for"), None);
    assert_eq!(host.read(Path::new("/../../etc/passwd")).expect("it is looked for"), None);
}

#[test]
fn removes_a_tree_and_follows_no_link_in_it() {
    let (folder, host) = host();
    let outside = tempfile::tempdir().expect("a folder");
    fs::write(outside.path().join("precious"), "").expect("it is ours");
    fs::create_dir_all(folder.path().join("opt/shimmer/versions/1")).expect("it is ours");
    symlink(outside.path(), folder.path().join("opt/shimmer/versions/1/link")).expect("it is ours");
    fs::write(folder.path().join("opt/shimmer/versions/1/file"), "").expect("it is ours");
    host.remove_tree(Path::new("/opt/shimmer")).expect("it is removed");
    assert!(outside.path().join("precious").exists());
    assert!(!folder.path().join("opt/shimmer").exists() && folder.path().join("opt").exists());
}

#[test]
fn what_a_link_leads_to_is_not_removed_with_a_tree() {
    let (folder, host) = host();
    let root = folder.path();
    fs::create_dir_all(root.join("opt/tree/below")).expect("it is ours");
    fs::write(root.join("opt/tree/below/file"), "ours").expect("it is ours");
    fs::write(root.join("etc/theirs"), "theirs").expect("it is ours");
    symlink("../../etc", root.join("opt/tree/link")).expect("it is ours");
    symlink("../etc", root.join("opt/link")).expect("it is ours");
    symlink("tree/nowhere", root.join("opt/dangling")).expect("it is ours");
    for name in ["/opt/tree", "/opt/link", "/opt/dangling", "/opt/nothing"] {
        host.remove_tree(Path::new(name)).expect("it is removed");
    }
    assert_eq!(host.names(Path::new("/opt")).expect("it is a folder"), [""; 0]);
    assert_eq!(fs::read(root.join("etc/theirs")).expect("it is there"), b"theirs");
}
