//! The programs of a release, built.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::image::toolchain::Toolchain;
use crate::image::{GLIBC, target, unwinder};
use crate::{Result, cargo, demo, machine, process, setup};

/// Where the programs lie, and what is to be said about them.
pub(super) struct Programs {
    shims: PathBuf,
    installer: PathBuf,
    notes: Vec<String>,
    /// What they have inside that is no Rust package, for the list of what is in a release.
    linked: Vec<String>,
}

impl Programs {
    /// Builds them for nodes that are older than this machine.
    pub(super) fn portable(folder: &Path) -> Result<Self> {
        let toolchain = Toolchain::fetch()?;
        let installer = installer()?;
        println!("image: building the shims for glibc {GLIBC}, which takes minutes the first time");
        let mut build = toolchain.build(&target(), GLIBC)?;
        for engine in engines() {
            build.arg("--package").arg(format!("containerd-shim-{engine}-v1"));
        }
        build.arg("--bins");
        // What is linked statically, or comes along, needs nothing of a node.
        let (libraries, headers) = linked(folder)?;
        build.env("LIBSECCOMP_LINK_TYPE", "static").env("LIBSECCOMP_LIB_PATH", &libraries);
        build.env("WASMEDGE_LIB_DIR", &libraries).env("WASMEDGE_INCLUDE_DIR", headers);
        // Not beside the others: cargo lets rustc itself look for libraries where build scripts have found some, and rustc
        // would take the interface for its own unwinder.
        let interface = folder.join("libraries");
        unwinder::make(toolchain.compiler(GLIBC), &interface)?;
        let flags =
            unwinder::flags(&interface).into_iter().chain(["-Clink-arg=-Wl,-rpath,$ORIGIN/lib".to_owned()]);
        let flags = flags.chain(without_folders()?);
        process::run(with_flags(&mut build, flags))?;
        let shims = cargo::target()?.join(target()).join("release");
        let linked = [seccomp(), Some(toolchain.name()), Some(rust()?), c_library()];
        Ok(Self { shims, installer, notes: notes(), linked: linked.into_iter().flatten().collect() })
    }

    /// Builds them like the tests', which run here.
    pub(super) fn for_this_machine() -> Result<Self> {
        let linked = [rust()?].into_iter().chain(c_library()).collect();
        Ok(Self { shims: demo::programs()?, installer: installer()?, notes: Vec::new(), linked })
    }

    /// Puts them into a folder of their own.
    pub(super) fn stage(&self, folder: &Path) -> Result<()> {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::create_dir_all(folder)?;
        fs::copy(&self.installer, folder.join(INSTALLER))?;
        for engine in engines() {
            for program in [format!("containerd-shim-{engine}-v1"), format!("shimmer-{engine}")] {
                fs::copy(self.shims.join(&program), folder.join(&program))?;
            }
        }
        fs::write(folder.join("NOTES"), self.notes.join("\n"))?;
        Ok(fs::write(folder.join("LINKED"), self.linked.join("\n"))?)
    }
}

const INSTALLER: &str = "shimmer-installer";

fn engines() -> Vec<String> {
    let mut engines = machine::names(&machine::workspace().join("shims"));
    engines.sort();
    engines
}

/// Builds the installer, which is alone in its image: it has the C library inside. That of this machine does on older nodes
/// as well, since it asks only the kernel.
fn installer() -> Result<PathBuf> {
    println!("image: building the installer, without shared libraries");
    let folder = cargo::target()?.join("static");
    let mut build = cargo::command()?;
    build.args(["build", "--release", "--locked", "--package", INSTALLER, "--bins", "--target", &target()]);
    // Other flags than the shims have, and each would undo the other's work in one folder.
    build.arg("--target-dir").arg(&folder);
    let flags = ["-Ctarget-feature=+crt-static".to_owned()].into_iter().chain(without_folders()?);
    process::run(with_flags(&mut build, flags))?;
    Ok(folder.join(target()).join("release").join(INSTALLER))
}

/// With these flags and no others, whatever somebody has set.
fn with_flags(build: &mut Command, flags: impl Iterator<Item = String>) -> &mut Command {
    build.env("CARGO_ENCODED_RUSTFLAGS", flags.collect::<Vec<_>>().join("\u{1f}")).env_remove("RUSTFLAGS")
}

/// Flags that keep the folders of this machine out of programs.
fn without_folders() -> Result<Vec<String>> {
    let mut flags = cargo::without_folders()?;
    flags.push(format!("--remap-path-prefix={}=target", cargo::target()?.display()));
    Ok(flags)
}

/// A folder of the libraries to link and nothing else of this machine, where zig would find a newer C library; and one of
/// headers.
fn linked(folder: &Path) -> Result<(PathBuf, PathBuf)> {
    let (libraries, headers) = (folder.join("linked"), folder.join("headers"));
    let wasmedge =
        setup::wasmedge_library().ok_or("WasmEdge is not here: `cargo xtask setup` installs it")?;
    let wasmedge_headers = setup::wasmedge_headers().ok_or("WasmEdge has no headers here")?;
    let static_seccomp =
        library("libseccomp.a").ok_or("libseccomp.a is missing: install Debian's libseccomp-dev")?;
    for folder in [&libraries, &headers] {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::create_dir_all(folder)?;
    }
    symlink(static_seccomp, libraries.join("libseccomp.a"))?;
    symlink(wasmedge.join("libwasmedge.so"), libraries.join("libwasmedge.so"))?;
    symlink(wasmedge_headers.join("wasmedge"), headers.join("wasmedge"))?;
    Ok((libraries, headers))
}

fn library(name: &str) -> Option<PathBuf> {
    let prefixes = ["/usr", "/usr/local", "/"].map(Path::new);
    let mut files =
        prefixes.iter().flat_map(|prefix| machine::library_folders(prefix)).map(|folder| folder.join(name));
    files.find(|file| file.exists())
}

/// A system's WasmEdge is built for that system. The official release is for older ones as well.
fn notes() -> Vec<String> {
    let of_system = setup::wasmedge_library().is_some_and(|folder| folder.starts_with("/usr/lib"));
    let note = "wasmedge: built against the library of the machine that made this release, since WasmEdge's official \
                release is not installed there";
    of_system.then(|| note.to_owned()).into_iter().collect()
}

/// libseccomp's name and version, by its header.
fn seccomp() -> Option<String> {
    let header = ["/usr/include", "/usr/local/include"].map(|folder| Path::new(folder).join("seccomp.h"));
    let header = header.iter().find_map(|file| fs::read_to_string(file).ok())?;
    let number = |name: &str| {
        let line =
            header.lines().find_map(|line| line.strip_prefix("#define SCMP_VER_")?.strip_prefix(name))?;
        Some(line.trim().to_owned())
    };
    Some(format!("libseccomp {}.{}.{}", number("MAJOR")?, number("MINOR")?, number("MICRO")?))
}

/// Rust's own libraries.
fn rust() -> Result<String> {
    let version = process::read(Command::new("rustc").arg("--version").env("PATH", machine::path()))?;
    Ok(format!("rust-std {}", version.split_whitespace().nth(1).unwrap_or("unknown")))
}

/// The C library that is in the installer.
fn c_library() -> Option<String> {
    let version = process::read(Command::new("getconf").arg("GNU_LIBC_VERSION").env("PATH", machine::path()));
    version.ok().map(|version| version.trim().to_owned())
}
