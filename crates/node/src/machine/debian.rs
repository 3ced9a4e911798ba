//! A Debian with systemd as a disk, as small as it can be.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::machine::store::Store;
use crate::machine::tool::Tool;

/// The disk that was made before, or else one made from the packages of this machine's mirror, which takes two minutes.
///
/// # Errors
/// [`Environment`](ErrorKind::Environment) without root, [`Machine`](ErrorKind::Machine) where the mirror cannot be
/// reached.
pub(crate) fn provide(store: &Store) -> Result<PathBuf> {
    let recipe = format!("{SUITE} {PACKAGES} {SIZE} {UNUSED:?}");
    store.provide("debian", &recipe, |result, workshop| {
        if !rustix::process::geteuid().is_root() {
            let message =
                "making a Debian with systemd needs root, once: its packages have files of several users";
            return Err(Error::new(ErrorKind::Environment, message));
        }
        let root = workshop.join("root");
        install(&root, workshop)?;
        for folder in UNUSED {
            empty(&root.join(folder))?;
        }
        disk(&root, result, workshop)
    })
}

/// What nodes run that were set up by kubeadm, whatever this machine's own release is.
const SUITE: &str = "bookworm";
const PACKAGES: &str = "dbus,systemd,systemd-sysv";
/// Blocks that nobody writes to take no place.
const SIZE: &str = "3G";
const UNUSED: [&str; 5] =
    ["usr/share/doc", "usr/share/locale", "usr/share/man", "var/cache/apt", "var/lib/apt/lists"];

fn install(root: &Path, workshop: &Path) -> Result<()> {
    let format = ["indextargets", "--format", "$(SITE) $(CODENAME) $(COMPONENT)", "Created-By: Packages"];
    let sources = Tool::APT.run(workshop, &format.map(OsString::from))?;
    let mut arguments = ["--variant=minbase", "--include", PACKAGES, SUITE].map(OsString::from).to_vec();
    arguments.push(root.as_os_str().to_owned());
    // Without one, debootstrap takes the mirror that it knows.
    arguments.extend(mirror(&String::from_utf8_lossy(&sources)).map(OsString::from));
    Tool::DEBOOTSTRAP.run(workshop, &arguments).map(drop)
}

/// Where this machine has Debian's packages from: its release may be another, but a mirror has them all.
fn mirror(sources: &str) -> Option<&str> {
    let all = || sources.lines().filter_map(|line| line.split_once(' '));
    let of_suite = all().find(|(_, rest)| rest.split(' ').eq([SUITE, "main"]));
    of_suite
        .or_else(|| all().find(|(site, rest)| site.ends_with("/debian") && rest.ends_with(" main")))
        .map(|(site, _)| site)
}

fn empty(folder: &Path) -> Result<()> {
    let emptied = fs::remove_dir_all(folder).and_then(|()| fs::create_dir(folder));
    emptied.map_err(|error| Error::io(format!("empty {}", folder.display()), error))
}

/// A disk that a machine reads and never changes, so that it needs no journal.
fn disk(root: &Path, result: &Path, workshop: &Path) -> Result<()> {
    let options = ["-q", "-t", "ext4", "-O", "^has_journal", "-d"].map(OsString::from);
    let rest = [root.as_os_str().to_owned(), result.as_os_str().to_owned(), SIZE.into()];
    Tool::MKE2FS.run(workshop, &[options.as_slice(), &rest].concat()).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_mirror_of_the_suite_or_else_of_another() {
        let security = "http://mirror.example/debian-security bookworm-security main\n";
        let other = "http://one.example/debian sid main\n";
        let own = "http://two.example/debian bookworm main\n";
        assert_eq!(mirror(&[security, other, own].concat()), Some("http://two.example/debian"));
        assert_eq!(mirror(&[security, other].concat()), Some("http://one.example/debian"));
        assert_eq!(mirror(security), None);
    }
}
