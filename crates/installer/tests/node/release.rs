//! Releases as the image has them, made of the programs that cargo has built for these tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
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

/// A release whose shims run, and make no pod; the engines beside them are never started.
pub(crate) fn broken(folder: &Path, version: &str) -> PathBuf {
    let release = good(folder, version);
    let script =
        "#!/bin/sh\ncase \"$*\" in *--version*) echo \"0\" ;; *) echo \"it is broken\" >&2; exit 1 ;; esac\n";
    for entry in fs::read_dir(&release).expect("a folder") {
        let program = entry.expect("an entry").path();
        fs::remove_file(&program).expect("it is ours");
        fs::write(&program, script).expect("it is ours");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("it is ours");
    }
    describe(&release, version);
    release
}

/// What there is by a path of a node's.
#[derive(Eq, PartialEq)]
pub(crate) struct Entry {
    /// With the kind of the entry.
    mode: u32,
    owner: (u32, u32),
    /// Of a file, and where a link leads to.
    content: Vec<u8>,
}

pub(crate) type Files = BTreeMap<PathBuf, Entry>;

/// All that an installer may touch on a node, whose `/` is at `root`.
pub(crate) fn files(root: &Path) -> Files {
    files_in(root, &["etc/containerd", "opt", "run/shimmer", "var/lib/shimmer"])
}

/// All that is in these of its folders, as far as they are there.
pub(crate) fn files_in(root: &Path, folders: &[&str]) -> Files {
    let mut found = Files::new();
    let mut names: Vec<_> = folders.iter().map(PathBuf::from).collect();
    names.retain(|name| root.join(name).exists());
    while let Some(name) = names.pop() {
        let path = root.join(&name);
        let entry = Entry::read(&path);
        if path.is_dir() && !path.is_symlink() {
            let entries = fs::read_dir(&path).expect("a folder");
            names.extend(entries.map(|entry| name.join(entry.expect("an entry").file_name())));
        }
        found.insert(name, entry);
    }
    found
}

/// That nothing of it is otherwise than before; `story` tells a reader of a failure how it came to that.
#[track_caller]
pub(crate) fn agrees_that_they_are_the_same(before: &Files, now: &Files, story: impl Fn() -> String) {
    let differ = |path: &&PathBuf| before.get(*path) != now.get(*path);
    let paths: BTreeSet<_> = before.keys().chain(now.keys()).filter(differ).collect();
    let told =
        |path: &PathBuf| format!("{}: {:?}, was {:?}", path.display(), now.get(path), before.get(path));
    let told: Vec<_> = paths.into_iter().map(told).collect();
    assert!(told.is_empty(), "{}\n{}", told.join("\n"), story());
}

impl Entry {
    fn read(path: &Path) -> Self {
        let about = path.symlink_metadata().expect("it is there");
        let content = if about.is_symlink() {
            fs::read_link(path).expect("a link").into_os_string().into_encoded_bytes()
        } else if about.is_file() {
            fs::read(path).expect("it can be read")
        } else {
            Vec::new()
        };
        Self { mode: about.mode(), owner: (about.uid(), about.gid()), content }
    }
}

/// As much as a reader of a failed test wants to see.
impl fmt::Debug for Entry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:o} {:?} {} bytes", self.mode, self.owner, self.content.len())?;
        match str::from_utf8(&self.content) {
            Ok(text) if text.len() < READABLE => write!(formatter, " {text:?}"),
            _ => Ok(()),
        }
    }
}

const READABLE: usize = 4096;

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
