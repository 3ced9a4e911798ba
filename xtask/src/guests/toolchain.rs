//! The compiler of the guests.

use std::env;
use std::error::Error;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::guests::files;
use crate::process::{read, run};
use crate::{Result, cargo};

/// Debian's Rust compiler with its WebAssembly libraries, unpacked beside the build: nothing is installed,
/// nothing on the machine changes, and a compiler from elsewhere stays the default.
pub(super) struct Toolchain {
    folder: PathBuf,
}

impl Toolchain {
    /// The one in `folder`, whether it is there yet or not.
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub(super) fn exists(&self) -> bool {
        self.folder.join("wasm-ld").exists()
    }

    /// Downloads and unpacks what is missing.
    pub(super) fn fetch(&self) -> Result<()> {
        if self.exists() {
            return Ok(());
        }
        println!(
            "guests: fetching Debian's rustc, its WebAssembly libraries and lld (220 MB) into {}, because \
             the guests are compiled for wasm32-wasip1; nothing is installed",
            self.folder.display()
        );
        let archives = self.folder.join("archives");
        fs::create_dir_all(archives.join("partial"))?;
        fs::write(self.folder.join("status"), "")?;
        let mut closure = self.apt();
        closure.args(["install", "--download-only", "--no-install-recommends"]);
        run(closure.args(["libstd-rust-dev", "libstd-rust-dev-wasm32", "lld"])).map_err(unavailable)?;
        // By itself, since its dependencies are a C compiler that only native programs need.
        run(self.apt().args(["download", "rustc"]).current_dir(&archives)).map_err(unavailable)?;
        for archive in files(&archives, "deb")? {
            run(Command::new("dpkg-deb")
                .arg("--extract")
                .args([archives.join(archive), self.folder.join("root")]))?;
        }
        fs::remove_dir_all(&archives)?;
        self.write_launcher("rustc", "usr/bin/rustc", " --sysroot \"$root/usr\"")?;
        self.write_launcher("wasm-ld", "usr/bin/wasm-ld", "")
    }

    /// An apt-get that resolves against an empty machine and keeps its files to itself.
    fn apt(&self) -> Command {
        let option = |key: &str, file: &str| format!("--option={key}={}", self.folder.join(file).display());
        let mut apt = Command::new("apt-get");
        apt.args([
            "-y",
            "-qq",
            "--target-release=sid",
            "--option=Debug::NoLocking=1",
            "--option=APT::Sandbox::User=root",
        ]);
        apt.args([
            option("Dir::State::status", "status"),
            option("Dir::Cache", ""),
            option("Dir::Cache::archives", "archives"),
        ]);
        apt
    }

    /// The programs run on the C library they were packaged with, which may be newer than the machine's.
    fn write_launcher(&self, name: &str, program: &str, arguments: &str) -> Result<()> {
        let launcher = self.folder.join(name);
        let script = format!(
            "#!/bin/sh\nroot=\"$(dirname \"$0\")/root\"\nlibraries=\"$root/usr/lib/{ARCH}-linux-gnu\"\n\
             exec \"$libraries/{LOADER}\" --library-path \"$libraries\" --argv0 {name} \
             \"$root/{program}\"{arguments} \"$@\"\n"
        );
        fs::write(&launcher, script)?;
        Ok(fs::set_permissions(&launcher, fs::Permissions::from_mode(0o755))?)
    }

    /// What decides the bytes of a guest, one line each.
    pub(super) fn versions(&self) -> Result<String> {
        let mut rustc = Command::new(self.folder.join("rustc"));
        let mut linker = Command::new(self.folder.join("wasm-ld"));
        let programs = [&mut rustc, &mut linker, &mut cargo::command()?];
        programs.into_iter().map(|program| read(program.arg("--version"))).collect()
    }

    /// Makes cargo use this compiler, and keeps the folders of this machine out of what it compiles.
    pub(super) fn select(&self, cargo: &mut Command, guests: &Path) -> Result<()> {
        let mut flags = vec![format!("--remap-path-prefix={}=guests", guests.display())];
        flags.extend(cargo::without_folders()?);
        cargo
            .env("RUSTC", self.folder.join("rustc"))
            .env("CARGO_TARGET_WASM32_WASIP1_LINKER", self.folder.join("wasm-ld"))
            // Not the linker that Rust has for it, which Debian lacks: `convert` makes the component.
            .env("CARGO_TARGET_WASM32_WASIP2_LINKER", self.folder.join("wasm-ld"))
            .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
        Ok(())
    }
}

const ARCH: &str = env::consts::ARCH;
#[cfg(target_arch = "aarch64")]
const LOADER: &str = "ld-linux-aarch64.so.1";
#[cfg(not(target_arch = "aarch64"))]
const LOADER: &str = "ld-linux-x86-64.so.2";

fn unavailable(error: Box<dyn Error>) -> Box<dyn Error> {
    format!(
        "Debian's unstable suite must be among the package sources of this machine to rebuild them; \
         the committed ones need no rebuild ({error})"
    )
    .into()
}
