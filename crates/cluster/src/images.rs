//! The images that every new cluster has, so that the first pod and the examples need none: a hello and HTTP servers in
//! WebAssembly, and busybox for what is native.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use shimmer_oci::{Archive, NewImage, Platform, Rootfs};

use crate::error::Error;

/// Their names, with what they are.
pub(crate) const NAMES: [(&str, &str); 5] = [
    ("localhost/hello:1", "WebAssembly, for every engine"),
    ("localhost/http:1", "a wasi:http component for Wasmtime, which serves on port 8080"),
    ("localhost/http-wasmedge:1", "the same by WasmEdge's socket extension"),
    ("localhost/http-wasix:1", "the same by WASIX, for Wasmer"),
    ("localhost/busybox:1", "native, for sidecars and runc"),
];

/// Writes them as one archive.
pub(crate) fn write(archive: &Path) -> Result<(), Error> {
    let [(hello, _), (http, _), (wasmedge, _), (wasix, _), (native, _)] = NAMES;
    let images = Archive::default()
        .image(hello, wasm("hello.wasm", HELLO).build()?)
        // For exec probes.
        .image(http, wasm("http.wasm", HTTP).file("/checksum.wasm", 0o755, CHECKSUM).build()?)
        .image(wasmedge, wasm("server.wat", WASMEDGE).build()?)
        .image(wasix, wasm("server.wat", WASIX).build()?)
        .image(native, busybox()?);
    let file = File::create(archive).map_err(Error::io(format!("write {}", archive.display())))?;
    Ok(images.write(file)?)
}

const HELLO: &[u8] = include_bytes!("../../../conformance/guests/prebuilt/hello.wasm");
const HTTP: &[u8] = include_bytes!("../../../conformance/guests/prebuilt/http.component.wasm");
const CHECKSUM: &[u8] = include_bytes!("../../../conformance/guests/prebuilt/checksum.wasm");
const WASMEDGE: &[u8] = include_bytes!("../../../conformance/src/cases/kubernetes/wasmedge-server.wat");
const WASIX: &[u8] = include_bytes!("../../../conformance/src/cases/kubernetes/wasix-server.wat");
/// Debian's package of that name; a static program that is many.
const BUSYBOX: &str = "/bin/busybox";

/// An image with an entrypoint, so that a pod needs no command.
fn wasm(name: &str, program: &[u8]) -> Rootfs {
    let path = format!("/{name}");
    Rootfs::new(Platform::host()).file(&path, 0o755, program).entrypoint([&path])
}

fn busybox() -> Result<NewImage, Error> {
    let unreadable = || format!("read {BUSYBOX}, of Debian's busybox-static");
    let program = fs::read(BUSYBOX).map_err(Error::io(unreadable()))?;
    let applets = Command::new(BUSYBOX).arg("--list").output().map_err(Error::io(unreadable()))?;
    let mut root = Rootfs::new(Platform::host()).file("/bin/busybox", 0o755, program);
    for applet in String::from_utf8_lossy(&applets.stdout).lines().filter(|applet| *applet != "busybox") {
        root = root.symlink(&format!("/bin/{applet}"), "busybox");
    }
    Ok(root.env("PATH", "/bin").cmd(["sh"]).build()?)
}
