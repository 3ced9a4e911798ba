//! The images that every new cluster has, so that the first pod needs none: a hello and an HTTP server in WebAssembly, and
//! busybox for what is native.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use shimmer_oci::{Archive, NewImage, Platform, Rootfs};

use crate::error::Error;

/// Their names, with what they are.
pub(crate) const NAMES: [(&str, &str); 3] = [
    ("localhost/hello:1", "WebAssembly, for every engine"),
    ("localhost/http:1", "a wasi:http component, which serves on port 8080"),
    ("localhost/busybox:1", "native, for sidecars and runc"),
];

/// Writes them as one archive.
pub(crate) fn write(archive: &Path) -> Result<(), Error> {
    let [(hello, _), (http, _), (native, _)] = NAMES;
    let images = Archive::default()
        .image(hello, wasm("hello.wasm", HELLO)?)
        .image(http, wasm("http.wasm", HTTP)?)
        .image(native, busybox()?);
    let file = File::create(archive).map_err(Error::io(format!("write {}", archive.display())))?;
    Ok(images.write(file)?)
}

const HELLO: &[u8] = include_bytes!("../../../conformance/guests/prebuilt/hello.wasm");
const HTTP: &[u8] = include_bytes!("../../../conformance/guests/prebuilt/http.component.wasm");
/// Debian's package of that name; a static program that is many.
const BUSYBOX: &str = "/bin/busybox";

/// An image with an entrypoint, so that a pod needs no command.
fn wasm(name: &str, program: &[u8]) -> Result<NewImage, Error> {
    let path = format!("/{name}");
    Ok(Rootfs::new(Platform::host()).file(&path, 0o755, program).entrypoint([&path]).build()?)
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
