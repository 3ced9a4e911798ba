//! The official release of WasmEdge: an archive that is downloaded, checked and spread.

use std::env;
use std::fs;
use std::iter;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::setup::wasmedge::{LIBRARY, VERSION, refresh_the_loader};
use crate::{Result, machine, process};

/// Installs the official release into /usr/local, where the SDK and the loader look by themselves for every user.
///
/// Says why, and returns false, where that is impossible: there is another way.
pub(crate) fn install_release() -> bool {
    let Some(archive) = Archive::of_this_machine() else { return false };
    match archive.install() {
        Ok(()) => true,
        Err(error) => {
            println!(
                "  WasmEdge's official release cannot be had here, Debian's package does instead: {error}"
            );
            false
        }
    }
}

/// An archive of the official release.
struct Archive {
    platform: &'static str,
    sha256: &'static str,
}

impl Archive {
    fn of_this_machine() -> Option<Self> {
        ARCHIVES.into_iter().find_map(|(arch, archive)| (arch == env::consts::ARCH).then_some(archive))
    }

    fn install(&self) -> Result<()> {
        let folder = machine::cache()?.join("wasmedge");
        fs::create_dir_all(&folder)?;
        let installed = self.install_through(&folder);
        fs::remove_dir_all(&folder)?;
        installed
    }

    fn install_through(&self, folder: &Path) -> Result<()> {
        let file = folder.join("release.tar.gz");
        let url = format!("{RELEASES}/{VERSION}/WasmEdge-{VERSION}-{}.tar.gz", self.platform);
        println!("  {url}");
        process::run_quietly(download(&url, &file)?)?;
        let sum = process::read(Command::new("sha256sum").arg(&file))?;
        if sum.split_whitespace().next() != Some(self.sha256) {
            return Err(format!("what {url} answers is not the release: its checksum is {sum}").into());
        }
        let mut unpack = Command::new("tar");
        unpack.args(["--extract", "--gzip", "--no-same-owner", "--directory"]);
        unpack.arg(folder).arg("--file").arg(&file);
        process::run_quietly(unpack)?;
        spread(&root(folder)?, Path::new("/usr/local"))?;
        refresh_the_loader()
    }
}

const RELEASES: &str = "https://github.com/WasmEdge/WasmEdge/releases/download";
const ARCHIVES: [(&str, Archive); 2] = [
    (
        "aarch64",
        Archive {
            platform: "manylinux_2_28_aarch64",
            sha256: "6d7762429083e787ccbddf629868bb59de4325ccdcc31d9f7bd240adcdd9fe9d",
        },
    ),
    (
        "x86_64",
        Archive {
            platform: "manylinux_2_28_x86_64",
            sha256: "27a1abec072ddf45b40e2e81e33c1e5fe9b241f31fd1bbf0182f05097489a07a",
        },
    ),
];

fn download(url: &str, file: &Path) -> Result<Command> {
    let (program, options): (_, &[&str]) = if let Some(curl) = machine::program("curl") {
        (
            curl,
            &[
                "--fail",
                "--location",
                "--silent",
                "--show-error",
                "--connect-timeout",
                "5",
                "--max-time",
                "900",
                "--output",
            ],
        )
    } else if let Some(wget) = machine::program("wget") {
        (
            wget,
            &["--no-verbose", "--tries=1", "--connect-timeout=5", "--read-timeout=60", "--output-document"],
        )
    } else {
        return Err("neither curl nor wget is here to download it".into());
    };
    let mut command = Command::new(program);
    command.args(options).arg(file).arg(url);
    Ok(command)
}

/// The folder that holds `include`: releases differ in whether one lies around everything.
fn root(unpacked: &Path) -> Result<PathBuf> {
    let inner = machine::names(unpacked).into_iter().map(|name| unpacked.join(name));
    let mut folders = iter::once(unpacked.to_owned()).chain(inner);
    let root = folders.find(|folder| folder.join("include/wasmedge").is_dir());
    Ok(root.ok_or("the release has no headers")?)
}

/// Copies the header and the library of an unpacked release below `prefix`.
fn spread(release: &Path, prefix: &Path) -> Result<()> {
    let library = ["lib64", "lib"]
        .iter()
        .map(|folder| release.join(folder))
        .find(|folder| folder.join(LIBRARY).exists());
    let library = library.ok_or("the release has no library")?;
    fs::create_dir_all(prefix.join("include"))?;
    fs::create_dir_all(prefix.join("lib"))?;
    let mut copy = Command::new("cp");
    copy.args(["--recursive", "--no-dereference", "--target-directory"]).arg(prefix.join("include"));
    process::run_quietly({
        copy.arg(release.join("include/wasmedge"));
        copy
    })?;
    let mut copy = Command::new("cp");
    copy.args(["--no-dereference", "--target-directory"]).arg(prefix.join("lib"));
    copy.args(
        machine::names(&library)
            .iter()
            .filter(|name| name.starts_with(LIBRARY))
            .map(|name| library.join(name)),
    );
    process::run_quietly(copy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_a_release_and_keeps_its_links() {
        let folder = env::temp_dir().join(format!("shimmer-release-{}", std::process::id()));
        let (release, prefix) = (folder.join("release"), folder.join("prefix"));
        fs::create_dir_all(release.join("lib64")).expect("a folder of libraries");
        fs::create_dir_all(release.join("include/wasmedge")).expect("a folder of headers");
        fs::write(release.join("include/wasmedge/wasmedge.h"), "header").expect("a header");
        fs::write(release.join("lib64/libwasmedge.so.0"), "library").expect("a library");
        std::os::unix::fs::symlink("libwasmedge.so.0", release.join("lib64/libwasmedge.so")).expect("a link");
        let root = root(&folder).expect("a folder with headers");
        let spread = spread(&root, &prefix);
        let linked = fs::read_link(prefix.join("lib/libwasmedge.so"));
        let header = fs::read_to_string(prefix.join("include/wasmedge/wasmedge.h"));
        fs::remove_dir_all(&folder).expect("the folders are removed");
        spread.expect("everything is copied");
        assert_eq!(linked.expect("a link"), Path::new("libwasmedge.so.0"), "the library stays one file");
        assert_eq!(header.expect("the header"), "header");
    }
}
