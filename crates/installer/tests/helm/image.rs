//! Images of the installer as `cargo xtask image` makes them, of the programs that cargo has built for these tests. Those are
//! no static programs, so an image has the libraries of this machine besides.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use shimmer_oci::{Archive, NewImage, Platform, Rootfs};

/// Writes an archive with the image of this tag.
pub(crate) fn archive(folder: &Path, tag: &str, release: &Path) -> PathBuf {
    let archive = folder.join(format!("{tag}.tar"));
    let file = File::create(&archive).expect("it is ours");
    Archive::default()
        .image(&format!("localhost/shimmer-installer:{tag}"), image(release))
        .write(file)
        .expect("it is written");
    archive
}

fn image(release: &Path) -> NewImage {
    let installer = Path::new(env!("CARGO_BIN_EXE_shimmer-installer"));
    let mut root = Rootfs::new(Platform::host()).entrypoint(["/shimmer-installer"]).directory("/tmp", 0o1777);
    root = root.file("/shimmer-installer", 0o755, fs::read(installer).expect("it is built"));
    for library in libraries(installer) {
        let bytes = fs::read(&library).expect("it is installed");
        root = root.file(library.to_str().expect("a path"), 0o755, bytes);
    }
    for entry in fs::read_dir(release).expect("a release") {
        let entry = entry.expect("an entry");
        let path = format!("/release/{}", entry.file_name().to_string_lossy());
        root = root.file(&path, 0o755, fs::read(entry.path()).expect("it can be read"));
    }
    root.file("/hello.wasm", 0o644, HELLO).file("/wait.wat", 0o644, WAIT).build().expect("an image")
}

/// What the loader says that a program needs, the loader included.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let said = Command::new("ldd").arg(program).output().expect("the C library has an ldd");
    let said = String::from_utf8(said.stdout).expect("text");
    let words = said.split_whitespace().filter(|word| word.starts_with('/'));
    words.map(PathBuf::from).collect()
}

const HELLO: &[u8] = include_bytes!("../../../../conformance/guests/prebuilt/hello.wasm");
/// Sleeps for ever.
const WAIT: &str = include_str!("../node/wait.wat");
