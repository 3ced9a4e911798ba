//! The installer on an emulated Debian whose containerd is a unit of systemd's and makes cgroups by it, as on kubeadm's
//! nodes: by hand, where the host's root is `/`, and as a pod of the chart's sees it, from a mount namespace of its own with
//! the host's root below a folder. Pods are those that the installer makes by each handler; containers run by `ctr`, which
//! needs no network.

#[path = "node/release.rs"]
#[expect(dead_code, reason = "the tests on private nodes use all of it")]
mod release;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use shimmer_node::machine::{Flavour, Machine, machine_folder};
use shimmer_oci::{Archive, Platform, Rootfs};

#[test]
#[ignore = "an emulated machine takes minutes; `cargo test --release --package shimmer-installer --test machine -- --ignored`"]
fn installs_upgrades_rolls_back_and_uninstalls_where_systemd_runs_containerd() {
    let folder = tempfile::tempdir().expect("a folder");
    let machine = machine(folder.path());
    let mut said = Vec::new();
    let command = ["sh", "-c", SCRIPT].map(Into::into);
    let code = machine.run(&command, &mut |bytes| said.extend_from_slice(bytes)).expect("it runs");
    let said = String::from_utf8_lossy(&said);
    assert_eq!((code, said.contains("nothing is left")), (0, true), "{said}");
    println!("{said}");
}

/// With the installer, three releases, the last of which is broken, and images.
fn machine(folder: &Path) -> Machine {
    let mut machine = Machine::new(Flavour::Systemd, machine_folder().expect("a home")).expect("a machine");
    machine = machine.program(Path::new(env!("CARGO_BIN_EXE_shimmer-installer"))).expect("it is built");
    machine = machine.file(&images(folder), Path::new("/shimmer/images.tar")).expect("it is ours");
    for version in ["1.0.0", "1.1.0"] {
        machine = with_release(machine, version, &release::good(folder, version));
    }
    machine = with_release(machine, "2.0.0", &release::broken(folder, "2.0.0"));
    // For the libraries that it is linked with, as a node has them of its own.
    machine.shim(&release::programs().join("containerd-shim-wasmedge-v1")).expect("it is built")
}

fn images(folder: &Path) -> PathBuf {
    let busybox = fs::read("/bin/busybox").expect("busybox-static is installed");
    let pause = Rootfs::new(Platform::host()).file("/busybox", 0o755, busybox);
    let pause = pause.entrypoint(["/busybox", "sleep", "1000000"]).build().expect("an image");
    let hello = Rootfs::new(Platform::host()).file("/hello.wasm", 0o644, HELLO);
    let hello = hello.file("/wait.wat", 0o644, WAIT).build().expect("an image");
    let archive = Archive::default().image("localhost/pause:1", pause).image("localhost/hello:1", hello);
    let images = folder.join("images.tar");
    archive.write(File::create(&images).expect("it is ours")).expect("it is written");
    images
}

/// Adds the files that the links of a release lead to.
fn with_release(mut machine: Machine, version: &str, release: &Path) -> Machine {
    for entry in fs::read_dir(release).expect("a release") {
        let file = entry.expect("an entry").path();
        let place = Path::new("/shimmer").join(version).join(file.file_name().expect("a name"));
        let file = file.canonicalize().expect("it is built");
        machine = machine.file(&file, &place).expect("it can be read");
    }
    machine
}

const HELLO: &[u8] = include_bytes!("../../../conformance/guests/prebuilt/hello.wasm");

/// Sleeps for ever.
const WAIT: &str = include_str!("node/wait.wat");

const SCRIPT: &str = include_str!("machine.sh");
