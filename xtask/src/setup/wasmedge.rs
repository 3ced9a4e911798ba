//! WasmEdge, the one engine that is a library of the machine: where its SDK and the loader look for it.

mod release;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) use crate::setup::wasmedge::release::install_release;
use crate::{Result, machine, process};

/// Debian's package of the header and the library.
pub(crate) const PACKAGE: &str = "libwasmedge-dev";

/// Whether this is the version that the SDK in Cargo.lock is made for.
pub(crate) fn is_wanted(version: &str) -> bool {
    version
        .strip_prefix(VERSION)
        .is_some_and(|rest| !rest.starts_with(|next: char| next == '.' || next.is_ascii_digit()))
}

/// The folder of the library that the build will link, if that is one of the right version.
pub(crate) fn find() -> Option<PathBuf> {
    let place = first_place()?;
    if is_wanted(&place.version()?) { place.library() } else { None }
}

/// The folder of its headers.
pub(crate) fn headers() -> Option<PathBuf> {
    Some(first_place()?.include)
}

/// Why an installed WasmEdge is not the one that counts: another one comes first.
pub(crate) fn obstacle() -> Option<String> {
    let place = first_place()?;
    let version = place.version().unwrap_or_else(|| "of an unknown version".to_owned());
    Some(format!(
        "the build would take WasmEdge {version} from {}: remove it, or name {VERSION} by WASMEDGE_INCLUDE_DIR and \
         WASMEDGE_LIB_DIR",
        place.include.display()
    ))
}

/// Whether a shim will find the library when containerd starts it, without LD_LIBRARY_PATH.
pub(crate) fn is_known_to_the_loader() -> bool {
    let Some(folder) = find() else { return false };
    let cache =
        process::read(Command::new("ldconfig").arg("-p").env("PATH", machine::path())).unwrap_or_default();
    let known = cache
        .lines()
        .filter_map(|line| line.trim().split_once(" => "))
        .filter(|(name, _)| name.starts_with(LIBRARY));
    let folder = folder.canonicalize().unwrap_or(folder);
    known
        .map(|(_, file)| Path::new(file))
        .any(|file| file.parent().is_some_and(|parent| same(parent, &folder)))
}

/// Adds the library's folder to those that the loader knows, if it is not one of them.
pub(crate) fn register_with_the_loader() -> Result<()> {
    // Without a library there is nothing to register, and the last check says what is missing.
    let Some(folder) = find().filter(|_| !is_known_to_the_loader()) else { return Ok(()) };
    println!("  /etc/ld.so.conf.d/shimmer-wasmedge.conf adds {}", folder.display());
    fs::write("/etc/ld.so.conf.d/shimmer-wasmedge.conf", format!("{}\n", folder.display()))?;
    refresh_the_loader()
}

const VERSION: &str = "0.17.1";
const LIBRARY: &str = "libwasmedge.so";

fn refresh_the_loader() -> Result<()> {
    let mut refresh = Command::new("ldconfig");
    refresh.env("PATH", machine::path());
    process::run_quietly(refresh)
}

fn same(one: &Path, other: &Path) -> bool {
    one.canonicalize().is_ok_and(|one| one == other)
}

/// A pair of folders in which the SDK looks.
struct Place {
    include: PathBuf,
    libraries: Vec<PathBuf>,
}

impl Place {
    fn new(include: PathBuf, prefix: &Path) -> Self {
        Self { include, libraries: machine::library_folders(prefix) }
    }

    /// Asks as the SDK's build script does: the first header decides, whatever its version.
    fn counts(&self) -> bool {
        self.include.join("wasmedge/wasmedge.h").exists()
            && self.libraries.iter().any(|folder| folder.exists())
    }

    fn version(&self) -> Option<String> {
        version(&fs::read_to_string(self.include.join("wasmedge/version.h")).ok()?)
    }

    fn library(&self) -> Option<PathBuf> {
        self.libraries.iter().find(|folder| folder.join(LIBRARY).exists()).cloned()
    }
}

fn first_place() -> Option<Place> {
    places().into_iter().find(Place::counts)
}

/// The order is the SDK's. The workspace's cargo configuration puts Debian's place first, unless the environment has
/// another.
fn places() -> Vec<Place> {
    let folder = |name: &str| env::var_os(name).map(PathBuf::from);
    let include = folder("WASMEDGE_INCLUDE_DIR").unwrap_or_else(|| "/usr/include".into());
    let library = folder("WASMEDGE_LIB_DIR").unwrap_or_else(|| "/usr/lib".into());
    // The linker adds the folder of the architecture by itself.
    let multiarch = library.join(format!("{}-linux-gnu", env::consts::ARCH));
    let mut places = vec![Place { include, libraries: vec![library, multiarch] }];
    places.extend(folder("WASMEDGE_DIR").map(|prefix| Place::new(prefix.join("include"), &prefix)));
    places.extend(folder("WASMEDGE_BUILD_DIR").map(|build| Place {
        include: build.join("include/api"),
        libraries: vec![build.join("lib64/api"), build.join("lib/api")],
    }));
    let home = machine::home();
    let prefixes = [
        home.as_ref().map(|home| home.join(".wasmedge")),
        Some("/usr/local".into()),
        home.map(|home| home.join(".local")),
    ];
    places.extend(prefixes.into_iter().flatten().map(|prefix| Place::new(prefix.join("include"), &prefix)));
    places
}

fn version(header: &str) -> Option<String> {
    let line = header.lines().find_map(|line| line.trim().strip_prefix("#define WASMEDGE_VERSION "))?;
    Some(line.trim().trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wants_one_version_in_any_packaging() {
        for version in ["0.17.1", "0.17.1-1+b1", "0.17.1~rc"] {
            assert!(is_wanted(version), "{version}");
        }
        for version in ["0.17.10", "0.17.1.2", "0.14.0-2", "(none)", ""] {
            assert!(!is_wanted(version), "{version}");
        }
    }

    #[test]
    fn reads_the_version_of_a_header() {
        let header = "// a comment\n#define WASMEDGE_VERSION \"0.17.1\"\n#define WASMEDGE_VERSION_MAJOR 0\n";
        assert_eq!(version(header).as_deref(), Some("0.17.1"));
        assert_eq!(version("#define WASMEDGE_VERSION_MAJOR 0\n"), None);
    }
}
