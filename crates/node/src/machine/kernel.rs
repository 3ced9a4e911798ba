//! The kernel of a machine: Debian's for clouds, which is small, from its package.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::machine::store::Store;
use crate::machine::tool::Tool;

/// A kernel, and the modules of it that a node takes, in the order in which they can be loaded.
#[derive(Debug)]
pub(crate) struct Kernel {
    pub(crate) image: PathBuf,
    pub(crate) modules: Vec<PathBuf>,
}

impl Kernel {
    /// The kernel that was fetched before, or else the one that this machine's package sources have now.
    ///
    /// # Errors
    /// [`Machine`](ErrorKind::Machine) where they have none, or cannot be reached.
    pub(crate) fn provide(store: &Store) -> Result<Self> {
        let folder = store.provide("kernel", &format!("{PACKAGE} {WANTED:?}"), fetch)?;
        let mut modules = files(&folder.join(MODULES))?;
        modules.sort();
        Ok(Self { image: folder.join(IMAGE), modules })
    }
}

const PACKAGE: &str = "linux-image-cloud-amd64";
/// For a machine's disk and channels, and for containers and the networks of pods.
const WANTED: [&str; 6] = ["virtio_pci", "virtio_blk", "virtio_console", "overlay", "bridge", "veth"];
const IMAGE: &str = "vmlinuz";
const MODULES: &str = "modules";

fn fetch(result: &Path, workshop: &Path) -> Result<()> {
    let depends = Tool::APT_CACHE.run(workshop, &words(["depends", PACKAGE]))?;
    let package = dependency(&String::from_utf8_lossy(&depends)).ok_or_else(|| {
        broken(format!("no package source of this machine has {PACKAGE}: run `apt-get update`"))
    })?;
    Tool::APT.run(workshop, &words(["download", "--quiet", &package]))?;
    let archive = files(workshop)?.into_iter().find(|file| file.extension().is_some_and(|end| end == "deb"));
    let archive = archive.ok_or_else(|| broken(format!("apt-get has downloaded no package {package}")))?;
    let unpacked = workshop.join("unpacked");
    let arguments = ["--extract".into(), archive.into_os_string(), unpacked.clone().into_os_string()];
    Tool::DPKG.run(workshop, &arguments)?;
    collect(&unpacked, result)
}

/// Takes out of an unpacked package what a machine needs.
fn collect(unpacked: &Path, result: &Path) -> Result<()> {
    let image = files(&unpacked.join("boot"))?.into_iter().find(|file| is_called(file, "vmlinuz-"));
    let image = image.ok_or_else(|| broken("the kernel's package has no kernel"))?;
    let modules = ["lib/modules", "usr/lib/modules"].map(|folder| unpacked.join(folder));
    let modules = modules.iter().find(|folder| folder.exists()).map(|folder| files(folder)).transpose()?;
    let modules = modules.and_then(|versions| versions.into_iter().next());
    let modules = modules.ok_or_else(|| broken("the kernel's package has no modules"))?;
    let version = modules.file_name().unwrap_or_default().to_owned();
    Tool::DEPMOD.run(unpacked, &["--basedir".into(), unpacked.as_os_str().to_owned(), version])?;
    let dependencies = read(&modules.join("modules.dep"))?;
    copy(&image, &result.join(IMAGE))?;
    for (position, module) in order(&dependencies, &WANTED).iter().enumerate() {
        let name = Path::new(module).file_name().unwrap_or_default().to_string_lossy();
        let place = result.join(MODULES).join(format!("{position:02}-{name}"));
        copy(&modules.join(module), &place)?;
        if place.extension().is_some_and(|end| end == "xz") {
            Tool::XZ.run(result, &["--decompress".into(), place.into_os_string()])?;
        }
    }
    Ok(())
}

/// The one package that the metapackage stands for.
fn dependency(depends: &str) -> Option<String> {
    depends.lines().find_map(|line| line.trim().strip_prefix("Depends: ")).map(str::to_owned)
}

/// The files of the wanted modules, each after those that it needs. One that no file is listed for is part of the kernel.
fn order<'a>(dependencies: &'a str, wanted: &[&str]) -> Vec<&'a str> {
    let mut ordered: Vec<&str> = Vec::new();
    for name in wanted {
        let lines = dependencies.lines().filter_map(|line| line.split_once(':'));
        let line = lines.into_iter().find(|(file, _)| stem(file) == *name);
        // Those that it needs are listed from the last to the first to be loaded.
        let files = line.into_iter().flat_map(|(file, needs)| needs.split_whitespace().rev().chain([file]));
        for file in files {
            if !ordered.contains(&file) {
                ordered.push(file);
            }
        }
    }
    ordered
}

/// A module's name, in whose file `-` may stand for `_`.
fn stem(file: &str) -> String {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.split('.').next().unwrap_or(name).replace('-', "_")
}

fn is_called(file: &Path, beginning: &str) -> bool {
    file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(beginning))
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
    let entries = entries.map_err(|error| Error::io(format!("list {}", folder.display()), error))?;
    Ok(entries.into_iter().map(|entry| entry.path()).collect())
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).map_err(|error| Error::io(format!("read {}", file.display()), error))
}

fn copy(file: &Path, place: &Path) -> Result<()> {
    let folder = place.parent().unwrap_or(place);
    let copied = fs::create_dir_all(folder).and_then(|()| fs::copy(file, place));
    copied.map(drop).map_err(|error| Error::io(format!("copy {}", file.display()), error))
}

fn words<const COUNT: usize>(words: [&str; COUNT]) -> [OsString; COUNT] {
    words.map(OsString::from)
}

fn broken(sentence: impl Into<String>) -> Error {
    Error::new(ErrorKind::Machine, sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEPENDENCIES: &str = "kernel/net/llc/llc.ko:\n\
        kernel/net/802/stp.ko: kernel/net/llc/llc.ko\n\
        kernel/net/bridge/bridge.ko: kernel/net/802/stp.ko kernel/net/llc/llc.ko\n\
        kernel/drivers/net/my-veth.ko.xz:\n";

    #[test]
    fn loads_a_module_after_those_that_it_needs_and_each_once() {
        assert_eq!(
            order(DEPENDENCIES, &["bridge", "ext4", "my_veth", "stp"]),
            [
                "kernel/net/llc/llc.ko",
                "kernel/net/802/stp.ko",
                "kernel/net/bridge/bridge.ko",
                "kernel/drivers/net/my-veth.ko.xz",
            ]
        );
    }

    #[test]
    fn finds_the_package_that_a_metapackage_stands_for() {
        let depends = "linux-image-cloud-amd64\n  Depends: linux-image-6.1.0-56-cloud-amd64\n";
        assert_eq!(dependency(depends).as_deref(), Some("linux-image-6.1.0-56-cloud-amd64"));
        assert_eq!(dependency("linux-image-cloud-amd64\n"), None);
    }
}
