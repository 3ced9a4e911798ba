//! The installer on an emulated Debian whose containerd is a unit of systemd's and makes cgroups by it, as on kubeadm's
//! nodes. The host's root is `/` there.

#[path = "node/release.rs"]
#[expect(dead_code, reason = "the tests on private nodes use all of it")]
mod release;

use std::fs::{self, File};
use std::path::Path;

use shimmer_node::machine::{Flavour, Machine, machine_folder};
use shimmer_oci::{Archive, Platform, Rootfs};

#[test]
#[ignore = "an emulated machine takes minutes; `cargo test --release --package shimmer-installer --test machine -- --ignored`"]
fn installs_upgrades_and_uninstalls_where_systemd_runs_containerd() {
    let folder = tempfile::tempdir().expect("a folder");
    let images = folder.path().join("images.tar");
    let busybox = fs::read("/bin/busybox").expect("busybox-static is installed");
    let pause = Rootfs::new(Platform::host()).file("/busybox", 0o755, busybox);
    let pause = pause.entrypoint(["/busybox", "sleep", "1000000"]).build().expect("an image");
    let hello = Rootfs::new(Platform::host()).file("/hello.wasm", 0o644, HELLO).build().expect("an image");
    let archive = Archive::default().image("localhost/pause:1", pause).image("localhost/hello:1", hello);
    archive.write(File::create(&images).expect("it is ours")).expect("it is written");

    let mut machine = Machine::new(Flavour::Systemd, machine_folder().expect("a home")).expect("a machine");
    machine = machine.program(Path::new(env!("CARGO_BIN_EXE_shimmer-installer"))).expect("it is built");
    machine = machine.file(&images, Path::new("/shimmer/images.tar")).expect("it is ours");
    for version in ["1.0.0", "1.1.0"] {
        let release = release::good(folder.path(), version);
        for entry in fs::read_dir(&release).expect("a release") {
            let file = entry.expect("an entry").path();
            let place = Path::new("/shimmer").join(version).join(file.file_name().expect("a name"));
            machine =
                machine.file(&file.canonicalize().expect("it is built"), &place).expect("it can be read");
        }
    }
    // For the libraries that it is linked with, as a node has them of its own.
    machine = machine.shim(&release::programs().join("containerd-shim-wasmedge-v1")).expect("it is built");
    let mut said = Vec::new();
    let command = ["sh", "-c", SCRIPT].map(Into::into);
    let code = machine.run(&command, &mut |bytes| said.extend_from_slice(bytes)).expect("it runs");
    let said = String::from_utf8_lossy(&said);
    assert_eq!(code, 0, "{said}");
    for line in
        ["restart   by systemd's unit containerd.service", "hello from wasm: world", "nothing is left"]
    {
        assert!(said.contains(line), "{line} is missing from {said}");
    }
    assert_eq!(said.matches("hello from wasm: world").count(), 6, "three engines, in two versions: {said}");
    println!("{said}");
}

const HELLO: &[u8] = include_bytes!("../../../conformance/guests/prebuilt/hello.wasm");

const SCRIPT: &str = r#"
set -e
mkdir -p /etc/containerd /opt
cat > /etc/systemd/system/containerd.service <<END
[Service]
ExecStart=/usr/bin/containerd
Type=notify
Delegate=yes
KillMode=process
END
cat > /etc/containerd/config.toml <<END
version = 3
imports = ["/etc/containerd/conf.d/*.toml"]
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "localhost/pause:1"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
    SystemdCgroup = true
END
systemctl daemon-reload
systemctl start containerd
ctr --namespace k8s.io images import --no-unpack /shimmer/images.tar > /dev/null
state() { (cd / && find etc/containerd opt -type f -exec sha256sum {} + | sort; find etc/containerd opt | sort); }
state > /tmp/before
hello() {
    for engine in wasmedge wasmer wasmtime; do
        ctr --namespace k8s.io run --rm --runtime /opt/shimmer/current/containerd-shim-$engine-v1 \
            localhost/hello:1 hello-$engine /hello.wasm
    done
}
for version in 1.0.0 1.1.0; do
    echo "== install $version"
    shimmer-installer install --host-root / --release /shimmer/$version --timeout 300
    hello
done
cat /etc/containerd/conf.d/50-shimmer.toml
shimmer-installer status --host-root /
echo "== uninstall"
shimmer-installer uninstall --host-root / --timeout 300
state > /tmp/after
diff /tmp/before /tmp/after
systemctl is-active containerd
echo "nothing is left"
"#;
