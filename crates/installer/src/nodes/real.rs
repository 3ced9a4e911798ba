//! The same nodes as a real containerd sees them, in a root of its own with nothing but it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::cases::{self, Case};
use super::{Files, Kept, wanted};
use crate::check::{Candidate, Dump, Verdict, compare, missing};
use crate::config::{Settings, Wanted};
use crate::distribution::{Declared, Node};
use crate::schema::Version;

/// A containerd, and the libraries that it needs, to be put into a node's root.
struct Containerd {
    version: Version,
    files: Vec<PathBuf>,
}

impl Containerd {
    fn here() -> Self {
        let places = ["/usr/bin/containerd", "/usr/local/bin/containerd"].map(PathBuf::from);
        let binary = places
            .into_iter()
            .find(|file| file.exists())
            .expect("containerd, which `cargo xtask setup` installs");
        let output = Command::new(&binary)
            .arg("--version")
            .output()
            .expect("containerd, which `cargo xtask setup` installs");
        let version = Version::told(&String::from_utf8(output.stdout).unwrap()).unwrap();
        let libraries = Command::new("ldd").arg(&binary).output().unwrap();
        let libraries = String::from_utf8(libraries.stdout).unwrap();
        let paths = libraries.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from);
        Self { version, files: paths.chain([binary.clone()]).collect() }
    }

    fn put(&self, files: &Files) {
        for file in &self.files {
            let to = files.at(file);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            // By another process: while this one has a program open for writing, a child of another thread has it open as
            // well, and nobody can execute it.
            assert!(Command::new("cp").arg("--preserve=mode").arg(file).arg(to).status().unwrap().success());
        }
    }

    fn dump(&self, files: &Files, config: &Path) -> Dump {
        let mut command = Command::new("chroot");
        let binary = self.files.last().unwrap();
        let output = command
            .arg(files.root())
            .arg(binary)
            .arg("--config")
            .arg(config)
            .args(["config", "dump"])
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {error}", config.display());
        Dump::parse(&output.stdout).unwrap()
    }
}

const FOLDER: &str = "/opt/shimmer/state/trial";

/// What containerd says of `kept`, which is not in its place yet; `old` is.
fn try_out(containerd: &Containerd, files: &Files, old: Option<&Kept>, kept: &Kept) -> (Dump, Dump) {
    let host = files.host();
    let restored = old.map(|old| files.restored(old).unwrap());
    let mut node = Node::new(&host);
    if let (Some(old), Some(restored)) = (old, &restored) {
        node = node.with(old.file(), restored.content.as_deref());
    }
    let old = old.map(|old| &old.writing.written);
    let folder = Path::new(FOLDER);
    let before = Candidate::before(&kept.site, folder);
    let after = Candidate::after(&node, &kept.site, &kept.writing, old, folder).unwrap();
    for (path, content) in before.files.iter().chain(&after.files) {
        assert!(path.starts_with(folder));
        files.put(path, content);
    }
    (containerd.dump(files, &before.root), containerd.dump(files, &after.root))
}

fn fits(case: &Case, containerd: &Containerd) -> bool {
    let version = containerd.version;
    case.name != "k3s-foreign" && case.version.merges() == version.merges() && case.schema <= version.reads()
}

/// What the distribution does when it starts.
fn render(files: &Files, kept: &Kept) {
    let Some(rendered) = &kept.site.rendered else { return };
    let written = String::from_utf8(kept.writing.content.clone()).unwrap();
    let now = String::from_utf8(files.read(rendered).unwrap()).unwrap();
    let text = match written.strip_prefix("{{ template \"base\" . }}\n") {
        Some(ours) => now + ours,
        None => written
            .replace("${SNAPSHOTTER}", "overlayfs")
            .replace("${RUNTIME}", "runc")
            .replace("${RUNTIME_TYPE}", "io.containerd.runc.v2"),
    };
    files.put(rendered, text.as_bytes());
}

#[test]
fn containerd_has_our_runtimes_and_everything_else_as_before() {
    let containerd = Containerd::here();
    let none = Wanted::default();
    let mut tried = 0;
    for case in cases::all().iter().filter(|case| fits(case, &containerd)) {
        let files = Files::of(case.name, case.empty);
        containerd.put(&files);
        let mut first = wanted(&["wasmtime", "wasmedge"]);
        first.settings = Settings { local_image_pull: containerd.version.transfers() };
        let plan = |old, wanted| files.plan(&Declared::default(), containerd.version, old, wanted).unwrap();
        let kept = plan(None, &first);
        let (before, after) = try_out(&containerd, &files, None, &kept);
        assert_eq!(compare(&before, &after, &none, &first), Verdict::Good, "{}", case.name);
        assert_eq!(missing(&before, &[], &first.runtimes).unwrap(), first.runtimes, "{}", case.name);
        assert_eq!(missing(&after, &[], &first.runtimes).unwrap(), [], "{}", case.name);
        // And in its place it is the same.
        files.put(kept.file(), &kept.writing.content);
        if kept.site.rendered.is_none() {
            let placed = containerd.dump(&files, &kept.site.config);
            assert_eq!(compare(&before, &placed, &none, &first), Verdict::Good, "{}", case.name);
        }
        // An upgrade is tried over it.
        if case.name != "k0s-v2" {
            render(&files, &kept);
        }
        let second = wanted(&["wasmer", "wasmtime"]);
        let upgrade = plan(Some(&kept), &second);
        let (before, after) = try_out(&containerd, &files, Some(&kept), &upgrade);
        assert_eq!(compare(&before, &after, &first, &second), Verdict::Good, "{}", case.name);
        tried += 1;
    }
    assert!(tried > 0, "no node has containerd {}", containerd.version);
}

#[test]
fn a_file_that_is_read_later_and_takes_our_runtime_is_seen() {
    let containerd = Containerd::here();
    let files = Files::of("conf-d-v3", &["/run/containerd/containerd.sock"]);
    containerd.put(&files);
    let theirs = "version = 3\n[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.wasmtime]\nruntime_path = '/mine'\n";
    files.put(Path::new("/etc/containerd/conf.d/90-theirs.toml"), theirs.as_bytes());
    let wanted = wanted(&["wasmtime"]);
    let kept = files.plan(&Declared::default(), containerd.version, None, &wanted).unwrap();
    let (before, after) = try_out(&containerd, &files, None, &kept);
    let Verdict::Bad(found) = compare(&before, &after, &Wanted::default(), &wanted) else {
        panic!("not seen")
    };
    assert!(found[0].to_string().contains("/mine"), "{found:?}");
    assert!(missing(&before, &[], &wanted.runtimes).unwrap_err().to_string().contains("/mine"));
}
