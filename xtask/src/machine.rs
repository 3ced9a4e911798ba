//! What this machine is: its programs, its folders and our rights on it.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::Result;

/// The folder of the workspace.
pub(crate) fn workspace() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().expect("the package lies in a folder of the workspace")
}

/// Where this project may keep files of its own that any run can make again.
pub(crate) fn cache() -> Result<PathBuf> {
    let given = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
    let cache = given.or_else(|| Some(home()?.join(".cache")));
    Ok(cache
        .ok_or("this user has no home folder to keep build output in: set HOME or CARGO_TARGET_DIR")?
        .join("shimmer"))
}

pub(crate) fn home() -> Option<PathBuf> {
    env::home_dir().filter(|folder| folder.is_absolute())
}

/// PATH with the folders of system programs, which a user's PATH or an empty environment may lack.
pub(crate) fn path() -> OsString {
    let given = env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = env::split_paths(&given).filter(|folder| folder.is_absolute()).collect();
    for folder in ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"] {
        if !folders.iter().any(|present| present == Path::new(folder)) {
            folders.push(folder.into());
        }
    }
    env::join_paths(folders).expect("folders that were split at colons have none")
}

/// The file that would be executed as `program`.
pub(crate) fn program(program: &str) -> Option<PathBuf> {
    env::split_paths(&path()).map(|folder| folder.join(program)).find(|file| is_executable(file))
}

pub(crate) fn is_executable(file: &Path) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// Whether we may install packages and run containers.
pub(crate) fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    effective_user(&status) == Some(0)
}

/// Whether nobody watches who could mend what is missing.
pub(crate) fn is_ci() -> bool {
    env::var_os("CI").is_some()
}

/// Stops a task that needs root before it does anything.
pub(crate) fn require_root(task: &str) -> Result<()> {
    if is_root() {
        return Ok(());
    }
    let command = format!("sudo -E env \"PATH=$PATH\" cargo xtask {task}");
    Err(format!("`cargo xtask {task}` starts a private containerd, which needs root: run `{command}`").into())
}

/// The folders that the linker searches for a library, as seen from `prefix` (`/usr`): distributions differ.
pub(crate) fn library_folders(prefix: &Path) -> Vec<PathBuf> {
    let multiarch = format!("lib/{}-linux-gnu", env::consts::ARCH);
    ["lib", multiarch.as_str(), "lib64"].iter().map(|folder| prefix.join(folder)).collect()
}

/// The names in a folder; a folder that is absent or unreadable has none.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

fn effective_user(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_effective_user_and_not_the_real_one() {
        let status = "Name:\txtask\nUid:\t1000\t0\t0\t0\nGid:\t1000\t1000\t1000\t1000\n";
        assert_eq!(effective_user(status), Some(0), "real, effective, saved, file system");
        assert_eq!(effective_user("Name:\txtask\n"), None, "no Uid line");
    }

    #[test]
    fn finds_programs_without_a_complete_path() {
        assert!(program("sh").is_some(), "every machine has sh in {:?}", path());
        assert!(program("no-such-program-anywhere").is_none());
    }
}
