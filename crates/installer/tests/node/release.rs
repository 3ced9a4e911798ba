//! Releases as the image has them, made of the programs that cargo has built for these tests.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// The programs of the shims, beside which this test lies.
pub(crate) fn programs() -> PathBuf {
    let test = std::env::current_exe().expect("a test is a program");
    test.ancestors().nth(2).expect("cargo puts tests into deps").to_owned()
}

/// The engines that have a shim there.
pub(crate) fn engines() -> Vec<String> {
    let mut engines = Vec::new();
    for entry in fs::read_dir(programs()).expect("a folder") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        let engine = name.strip_prefix("containerd-shim-").and_then(|rest| rest.strip_suffix("-v1"));
        engines.extend(
            engine.filter(|engine| programs().join(format!("shimmer-{engine}")).exists()).map(str::to_owned),
        );
    }
    // Examples and stand-ins of other tests are no engines of a release.
    engines.retain(|engine| ["wasmedge", "wasmer", "wasmtime"].contains(&engine.as_str()));
    engines.sort();
    assert_eq!(engines.len(), 3, "build all shims first: `cargo test --release --workspace --no-run`");
    engines
}

/// A release of all engines in `folder`.
pub(crate) fn good(folder: &Path, version: &str) -> PathBuf {
    let release = folder.join(version);
    fs::create_dir_all(&release).expect("it is ours");
    for engine in engines() {
        for name in [format!("containerd-shim-{engine}-v1"), format!("shimmer-{engine}")] {
            symlink(programs().join(&name), release.join(name)).expect("it is ours");
        }
    }
    describe(&release, version);
    release
}

/// A release whose shims run, and make no pod.
pub(crate) fn broken(folder: &Path, version: &str) -> PathBuf {
    let release = good(folder, version);
    for engine in engines() {
        let shim = release.join(format!("containerd-shim-{engine}-v1"));
        fs::remove_file(&shim).expect("it is ours");
        let script = "#!/bin/sh\ncase \"$*\" in *--version*) echo \"0\" ;; *) echo \"it is broken\" >&2; exit 1 ;; esac\n";
        fs::write(&shim, script).expect("it is ours");
        fs::set_permissions(&shim, fs::Permissions::from_mode(0o755)).expect("it is ours");
    }
    describe(&release, version);
    release
}

/// All of /etc/containerd and /opt of a node, whose `/` is at `root`.
pub(crate) fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![PathBuf::from("etc/containerd"), PathBuf::from("opt")];
    while let Some(folder) = folders.pop() {
        found.insert(folder.clone(), Vec::new());
        for entry in fs::read_dir(root.join(&folder)).expect("a folder") {
            let name = folder.join(entry.expect("an entry").file_name());
            let path = root.join(&name);
            if path.is_symlink() {
                found.insert(
                    name,
                    fs::read_link(&path).expect("a link").into_os_string().into_encoded_bytes(),
                );
            } else if path.is_dir() {
                folders.push(name);
            } else {
                found.insert(name, fs::read(&path).expect("it can be read"));
            }
        }
    }
    found
}

fn describe(release: &Path, version: &str) {
    let mut files = serde_json::Map::new();
    for entry in fs::read_dir(release).expect("a folder") {
        let entry = entry.expect("an entry");
        if entry.file_name() == "release.json" {
            continue;
        }
        let digest = Sha256::digest(fs::read(entry.path()).expect("it can be read"));
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        files.insert(entry.file_name().to_string_lossy().into_owned(), format!("sha256:{digest}").into());
    }
    let architecture = if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" };
    let manifest = serde_json::json!({ "version": version, "architecture": architecture, "files": files });
    fs::write(release.join("release.json"), manifest.to_string()).expect("it is ours");
}
