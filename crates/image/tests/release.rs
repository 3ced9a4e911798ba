//! Whole releases of small programs: what comes out, that it is always the same, and that containerd takes it. The last
//! needs root and containerd.

#[path = "../src/sample.rs"]
#[expect(dead_code, reason = "the tests inside of the crate use all of it")]
mod sample;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::Command;

use flate2::read::GzDecoder;
use serde_json::{Value, json};
use shimmer_image::{Architecture, ErrorKind, Order, Promise, Written, write};
use shimmer_node::Node;

use crate::sample::{Folder, Sample, Workspace};

/// What a test's release is made of.
struct Inputs {
    amd64: Folder,
    arm64: Folder,
    workspace: Folder,
    hello: Folder,
}

impl Inputs {
    fn new() -> Self {
        let engine =
            Sample::program().needs("libengine.so.0").search("$ORIGIN/lib").versions(&["GLIBC_2.28"]);
        let library = Sample::library().versions(&["GLIBC_2.38"]);
        Self {
            amd64: Folder::release().elf("shimmer-fast", &engine).elf("lib/libengine.so.0", &library),
            arm64: Folder::default()
                .elf("shimmer-installer", &Sample::standalone().arm64())
                .elf("containerd-shim-fast-v1", &Sample::program().arm64())
                .elf("shimmer-fast", &Sample::program().arm64())
                .file("NOTES", b"fast: built elsewhere\n"),
            workspace: Workspace::written(),
            hello: Folder::default().file("hello.wasm", b"\0asm\x01\0\0\0"),
        }
    }

    fn order(&self, output: &Path) -> Order {
        let folders = [(Architecture::Amd64, &self.amd64), (Architecture::Arm64, &self.arm64)];
        Order {
            folders: folders.map(|(which, folder)| (which, folder.path().to_owned())).into(),
            libraries: Vec::new(),
            promise: Promise::From("2.28".parse().expect("a version")),
            version: "1.2.3".to_owned(),
            revision: "abc".to_owned(),
            created: "2026-01-02T03:04:05Z".to_owned(),
            name: "localhost/shimmer-installer".to_owned(),
            hello: self.hello.path().join("hello.wasm"),
            metadata: self.workspace.path().join("metadata.json"),
            lock: self.workspace.path().join("Cargo.lock"),
            output: output.to_owned(),
        }
    }

    fn written(&self, output: &Folder) -> Written {
        write(&self.order(output.path())).expect("everything is there")
    }
}

/// The files in a folder.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    entries
        .map(|entry| {
            let name = entry.file_name().into_string().expect("text");
            let bytes = fs::read(entry.path()).unwrap_or_else(|error| panic!("{name}: {error}"));
            (name, bytes)
        })
        .collect()
}

/// The entries of a tar archive.
fn entries(archive: impl Read) -> BTreeMap<String, (u32, Vec<u8>)> {
    let mut archive = tar::Archive::new(archive);
    let mut found = BTreeMap::new();
    for entry in archive.entries().expect("a tar") {
        let mut entry = entry.expect("an entry");
        let path = entry.path().expect("a path").display().to_string();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("a file");
        found.insert(path, (entry.header().mode().expect("a mode"), bytes));
    }
    found
}

#[test]
fn two_runs_write_the_same_bytes() {
    let (inputs, one, other) = (Inputs::new(), Folder::default(), Folder::default());
    assert_eq!(inputs.written(&one).digest, inputs.written(&other).digest);
    let (one, other) = (files(one.path()), files(other.path()));
    assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>());
    for (name, bytes) in &one {
        assert!(*bytes == other[name], "{name} differs");
    }
}

#[test]
fn writes_an_image_archives_lists_and_sums() {
    let (inputs, output) = (Inputs::new(), Folder::default());
    let written = inputs.written(&output);
    assert_eq!(written.name, "localhost/shimmer-installer:1.2.3");
    let names = [
        "SHA256SUMS",
        "shimmer-1.2.3-amd64.spdx.json",
        "shimmer-1.2.3-amd64.tar.gz",
        "shimmer-1.2.3-arm64.spdx.json",
        "shimmer-1.2.3-arm64.tar.gz",
        "shimmer-installer-1.2.3.oci.tar",
    ];
    assert_eq!(files(output.path()).into_keys().collect::<Vec<_>>(), names, "and nothing unfinished");
    let mut check = Command::new("sha256sum");
    check.args(["--check", "--quiet", "--strict", "SHA256SUMS"]).current_dir(output.path());
    assert!(check.status().expect("sha256sum runs").success());
    let by_hand = File::open(output.path().join("shimmer-1.2.3-amd64.tar.gz")).expect("it was written");
    let by_hand = entries(GzDecoder::new(by_hand));
    assert_eq!(by_hand["shimmer-1.2.3-amd64/shimmer-installer"].0, 0o755);
    let list: Value =
        serde_json::from_slice(&by_hand["shimmer-1.2.3-amd64/release/release.json"].1).expect("it is JSON");
    let needs = "fast: its libraries (libengine.so.0) need glibc 2.38 or later on a node";
    assert_eq!(list["notes"], json!([needs]));
    assert_eq!(written.notes[1].1, ["fast: built elsewhere"]);
}

#[test]
fn the_image_has_a_root_for_each_architecture() {
    let (inputs, output) = (Inputs::new(), Folder::default());
    let written = inputs.written(&output);
    let archive = File::open(output.path().join("shimmer-installer-1.2.3.oci.tar")).expect("it was written");
    let blobs = entries(archive);
    let parsed = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).expect("it is JSON");
    let blob = |digest: &Value| {
        let digest = digest.as_str().expect("a digest").replace("sha256:", "blobs/sha256/");
        blobs[&digest].1.as_slice()
    };
    let top = parsed(&blobs["index.json"].1);
    assert_eq!(top["manifests"][0]["annotations"]["io.containerd.image.name"], written.name.as_str());
    assert_eq!(top["manifests"][0]["digest"], written.digest.to_string());
    let images =
        parsed(blob(&top["manifests"][0]["digest"]))["manifests"].as_array().expect("a list").clone();
    for (image, architecture) in images.iter().zip(["amd64", "arm64"]) {
        assert_eq!(image["platform"], json!({"os": "linux", "architecture": architecture}));
        let manifest = parsed(blob(&image["digest"]));
        let config = parsed(blob(&manifest["config"]["digest"]));
        assert_eq!(config["architecture"], architecture);
        assert_eq!(config["config"]["Entrypoint"], json!(["/shimmer-installer"]));
        let labels = &config["config"]["Labels"];
        assert_eq!(labels["org.opencontainers.image.version"], "1.2.3");
        assert_eq!(labels["org.opencontainers.image.revision"], "abc");
        let root = entries(GzDecoder::new(blob(&manifest["layers"][0]["digest"])));
        assert_eq!(root["tmp"].0, 0o1777, "{:?}", root.keys());
        assert_eq!(root["hello.wasm"].1, b"\0asm\x01\0\0\0");
        assert_eq!(root["shimmer-installer"].0, 0o755);
        assert_eq!(parsed(&root["release/release.json"].1)["architecture"], architecture);
        assert_eq!(root.contains_key("release/lib/libengine.so.0"), architecture == "amd64");
    }
    assert_eq!(images.len(), 2);
}

/// What a test gives otherwise.
type Change = fn(&mut Order);

#[test]
fn what_is_refused_leaves_what_was_there() {
    let (inputs, output) = (Inputs::new(), Folder::default());
    inputs.written(&output);
    let before = files(output.path());
    let refused = |change: Change| {
        let mut order = inputs.order(output.path());
        change(&mut order);
        let error = write(&order).expect_err("it is refused");
        (error.kind(), error.to_string())
    };
    let refusals: [(Change, &str); 8] = [
        (|order| order.version = "../1".to_owned(), "\"../1\" is no version, like 0.1.0"),
        (|order| order.version = String::new(), "\"\" is no version"),
        (|order| order.name = "a b".to_owned(), "\"a b\" is no name of an image"),
        (|order| order.name = "a/".to_owned(), "\"a/\" is no name of an image"),
        (|order| order.folders.clear(), "no folder of programs was given"),
        (|order| order.hello = order.lock.clone(), "Cargo.lock is no WebAssembly program"),
        (|order| order.metadata = "/nowhere".into(), "cannot read /nowhere: "),
        (|order| order.output = order.lock.clone(), "cannot make the folder "),
    ];
    for (change, sentence) in refusals {
        let (kind, text) = refused(change);
        assert!(text.contains(sentence), "{text}");
        assert!(kind == ErrorKind::Input || sentence.contains("make the folder"), "{kind:?}: {text}");
    }
    let (kind, text) = refused(|order| order.promise = Promise::From("2.27".parse().expect("a version")));
    assert_eq!(kind, ErrorKind::Incompatible, "{text}");
    assert!(files(output.path()) == before, "nothing was touched");
}

#[test]
fn a_given_tag_stays_and_a_build_makes_no_wrong_one() {
    let inputs = Inputs::new();
    for (name, version, expected) in [
        ("example.test:5000/a", "1.0.0+x", "example.test:5000/a:1.0.0_x"),
        ("example.test:5000/a:latest", "1.0.0", "example.test:5000/a:latest"),
    ] {
        let output = Folder::default();
        let order =
            Order { name: name.to_owned(), version: version.to_owned(), ..inputs.order(output.path()) };
        assert_eq!(write(&order).expect("everything is there").name, expected);
    }
}

#[test]
fn containerd_takes_the_image() {
    let (inputs, output) = (Inputs::new(), Folder::default());
    let written = inputs.written(&output);
    let node = Node::builder().start().expect("a private containerd: it needs root");
    let images = node.import(&output.path().join("shimmer-installer-1.2.3.oci.tar")).expect("it is an image");
    let names: Vec<_> = images.iter().map(|image| (image.name(), image.digest())).collect();
    assert_eq!(names, [(written.name.as_str(), written.digest.to_string().as_str())]);
    // As on a node without a registry. It unpacks what is for this machine.
    let ctr = |arguments: &[&str]| {
        let mut ctr = Command::new("ctr");
        ctr.arg("--address").arg(node.socket()).args(["--namespace", "by-hand", "images"]).args(arguments);
        let output = ctr.current_dir(output.path()).output().expect("ctr comes with containerd");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    ctr(&["import", "shimmer-installer-1.2.3.oci.tar"]);
    let listed = ctr(&["list"]);
    let line = listed.lines().find(|line| line.starts_with(&written.name)).expect("it has its name");
    assert!(line.contains(&written.digest.to_string()), "{line}");
    assert!(line.contains("linux/"), "{line}");
    ctr(&["remove", "--sync", &written.name]);
    node.stop().expect("nothing of it is left");
}
